/**
 * A row that anything makes null or undefined is no row: in changes, joins, aggregates, windows,
 * `rows` and `query`, whatever the order of arrival.
 */
import {
  hopping,
  hoppingCount,
  json,
  msgpack,
  type Serde,
  type StoreHandle,
  session,
  sliding,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  tumblingCount,
  utf8,
  type WindowSpec,
} from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const a = topic<string, number>('a', { value: json() });
const b = topic<string, string>('b', { value: utf8 });
const c = topic<string, string>('c', { value: utf8 });
const out = topic<string, string>('out', { value: json() });

const nothing = [null, undefined] as const;
const even = (none: null | undefined) => (n: number) => (n % 2 === 0 ? n : none);

/** Whatever its rows are. */
type AnyTable = StoreHandle & { to(topic: never): void };

type Outcome = { rows: readonly unknown[]; told: Record<string, unknown> };

/** Runs changes in the order given; answers the rows, and what was told last of each key. */
async function outcome(
  build: (t: TopologyBuilder) => AnyTable,
  pipes: readonly ((driver: TestDriver) => Promise<void>)[],
): Promise<Outcome> {
  const built = topology('nulls', (t) => {
    const table = build(t);
    table.to(out as never);
    return { table };
  });
  const driver = await testDriver(built, { cacheBytes: 0 });
  for (const pipe of pipes) await pipe(driver);
  await driver.restart({ dropState: true });
  const told = new Map<string, unknown>();
  for (const { key, value } of await driver.read(out)) {
    if (value === null) told.delete(key as string);
    else told.set(key as string, value);
  }
  const rows = (await driver.rows(built.exports.table)).map(({ key, value }) => [key, value]);
  expect(await driver.deadLetters()).toEqual([]);
  await driver.close();
  return { rows, told: Object.fromEntries(told) };
}

const pipeA = (value: number | null) => (driver: TestDriver) => driver.pipe(a, 'u', value, 0);
const pipeB = (value: string | null) => (driver: TestDriver) => driver.pipe(b, 'u', value, 1);
const pipeC = (value: string | null) => (driver: TestDriver) => driver.pipe(c, 'u', value, 2);

/** Every order of a few. */
function orders<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((one, i) =>
    orders([...list.slice(0, i), ...list.slice(i + 1)]).map((rest) => [one, ...rest]),
  );
}

describe.each(nothing)('a row mapped to %s', (none) => {
  const mapped = (t: TopologyBuilder) => t.table('ta', a).map(even(none));
  const cases: [string, (t: TopologyBuilder) => AnyTable, unknown][] = [
    ['has no row', mapped, undefined],
    ['joins nothing', (t) => mapped(t).join(t.table('tb', b), (n, s) => `${n}${s}`), undefined],
    [
      'is undefined on the right of a left join',
      (t) => t.table('tb', b).leftJoin(mapped(t), (s, n) => `${s}${n}`),
      'xundefined',
    ],
    [
      'is undefined in an outer join',
      (t) => mapped(t).outerJoin(t.table('tb', b), (n, s) => `${n}${s}`),
      'undefinedx',
    ],
    [
      'joins nothing by a foreign key',
      (t) =>
        t.table('tb', b).joinForeign(
          'j',
          mapped(t),
          (_, key) => key,
          (s, n) => `${s}${n}`,
        ),
      undefined,
    ],
    [
      'is in no group',
      (t) =>
        mapped(t)
          .groupBy('g', (n, key) => [key, n])
          .count('n'),
      undefined,
    ],
  ];
  test.each(cases)('%s', async (_, build, row) => {
    const expected = row === undefined ? [] : [['u', row]];
    for (const pipes of orders([pipeA(3), pipeB('x')])) {
      const used = build.toString().includes('tb') ? pipes : [pipeA(3)];
      const { rows, told } = await outcome(build, used);
      expect({ rows, told }).toEqual({ rows: expected, told: Object.fromEntries(expected) });
    }
  });

  test('goes when it was there, and comes back', async () => {
    expect((await outcome(mapped, [pipeA(2), pipeA(3)])).rows).toEqual([]);
    expect((await outcome(mapped, [pipeA(2), pipeA(3), pipeA(4)])).rows).toEqual([['u', 4]]);
  });

  test('is not read by a stream, nor by process', async () => {
    const built = topology('reads', (t) => {
      const table = mapped(t);
      const s = t.stream(b);
      s.leftJoinTable(table, (text, n) => `${text} ${n}`).to(out);
      s.process<string, string>('p', {
        tables: [table],
        record: (context) => context.emit(`row ${context.row(table)}`),
      }).to(out);
    });
    const driver = await testDriver(built);
    await pipeA(3)(driver);
    await pipeB('x')(driver);
    const values = (await driver.read(out)).map(({ value }) => value);
    expect(values).toEqual(['x undefined', 'row undefined']);
    await driver.close();
  });

  test('a joiner that answers it makes no row, whoever comes last', async () => {
    const build = (t: TopologyBuilder) =>
      t
        .table('ta', a)
        .join(t.table('tb', b), () => none as never)
        .join(t.table('tc', c), (ab, s) => `${ab}/${s}`);
    for (const pipes of orders([pipeA(1), pipeB('x'), pipeC('y')])) {
      expect(await outcome(build, pipes)).toEqual({ rows: [], told: {} });
    }
  });

  test('an aggregate that answers it takes its row away, and begins anew', async () => {
    const own = { init: () => 0, add: (sum: number, n: number) => (n < 0 ? none : sum + n) };
    const build = (t: TopologyBuilder) => t.stream(a).aggregate('s', own as never);
    expect(await outcome(build, [pipeA(1), pipeA(-1)])).toEqual({ rows: [], told: {} });
    const again = await outcome(build, [pipeA(1), pipeA(-1), pipeA(5)]);
    expect(again).toEqual({ rows: [['u', 5]], told: { u: 5 } });
  });

  const windows: [string, WindowSpec, 'update' | 'close'][] = [
    ['tumbling', tumbling({ size: 10, grace: 0 }), 'update'],
    ['tumbling, closed', tumbling({ size: 10, grace: 0 }), 'close'],
    ['hopping', hopping({ size: 10, advance: 5, grace: 0 }), 'update'],
    ['hopping, closed', hopping({ size: 10, advance: 5, grace: 0 }), 'close'],
    ['sliding', sliding({ size: 10, grace: 0 }), 'update'],
    ['sliding, closed', sliding({ size: 10, grace: 0 }), 'close'],
    ['session', session({ gap: 5, grace: 0 }), 'update'],
    ['session, closed', session({ gap: 5, grace: 0 }), 'close'],
    ['tumbling of records', tumblingCount({ size: 3 }), 'update'],
    ['hopping of records', hoppingCount({ size: 4, advance: 2 }), 'close'],
  ];
  for (const merges of [true, false]) {
    test.each(windows)(`in windows (merge: ${merges}): %s`, async (name, spec, emit) => {
      if (!merges && spec.type === 'session') return;
      // utf8 cannot write null: no serde need know of it.
      const own = {
        init: () => '',
        add: (text: string, n: number) => (n < 0 ? none : `${text}${n}`),
        ...(merges ? { merge: (l: string, r: string) => l + r } : {}),
      };
      const built = topology('windows', (t) => {
        const table = t
          .stream(a)
          .window(spec)
          .aggregate('w', own as never, { emit, value: utf8 as Serde<never> });
        const texts = table.changes().map((value) => value as string | null);
        texts.keyBy('to-out', (_, { key }) => key, { value: json() }).to(out as never);
        return { table };
      });
      for (const restart of [false, true]) {
        const driver = await testDriver(built, { cacheBytes: 0 });
        for (const [key, values] of [
          ['none', [1, -1]],
          ['back', [1, -1, 5]],
        ] as const) {
          for (const n of values) {
            await driver.pipe(a, key, n, 12);
            if (restart) await driver.restart({ dropState: true });
          }
        }
        const rows = await driver.rows(built.exports.table);
        const seen = new Set(rows.map(({ key, value }) => `${key} ${value}`));
        const told = (await driver.read(out)).map(({ key, value }) => `${key} ${value}`);
        if (spec.type !== 'count') expect([...seen], `${name}: rows`).toEqual(['back 5']);
        expect(told.filter((text) => /NaN|undefined|-1|15/.test(text))).toEqual([]);
        await driver.pipe(a, 'z', 7, 1_000);
        const final = (await driver.read(out)).map(({ key, value }) => `${key} ${value}`);
        if (emit === 'close' && spec.type !== 'count') {
          expect(new Set(final.filter((text) => !text.startsWith('z')))).toEqual(
            new Set(['back 5']),
          );
        }
        expect(await driver.deadLetters()).toEqual([]);
        await driver.close();
      }
    });
  }

  test('subtract that answers it for an empty group', async () => {
    const facts = topic<string, string>('facts');
    const built = topology('group', (t) => {
      const table = t
        .table('m', facts)
        .groupBy('g', (country) => [country, 1])
        .aggregate('n', {
          init: () => 0,
          add: (sum: number, n) => sum + n,
          subtract: (sum: number, n) => (sum - n === 0 ? (none as never) : sum - n),
        });
      table.to(out as never);
      return { table };
    });
    const driver = await testDriver(built);
    await driver.pipe(facts, 'u', 'fr', 0);
    await driver.pipe(facts, 'u', 'it', 1);
    const rows = async () => (await driver.rows(built.exports.table)).map((r) => [r.key, r.value]);
    expect(await rows()).toEqual([['it', 1]]);
    const told = (await driver.read(out)).map(({ key, value }) => [key, value]);
    expect(told).toEqual([
      ['fr', 1],
      ['fr', null],
      ['it', 1],
    ]);
    await driver.pipe(facts, 'w', 'fr', 2);
    expect(await rows()).toEqual([
      ['fr', 1],
      ['it', 1],
    ]);
    await driver.close();
  });
});

describe('a value that is decoded to null is no row', () => {
  const nullable = topic<string, number | null>('nullable', {
    value: msgpack<number | null>(),
    cleanup: 'compact',
  });
  const bytesOf = (value: number | null | undefined) => ({
    key: Buffer.from('u'),
    value: Buffer.from(msgpack<unknown>().encode(value)),
    timestamp: 0,
  });
  test.each([{}, { historyMs: 10 }, { ttlMs: 10 }, { changelog: 'source' as const }])(
    'of a table with %o',
    async (options) => {
      const built = topology('decoded', (t) => ({ table: t.table('n', nullable, options) }));
      for (const none of nothing) {
        const driver = await testDriver(built, { cacheBytes: 0 });
        await driver.pipeBytes(nullable, [bytesOf(1)]);
        expect(await driver.rows(built.exports.table)).toHaveLength(1);
        await driver.pipeBytes(nullable, [bytesOf(none)]);
        await driver.restart({ dropState: true });
        expect(await driver.rows(built.exports.table)).toEqual([]);
        await driver.close();
      }
    },
  );

  test('of a global table', async () => {
    const built = topology('global', (t) => {
      const table = t.globalTable(nullable);
      t.stream(b)
        .leftJoinGlobal(
          table,
          (_, key) => key,
          (s, n) => `${s} ${n}`,
        )
        .to(out);
    });
    const driver = await testDriver(built);
    await driver.pipeBytes(nullable, [bytesOf(1)]);
    await driver.pipeBytes(nullable, [bytesOf(null)]);
    await driver.pipe(b, 'u', 'x', 1);
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['x undefined']);
    await driver.close();
  });
});
