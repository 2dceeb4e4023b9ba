/** What a source brings is there once, however often the process that pulls is killed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startShop } from '../connect/pull/shop.ts';
import { emptyFolder, launch, millrace } from './millrace.ts';

const orders = Array.from({ length: 80 }, (_, i) => ({
  id: `o${i}`,
  subject: `s${i % 7}`,
  class: 'purchase',
  item: `o${i}`,
  updated: new Date(Date.UTC(2026, 0, 1, 0, i)).toISOString(),
  time: new Date(Date.UTC(2026, 0, 1, 0, i)).toISOString(),
}));

async function idsIn(data: string): Promise<string[]> {
  const read = ['topics', 'read', 'events', '--json', '--data', data];
  const { stdout } = await millrace(...read);
  const records = JSON.parse(stdout) as { value: string }[];
  return records.map(({ value }) => (JSON.parse(value) as { id: string }).id).sort();
}

test('killed by SIGKILL between pages and commits: every row once', async () => {
  const folder = await emptyFolder();
  const data = join(folder, 'data');
  const shop = await startShop('cursor');
  const file = join(folder, 'sources.json');
  const source = {
    kind: 'rest',
    url: `${shop.url}/orders`,
    rows: 'data.orders',
    id: 'id',
    paging: { type: 'cursor', from: 'paging.next', parameter: 'after' },
    incremental: { field: 'updated', parameter: 'since' },
    mapping: 'sample',
    everySeconds: 0.05,
  };
  await writeFile(file, JSON.stringify({ sources: { orders: source } }));
  const options = ['--data', data, '--threads', '0', '--sources', file];
  shop.orders = orders.slice(0, 2) as never;
  expect(await millrace('start', ...options)).toMatchObject({ code: 0 });
  shop.orders = orders as never;
  // Each round dies while a page is under way: that page and those before it may be uncommitted.
  for (const dieAfter of [5, 9]) {
    let asked = 0;
    let serving: ReturnType<typeof launch> | undefined;
    shop.fault = () => {
      if (++asked >= dieAfter) serving?.child.kill('SIGKILL');
      return undefined;
    };
    serving = launch('topologies/app/main.ts', ['serve', ...options, '--http', '0']);
    expect(await serving.ended).toMatchObject({ signal: 'SIGKILL' });
  }
  shop.fault = () => undefined;
  expect(await millrace('start', ...options)).toMatchObject({ code: 0 });
  expect(await idsIn(data)).toEqual(orders.map(({ id }) => id).sort());
}, 600_000);

test('`sources test` shows rows, events and what is rejected, and writes nothing', async () => {
  const folder = await emptyFolder();
  const shop = await startShop('cursor', 3);
  shop.orders = [
    ...orders.slice(0, 3),
    { ...orders[3], id: 'bad', subject: '' },
    ...orders.slice(3),
  ] as never;
  const file = join(folder, 'sources.json');
  const source = {
    kind: 'rest',
    url: `${shop.url}/orders`,
    rows: 'data.orders',
    mapping: 'sample',
  };
  const paging = { type: 'cursor', from: 'paging.next', parameter: 'after' };
  await writeFile(file, JSON.stringify({ sources: { orders: { ...source, paging } } }));
  const { code, stdout } = await millrace(
    ...['sources', 'test', 'orders', '--sources', file, '--limit', '5', '--json'],
  );
  expect(code).toBe(0);
  const { rows, raw, events, rejected } = JSON.parse(stdout);
  expect([rows, raw.length, events.length]).toEqual([5, 5, 4]);
  expect(rejected).toEqual({ 'there is no subject in subject': 1 });
  expect(shop.asked).toHaveLength(2);
  await writeFile(
    file,
    JSON.stringify({ sources: { orders: { ...source, pagin: paging, url: 1 } } }),
  );
  const lint = await millrace('sources', 'lint', file);
  expect(lint.code).toBe(2);
  expect(lint.stderr).toContain('sources.orders.pagin: is not known');
  expect(lint.stderr).toContain('sources.orders.url: must be a URL');
}, 600_000);
