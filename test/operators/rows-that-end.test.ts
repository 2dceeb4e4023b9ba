/**
 * Rows that are deleted, or whose time is over, leave nothing: no cell, and a tombstone in the
 * changelog, in every kind of store. And `ttlMs` of aggregates, groups and cogroups against its
 * definition.
 */
import fc from 'fast-check';
import {
  collect,
  hopping,
  hoppingCount,
  joinWindow,
  keyedList,
  keyedMap,
  raw,
  session,
  sliding,
  sum,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const a = topic<string, string>('a', { value: utf8 });
const b = topic<string, string>('b', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const near = joinWindow({ before: 10, after: 10, grace: 0 });
const both = (left: string | undefined, right: string | undefined) => `${left}|${right}`;
const ttl = { ttlMs: 100 };

interface Kind {
  readonly build: (t: TopologyBuilder) => void;
  /** Default: s */
  readonly stores?: readonly string[];
  /** Keys end by a deletion, not by time. */
  readonly deletes?: true;
}

function everyWindow(): Record<string, Kind> {
  const specs = {
    tumbling: tumbling({ size: 10, grace: 0 }),
    hopping: hopping({ size: 10, advance: 5, grace: 0 }),
    sliding: sliding({ size: 10, grace: 0 }),
    session: session({ gap: 10, grace: 0 }),
  };
  const kinds: Record<string, Kind> = {};
  for (const [name, spec] of Object.entries(specs)) {
    for (const emit of ['update', 'close'] as const) {
      kinds[`${name}, ${emit}`] = { build: (t) => t.stream(a).window(spec).count('s', { emit }) };
      kinds[`${name} of values, ${emit}`] = {
        build: (t) => t.stream(a).window(spec).aggregate('s', collect(), { emit }),
      };
    }
    kinds[`${name}, cogroup`] = {
      build: (t) =>
        t
          .stream(a)
          .cogroup({ init: () => 0, merge: (x, y) => x + y }, (n) => n + 1)
          .with(t.stream(b), (n) => n + 1)
          .window(spec)
          .aggregate('s'),
    };
  }
  return kinds;
}

const kinds: Record<string, Kind> = {
  ...everyWindow(),
  'an aggregate with ttlMs': { build: (t) => t.stream(a).aggregate('s', collect(), ttl) },
  'a count with ttlMs': { build: (t) => t.stream(a).count('s', ttl) },
  'a reduce with ttlMs': { build: (t) => t.stream(a).reduce('s', (x, y) => x + y, ttl) },
  'an aggregate that answers null': {
    deletes: true,
    build: (t) =>
      t.stream(a).aggregate('s', {
        init: () => '',
        add: (_: string, v: string) => (v === 'end' ? null : v) as string,
      }),
  },
  'a cogroup with ttlMs': {
    build: (t) =>
      t
        .stream(a)
        .cogroup({ init: () => '' }, (x, v) => x + v)
        .with(t.stream(b), (x, v) => x + v)
        .aggregate('s', ttl),
  },
  'a group with ttlMs, emptied': {
    deletes: true,
    stores: ['s', 'table'],
    build: (t) =>
      t
        .table('table', a)
        .groupBy('g', (v, k) => [k, v])
        .count('s', ttl),
  },
  'a group with ttlMs, not emptied': {
    build: (t) =>
      t
        .table('table', a)
        .groupBy('g', (v, k) => [k, v])
        .count('s', ttl),
  },
  'a group of rows with ttlMs': {
    stores: ['s', 'table'],
    build: (t) =>
      t
        .table('table', a, ttl)
        .groupBy('g', (v, k) => [k, v])
        .count('s', ttl),
  },
  'a reduced group with ttlMs': {
    build: (t) =>
      t
        .table('table', a)
        .groupBy('g', (v, k) => [k, v])
        .reduce(
          's',
          (x, y) => x + y,
          (x) => x,
          ttl,
        ),
  },
  'a group whose aggregate answers null': {
    deletes: true,
    stores: ['s', 'table'],
    build: (t) =>
      t
        .table('table', a)
        .groupBy('g', (_, k) => [k, 1])
        .aggregate('s', {
          init: () => 0,
          add: (n, v: number) => n + v,
          subtract: (n, v: number) => (n - v || null) as number,
        }),
  },
  'a table': { deletes: true, build: (t) => t.table('s', a) },
  'a table with ttlMs': { build: (t) => t.table('s', a, ttl) },
  'a table with historyMs': { deletes: true, build: (t) => t.table('s', a, { historyMs: 50 }) },
  'a join': {
    build: (t) => t.stream(a).join('s', t.stream(b), near, both).to(out),
  },
  'an outer join': { build: (t) => t.stream(a).outerJoin('s', t.stream(b), near, both).to(out) },
  'a join with itself': {
    build: (t) => {
      const stream = t.stream(a);
      stream.join('s', stream, near, both).to(out);
    },
  },
  'a wait for a row': {
    stores: ['s'],
    build: (t) =>
      t
        .stream(a)
        .leftJoinTable(t.table('table', b, { historyMs: 50 }), both, {
          wait: { name: 's', graceMs: 10 },
        })
        .to(out),
  },
  dedupe: {
    build: (t) =>
      t
        .stream(a)
        .dedupe('s', (v) => v, 10)
        .to(out),
  },
  suppress: {
    deletes: true,
    stores: ['s', 'table'],
    build: (t) => t.table('table', a).suppress('s', { timeLimitMs: 10 }).to(out),
  },
  'suppress until closed': {
    stores: ['s', 'w'],
    build: (t) =>
      t
        .stream(a)
        .window(tumbling({ size: 10, grace: 0 }))
        .count('w')
        .suppress('s', { untilClosed: true }),
  },
  'process with ttlMs': {
    build: (t) =>
      t.stream(a).process('s', {
        ...ttl,
        state: utf8,
        collections: { list: keyedList<string>(), map: keyedMap<string>() },
        record: (context, value, timestamp) => {
          context.state = value;
          context.collections.list.add(value, timestamp);
          context.collections.map.set('x', value);
        },
      }),
  },
  'process whose state is set to undefined': {
    deletes: true,
    build: (t) =>
      t.stream(a).process<string>('s', {
        record: (context, value) => {
          context.state = value === 'end' ? undefined : value;
        },
      }),
  },
  'process with a timer': {
    build: (t) =>
      t.stream(a).process('s', {
        record: (context, _, timestamp) => context.setTimer('t', timestamp + 10),
      }),
  },
  'a foreign key join': {
    deletes: true,
    stores: ['s', 's-subscribers', 'left'],
    build: (t) => t.table('left', a).leftJoinForeign('s', t.table('right', b), (_, k) => k, both),
  },
  'order by time': {
    stores: ['s-order'],
    build: (t) =>
      t
        .stream(a)
        .keyBy('s', (_, key) => key, { order: 'time' })
        .to(out),
  },
};

/** Keys that have a value in the changelog, after all of it. */
async function kept(driver: TestDriver, store: string): Promise<string[]> {
  const changelog = topic<Uint8Array, Uint8Array>(`test-${store}-changelog`, {
    key: raw,
    value: raw,
  });
  const last = new Map<string, boolean>();
  for (const { key, value } of await driver.read(changelog)) {
    last.set(Buffer.from(key as Uint8Array).toString('latin1'), value !== null);
  }
  expect(last.size, `changelog of ${store}`).toBeGreaterThan(0);
  return [...last].filter(([, isThere]) => isThere).map(([key]) => key);
}

describe('a key that is deleted or over has no cell, and a tombstone', () => {
  test.each(Object.entries(kinds))('%s', async (_, { build, stores = ['s'], deletes }) => {
    // With no memory for cells that are saved, they come back from the store.
    for (const cacheBytes of [undefined, 0]) {
      const built = topology('ends', (t) => {
        build(t);
        t.stream(topic<string, string>('clock', { value: utf8 }));
      });
      const driver = await testDriver(built, cacheBytes === undefined ? {} : { cacheBytes });
      for (const [key, at] of [
        ['k1', 1],
        ['k1', 3],
        ['k2', 7],
      ] as const) {
        await driver.pipe(a, key, 'v', at);
      }
      await driver.restart();
      if (deletes) {
        for (const key of ['k1', 'k2']) await driver.pipe(a, key, 'end', 20);
        for (const key of ['k1', 'k2']) await driver.pipe(a, key, null, 20);
      }
      await driver.pipe(a, 'late', 'v', 1_000);
      if (deletes) {
        await driver.pipe(a, 'late', 'end', 1_000);
        await driver.pipe(a, 'late', null, 1_000);
      }
      // A join keeps what a side's own records have not passed.
      await driver.pipe(a, 'last', 'v', 3_000);
      await driver.advanceTo(5_000);
      const left = Object.fromEntries(
        await Promise.all(
          stores.map(async (store) => [
            store,
            (await kept(driver, store)).filter((key) => /k1|k2|late/.test(key)),
          ]),
        ),
      );
      expect(left).toEqual(Object.fromEntries(stores.map((store) => [store, []])));
      await driver.restart({ dropState: true });
      await driver.close();
    }
  });
});

const numbers = topic<string, number>('numbers');
const changes = topic<string, number>('changes');

interface Arriving {
  readonly key: string;
  readonly value: number | null;
  readonly timestamp: number;
}

const arriving = (values: fc.Arbitrary<number | null>) =>
  fc.array(
    fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      value: values,
      timestamp: fc.nat({ max: 700 }),
    }),
    { maxLength: 25 },
  );

async function rowsAfter(driver: TestDriver, records: readonly Arriving[], restartAt: number) {
  for (const [i, { key, value, timestamp }] of records.entries()) {
    if (i === restartAt) await driver.restart({ dropState: i % 2 === 0 });
    await driver.pipe(numbers, key, value, timestamp);
  }
  const rows = await driver.rows({ store: 's' });
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}

/** What the changes come to, which the rows must be. */
async function told(driver: TestDriver) {
  const newest: Record<string, unknown> = {};
  for (const { key, value } of await driver.read(changes)) {
    if (value === null) delete newest[key as string];
    else newest[key as string] = value;
  }
  return newest;
}

describe('ttlMs', () => {
  const ttlMs = 100;

  test('of an aggregate: a row is the sum since there was none', async () => {
    const built = topology('sums', (t) => {
      t.stream(numbers)
        .aggregate(
          's',
          sum((n: number) => n),
          { ttlMs },
        )
        .changes()
        .to(changes);
    });
    await fc.assert(
      fc.asyncProperty(arriving(fc.nat({ max: 9 })), fc.nat({ max: 24 }), async (records, at) => {
        const rows = new Map<string, { sum: number; at: number }>();
        let now = -1;
        let expired = 0;
        for (const { key, value, timestamp } of records) {
          now = Math.max(now, timestamp);
          for (const [one, row] of rows) if (row.at + ttlMs <= now) rows.delete(one);
          const row = rows.get(key);
          if (row === undefined && timestamp + ttlMs <= now) expired++;
          else {
            const [before, newest] = [row?.sum ?? 0, Math.max(row?.at ?? 0, timestamp)];
            rows.set(key, { sum: before + (value as number), at: newest });
          }
        }
        const wanted = Object.fromEntries([...rows].map(([key, row]) => [key, row.sum]));
        const driver = await testDriver(built);
        expect(await rowsAfter(driver, records, at)).toEqual(wanted);
        expect(await told(driver)).toEqual(wanted);
        if (at >= records.length) {
          expect(driver.summary.counters.drops['s|expired'] ?? 0).toBe(expired);
        }
        await driver.advanceTo(10_000);
        expect(await driver.rows({ store: 's' })).toEqual([]);
        expect(await told(driver)).toEqual({});
        await driver.close();
      }),
      { numRuns: 25 },
    );
  });

  test('of a group: it counts the rows that came since there was none, and takes back no others', async () => {
    const built = topology('groups', (t) => {
      t.table('rows', numbers)
        .groupBy('g', (n) => [`g${n % 2}`, n])
        .aggregate('s', { ...sum((n: number) => n), name: 'own' }, { ttlMs })
        .changes()
        .to(changes);
    });
    const values = fc.option(fc.nat({ max: 9 }), { freq: 4 });
    await fc.assert(
      fc.asyncProperty(arriving(values), fc.nat({ max: 24 }), async (records, at) => {
        const table = new Map<string, number>();
        const groups = new Map<string, { rows: Map<string, number>; at: number; after: number }>();
        let now = -1;
        const groupOf = (n: number) => `g${n % 2}`;
        for (const { key, value, timestamp } of records) {
          const before = table.get(key);
          // The group's task goes by the source, whatever comes of its records.
          now = Math.max(now, timestamp);
          for (const [name, group] of groups) if (group.at + ttlMs <= now) groups.delete(name);
          const left = before === undefined ? undefined : groups.get(groupOf(before));
          if (left?.rows.delete(key)) left.at = Math.max(left.at, timestamp);
          if (value === null) {
            table.delete(key);
            continue;
          }
          table.set(key, value);
          const into = groups.get(groupOf(value)) ?? {
            rows: new Map<string, number>(),
            at: timestamp,
            after: now - ttlMs,
          };
          if (timestamp <= into.after) continue;
          into.rows.set(key, value);
          into.at = Math.max(into.at, timestamp);
          groups.set(groupOf(value), into);
        }
        const wanted = Object.fromEntries(
          [...groups].map(([name, { rows }]) => [
            name,
            [...rows.values()].reduce((x, y) => x + y, 0),
          ]),
        );
        const driver = await testDriver(built);
        expect(await rowsAfter(driver, records, at)).toEqual(wanted);
        expect(await told(driver)).toEqual(wanted);
        await driver.advanceTo(10_000);
        expect(await driver.rows({ store: 's' })).toEqual([]);
        expect(await told(driver)).toEqual({});
        await driver.close();
      }),
      { numRuns: 25 },
    );
  });

  test('that a table joined to it sees: the row as of the stream, ahead of its own time', async () => {
    const asks = topic<string, string>('asks', { value: utf8 });
    const built = topology('ahead', (t) => {
      const totals = t.stream(numbers).count('s', { ttlMs });
      t.stream(asks)
        .leftJoinTable(totals, (ask, n) => `${ask} ${n ?? 'none'}`)
        .to(out);
    });
    const driver = await testDriver(built);
    await driver.pipe(numbers, 'a', 1, 0);
    await driver.pipe(asks, 'a', 'early', 99);
    await driver.pipe(asks, 'a', 'late', 100);
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['early 1', 'late none']);
    await driver.close();
  });

  test('makes no sense: it is refused with field and line', () => {
    const refused = (build: (t: TopologyBuilder) => void, field: string) => {
      expect(() => topology('refused', build)).toThrow(
        expect.objectContaining({
          code: 'CONFIG_INVALID',
          message: expect.stringContaining(field),
        }),
      );
    };
    for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '5', null]) {
      const options = { ttlMs: bad as number };
      refused((t) => t.stream(a).count('s', options), 's.ttlMs');
      refused((t) => t.stream(a).aggregate('s', collect(), options), 's.ttlMs');
      refused((t) => t.stream(a).reduce('s', (x) => x, options), 's.ttlMs');
      refused(
        (t) =>
          t
            .stream(a)
            .cogroup({ init: () => 0 }, (n) => n)
            .aggregate('s', options),
        's.ttlMs',
      );
      refused(
        (t) =>
          t
            .table('t', a)
            .groupBy('g', (v) => [v, v])
            .count('s', options),
        's.ttlMs',
      );
    }
    const windows = (t: TopologyBuilder) =>
      t.stream(a).window(hoppingCount({ size: 2, advance: 1 }));
    refused(
      (t) =>
        windows(t)
          .count('w')
          .groupBy('g', (n) => ['all', n])
          .count('s', { ttlMs }),
      's.ttlMs',
    );
    refused((t) => t.stream(a).cogroup({} as never, (n) => n), 'cogroup.init');
    refused((t) => t.stream(a).cogroup({ init: () => 0 }, undefined as never), 'cogroup.add');
  });

  test('may not change under state that is there', async () => {
    const counted = (options: { ttlMs?: number }) =>
      topology('changing', (t) => {
        t.stream(numbers).count('s', options);
      });
    const driver = await testDriver(counted({}));
    await driver.pipe(numbers, 'a', 1, 0);
    const changed = driver.restart({ topology: counted({ ttlMs }) });
    await expect(changed).rejects.toThrow(expect.objectContaining({ code: 'STATE_INCOMPATIBLE' }));
  });
});
