/**
 * Rows of a REST interface: paging, increments, and an interface that misbehaves. Nothing lost,
 * nothing twice.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../engine/base/clock.ts';
import { systemScheduler } from '../../../engine/base/scheduler.ts';
import { RestPuller } from '../../../engine/connect/pull/rest/rest.ts';
import type { PagingSpec, RestSpec } from '../../../engine/connect/pull/rest/rest-spec.ts';
import { noSecrets, nothing, type Pulled, pull } from './pulling.ts';
import { asRecords, type Paging, type Shop, startShop, tenOrders } from './shop.ts';

const pagings: Readonly<Record<Exclude<Paging, 'none'>, PagingSpec>> = {
  cursor: { type: 'cursor', from: 'paging.next', parameter: 'after' },
  url: { type: 'url', from: 'paging.next' },
  page: { type: 'page', parameter: 'page' },
  offset: { type: 'offset', parameter: 'offset', limitParameter: 'limit', limit: 2 },
  link: { type: 'link' },
};
const kinds = Object.keys(pagings) as (keyof typeof pagings)[];

function puller(shop: Shop, spec: Partial<RestSpec> = {}) {
  return new RestPuller({
    name: 'orders',
    spec: { kind: 'rest', url: `${shop.url}/orders`, rows: 'data.orders', ...spec },
    secrets: noSecrets,
    clock: systemClock,
    scheduler: systemScheduler,
    warn: () => {},
  });
}

async function shopOf(paging: Paging): Promise<Shop> {
  const shop = await startShop(paging);
  shop.orders = tenOrders();
  return shop;
}

const incremental = { field: 'updated', parameter: 'since', overlapSeconds: 120 };

describe.each(kinds)('paging by %s', (kind) => {
  const spec = { paging: pagings[kind], incremental, id: 'id' };

  test('brings every row once, in order', async () => {
    const shop = await shopOf(kind);
    const { records, read } = await pull({ puller: puller(shop, spec) });
    expect(records).toEqual(asRecords(shop.orders));
    expect(read).toBe(10);
  });

  test('killed after each page, before its commit: nothing lost, nothing twice', async () => {
    const shop = await shopOf(kind);
    for (let killAfter = 1; killAfter <= 5; killAfter++) {
      let pulled = await pull({ puller: puller(shop, spec) }, nothing(), { killAfter });
      // Killed again at the same place once more, then left alone.
      pulled = await pull({ puller: puller(shop, spec) }, pulled, { killAfter: 1 });
      pulled = await pull({ puller: puller(shop, spec) }, pulled);
      expect(pulled.records, `killed after ${killAfter}`).toEqual(asRecords(shop.orders));
    }
  });

  test('429, 503, 500, a cut connection, half an answer: each page is asked for again', async () => {
    const shop = await shopOf(kind);
    let n = 0;
    shop.fault = (request, response) => {
      const fault = n++ % 6;
      if (fault === 0) response.writeHead(429, { 'retry-after': '0' }).end();
      else if (fault === 1)
        response.writeHead(503, { 'retry-after': new Date(0).toUTCString() }).end();
      else if (fault === 2) response.writeHead(500).end('sorry');
      else if (fault === 3) request.socket.destroy();
      else if (fault === 4) {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"data":{"orders":[{"id":"half"');
        setTimeout(() => request.socket.destroy(), 5);
      } else return undefined;
      return true;
    };
    const { records, troubles } = await pull({ puller: puller(shop, spec) });
    expect(records).toEqual(asRecords(shop.orders));
    expect(troubles.join('\n')).toMatch(/answers 429[\s\S]*answers 503[\s\S]*answers 500: sorry/);
  });

  test('the next run asks from the newest row less the overlap, and passes over what it knows', async () => {
    const shop = await shopOf(kind);
    const first = await pull({ puller: puller(shop, spec) });
    shop.asked.length = 0;
    // One late by a minute, one changed, one new.
    shop.orders.splice(9, 0, { id: 'late', value: 1, updated: '2026-01-01T00:08:00.000Z' });
    shop.orders.push({ id: 'o9', value: 'changed', updated: '2026-01-01T00:09:30.000Z' });
    shop.orders.push({ id: 'new', value: 2, updated: '2026-01-01T00:10:00.000Z' });
    const second = await pull(
      { puller: puller(shop, spec) },
      { ...nothing(), cursor: first.cursor },
    );
    expect(shop.asked[0]).toContain('since=2026-01-01T00%3A07%3A00.000Z');
    expect(second.records).toEqual(['late 1', 'o9 "changed"', 'new 2']);
    expect(second.skipped).toEqual({ 'seen before': 3 });
    const third = await pull(
      { puller: puller(shop, spec) },
      { ...nothing(), cursor: second.cursor },
    );
    expect(third.records).toEqual([]);
  });
});

test('a page that is delivered twice counts once, also without ids', async () => {
  const shop = await shopOf('page');
  // The shop answers the second page to the request for the third as well.
  shop.fault = (_, __, url) => {
    const page = Number(url.searchParams.get('page'));
    if (page > 2) url.searchParams.set('page', String(page - 1));
    return undefined;
  };
  for (const id of [{ id: 'id' }, {}]) {
    const { records, skipped } = await pull({
      puller: puller(shop, { paging: pagings.page, ...id }),
    });
    expect(records).toEqual(asRecords(shop.orders));
    expect(skipped).toEqual({ 'seen before': 2 });
  }
});

test('rows that move to another page while they are read are not twice', async () => {
  const shop = await shopOf('page');
  let pulled = await pull({ puller: puller(shop, { paging: pagings.page }) }, nothing(), {
    killAfter: 3,
  });
  // Two pages are committed. A new first row pushes all others on.
  shop.orders.unshift({ id: 'first', value: 0 });
  pulled = await pull({ puller: puller(shop, { paging: pagings.page }) }, pulled);
  expect(pulled.records).toEqual(asRecords(tenOrders()));
  // What came in front of the pages is found by the next run.
  const next = await pull(
    { puller: puller(shop, { paging: pagings.page }) },
    { ...nothing(), cursor: pulled.cursor },
  );
  expect(next.records).toEqual(['first 0']);
});

test('a paging cursor that has expired begins the run anew', async () => {
  const shop = await shopOf('cursor');
  const spec = { paging: pagings.cursor, incremental, id: 'id' };
  let pulled = await pull({ puller: puller(shop, spec) }, nothing(), { killAfter: 3 });
  shop.fault = (_, response, url) => {
    if (url.searchParams.get('after') !== '4') return undefined;
    shop.fault = () => undefined;
    response.writeHead(410).end('the cursor has expired');
    return true;
  };
  pulled = await pull({ puller: puller(shop, spec) }, pulled);
  expect(pulled.records).toEqual(asRecords(shop.orders));
});

test('the newest row counts only when its run is whole, as rows may be in any order', async () => {
  const shop = await shopOf('cursor');
  shop.orders.reverse();
  const spec = { paging: pagings.cursor, incremental, id: 'id' };
  const killed = await pull({ puller: puller(shop, spec) }, nothing(), { killAfter: 2 });
  const { records } = await pull({ puller: puller(shop, spec) }, killed);
  expect(records).toEqual(asRecords(shop.orders));
});

test('a row from the future does not hide those that come after it', async () => {
  const shop = await shopOf('cursor');
  shop.orders[0] = { id: 'future', value: 0, updated: '2999-01-01T00:00:00.000Z' };
  const spec = {
    paging: pagings.cursor,
    incremental: { ...incremental, overlapSeconds: 0 },
    id: 'id',
  };
  const { cursor } = await pull({ puller: puller(shop, spec) });
  const now = new Date(Date.now() + 1_000).toISOString();
  shop.orders.push({ id: 'now', value: 1, updated: now });
  const next = await pull({ puller: puller(shop, spec) }, { ...nothing(), cursor });
  expect(next.records).toEqual(['now 1']);
});

describe('a schema that drifts', () => {
  test('of rows: dead letters with the reason, and the others are taken', async () => {
    const shop = await shopOf('cursor');
    shop.orders[3] = { id: null, value: 3 };
    shop.orders[5] = 'text' as never;
    const { records, deadLetters, read } = await pull({
      puller: puller(shop, { paging: pagings.cursor }),
    });
    expect(records).toHaveLength(8);
    expect(read).toBe(10);
    expect(deadLetters).toEqual([
      { text: '{"id":null,"value":3}', reason: 'there is no id', from: `${shop.url}/orders` },
      { text: '"text"', reason: 'it is not a JSON object', from: `${shop.url}/orders` },
    ]);
  });

  test.each([
    ['the list is elsewhere', '{"items":[]}', /has no list of rows at data\.orders/],
    ['the list is null', '{"data":{"orders":null}}', /has no list of rows/],
    ['a name twice', '{"data":{"orders":[],"orders":[1]}}', /has the field "orders" twice/],
  ])('of the answer, %s: it is refused, and nothing is passed over', async (_, text, message) => {
    const shop = await shopOf('cursor');
    const spec = { paging: pagings.cursor, incremental, id: 'id' };
    const first = await pull({ puller: puller(shop, spec) }, nothing(), { killAfter: 3 });
    shop.fault = (_request, response) => {
      response.end(text);
      return true;
    };
    await expect(pull({ puller: puller(shop, spec) }, first)).rejects.toThrow(message);
    shop.fault = () => undefined;
    const { records } = await pull({ puller: puller(shop, spec) }, first);
    expect(records).toEqual(asRecords(shop.orders));
  });

  test('a page of HTML with status 200 is asked for again', async () => {
    const shop = await shopOf('cursor');
    let n = 0;
    shop.fault = (_, response) => {
      if (n++ % 2 === 1) return undefined;
      response.end('<html>maintenance</html>');
      return true;
    };
    const { records } = await pull({ puller: puller(shop, { paging: pagings.cursor }) });
    expect(records).toEqual(asRecords(shop.orders));
  });
});

describe('what is refused', () => {
  const refusal = async (shop: Shop, spec: Partial<RestSpec> = {}): Promise<string> => {
    const error = await pull({ puller: puller(shop, { paging: pagings.link, ...spec }) }).then(
      () => undefined,
      (failure: Error) => failure,
    );
    return error?.message ?? 'nothing';
  };

  test('403, 404 and 400 name the answer', async () => {
    const shop = await shopOf('link');
    for (const status of [400, 403, 404]) {
      shop.fault = (_, response) => {
        response.writeHead(status).end('no');
        return true;
      };
      expect(await refusal(shop)).toContain(`answers ${status}: no`);
    }
  });

  test('a next page or a redirect to another host: credentials stay', async () => {
    const shop = await shopOf('link');
    shop.fault = (_, response) => {
      response.writeHead(200, { link: '<http://other.example/orders>; rel=next' });
      response.end('{"data":{"orders":[]}}');
      return true;
    };
    expect(await refusal(shop)).toContain('leads to another host: http://other.example/orders');
    shop.fault = (_, response) => {
      response.writeHead(302, { location: 'http://other.example/' }).end();
      return true;
    };
    expect(await refusal(shop)).toContain('leads to another host');
  });

  test('a page that leads to itself, and an answer beyond the limit', async () => {
    const shop = await shopOf('cursor');
    shop.fault = (_, response) => {
      response.end('{"data":{"orders":[]},"paging":{"next":7}}');
      return true;
    };
    expect(await refusal(shop, { paging: pagings.cursor })).toContain('is that page itself');
    expect(await refusal(shop, { limits: { bodyBytes: 10 } })).toContain(
      'larger than limits.bodyBytes',
    );
  });

  test('a bounded run gives up after some failures; what it has taken stays', async () => {
    const shop = await shopOf('cursor');
    shop.fault = (_, response, url) => {
      if (url.searchParams.get('after') !== '4') return undefined;
      response.writeHead(500).end();
      return true;
    };
    expect(await refusal(shop, { paging: pagings.cursor })).toContain('does not respond');
    expect(shop.asked.filter((one) => one.includes('after=4'))).toHaveLength(8);
  });
});

test('requests keep the pace that is set', async () => {
  const shop = await shopOf('page');
  let now = 0;
  const waits: number[] = [];
  const paced = new RestPuller({
    name: 'orders',
    spec: {
      kind: 'rest',
      url: `${shop.url}/orders`,
      rows: 'data.orders',
      paging: pagings.page,
      limits: { requestsPerMinute: 60 },
    },
    secrets: noSecrets,
    clock: { now: () => now, monotonic: () => now },
    scheduler: {
      sleep: async (ms) => {
        waits.push(ms);
        now += ms;
      },
      yieldNow: async () => {},
    },
    warn: () => {},
  });
  for await (const _ of paced.run(undefined, new AbortController().signal));
  expect(waits).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
});

test('live, it looks again and again, and says when the other side is away', async () => {
  const shop = await shopOf('cursor');
  const spec = { paging: pagings.cursor, incremental, id: 'id' };
  let n = 0;
  shop.fault = (_, response) => {
    if (n++ === 5) shop.orders.push({ id: 'new', value: 1, updated: '2026-01-01T00:10:00.000Z' });
    if (n !== 8) return undefined;
    response.writeHead(502).end();
    return true;
  };
  const enough = ({ records, troubles }: Pulled) => records.length === 11 && troubles.length > 0;
  const live = { puller: puller(shop, spec), bounded: false };
  const { records } = await pull(live, nothing(), { enough });
  expect(records).toEqual(asRecords(shop.orders));
});

test('a position that the first version has kept is gone on from', async () => {
  const kept = join(import.meta.dirname, '../fixtures/pull-cursors-1.json');
  const { rest: cursor } = JSON.parse(await readFile(kept, 'utf8'));
  const shop = await shopOf('cursor');
  const spec = { paging: pagings.cursor, incremental, id: 'id' };
  const { records } = await pull({ puller: puller(shop, spec), kind: 'rest' }, nothing(cursor));
  expect(records).toEqual(asRecords(shop.orders.slice(4)));
  expect(shop.asked[0]).toBe('/orders?after=4');
});
