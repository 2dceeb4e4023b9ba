/**
 * Protocols between tasks with several changes under way: foreign-key joins, groups, joins of
 * tables. Random changes of two tables are written before any of them is processed, in cycles of
 * random size, on one partition or three, with restarts between. In the end the rows are those of
 * the definition, what was told ends in them, and what is counted from the differences agrees.
 */
import { type Table, type TopologyBuilder, topic, topology } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

interface Left {
  readonly fk: string | null;
  readonly n: number;
}

interface Change {
  readonly to: 'left' | 'right';
  readonly value: Left | number | null;
}

const changes = topic<string, Change>('changes');
const lefts = topic<string, Left>('lefts');
const rights = topic<string, number>('rights');
const out = topic<string, string>('out');

type Rows = ReadonlyMap<string, string>;

interface Case {
  readonly name: string;
  build(
    t: TopologyBuilder,
    l: Table<string, Left>,
    r: Table<string, number>,
  ): Table<string, string>;
  /** The rows that there are, of the rows of both tables. */
  define(l: ReadonlyMap<string, Left>, r: ReadonlyMap<string, number>): Rows;
}

/** One row a key of both, where `row` answers one. */
function byKey<A, B>(
  a: ReadonlyMap<string, A>,
  b: ReadonlyMap<string, B>,
  row: (a: A | undefined, b: B | undefined) => string | undefined,
): Rows {
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return new Map(
    keys.flatMap((key) => {
      const made = row(a.get(key), b.get(key));
      return made === undefined ? [] : [[key, made] as const];
    }),
  );
}

/** Rows by group, folded. */
function grouped<V>(
  rows: ReadonlyMap<string, V>,
  groupOf: (value: V) => readonly [string, number] | null,
): Rows {
  const sums = new Map<string, number>();
  for (const value of rows.values()) {
    const group = groupOf(value);
    if (group !== null) sums.set(group[0], (sums.get(group[0]) ?? 0) + group[1]);
  }
  return new Map([...sums].flatMap(([key, sum]) => (sum === 0 ? [] : [[key, String(sum)]])));
}

/** A sum that is no row when it is 0: then a group may have members and no row. */
const sumOrNone = {
  init: () => '0',
  add: (sum: string, n: number) => orNone(Number(sum) + n),
  subtract: (sum: string, n: number) => orNone(Number(sum) - n),
};

function orNone(sum: number): string {
  return (sum === 0 ? undefined : String(sum)) as string;
}

const even = (n: number) => (n % 2 === 0 ? n : null);

const cases: readonly Case[] = [
  {
    name: 'inner joinForeign',
    build: (_, l, r) =>
      l.joinForeign(
        'j',
        r,
        ({ fk }) => fk,
        ({ n }, m) => `${n}+${m}`,
      ),
    define: (l, r) =>
      byKey(l, new Map<string, never>(), (row) => {
        const m = row?.fk == null ? undefined : r.get(row.fk);
        return m === undefined ? undefined : `${row?.n}+${m}`;
      }),
  },
  {
    name: 'left joinForeign',
    build: (_, l, r) =>
      l.leftJoinForeign(
        'j',
        r,
        ({ fk }) => fk,
        ({ n }, m) => `${n}+${m}`,
      ),
    define: (l, r) =>
      byKey(l, new Map<string, never>(), (row) => {
        if (row === undefined) return undefined;
        return `${row.n}+${row.fk === null ? undefined : r.get(row.fk)}`;
      }),
  },
  {
    name: 'inner joinForeign with a table mapped to null, in groups',
    build: (_, l, r) =>
      l
        .joinForeign(
          'j',
          r.map(even),
          ({ fk }) => fk,
          ({ n }, m) => (n === 1 ? (null as never) : n - m),
        )
        .groupBy('g', (sum) => [String(sum % 3), sum])
        .aggregate('sums', sumOrNone),
    define: (l, r) => {
      const sums = new Map<string, number>();
      for (const [key, { fk, n }] of l) {
        const m = fk === null ? undefined : (even(r.get(fk) ?? 1) ?? undefined);
        if (m !== undefined && n !== 1) sums.set(key, n - m);
      }
      return grouped(sums, (sum) => [String(sum % 3), sum]);
    },
  },
  {
    name: 'groupBy with a sum that is no row at 0',
    build: (_, l) =>
      l
        .groupBy('g', ({ fk, n }) => (fk === null ? null : [fk, n - 3]))
        .aggregate('sums', sumOrNone),
    define: (l) => grouped(l, ({ fk, n }) => (fk === null ? null : [fk, n - 3])),
  },
  ...(['join', 'leftJoin', 'outerJoin'] as const).map(
    (kind): Case => ({
      name: `${kind} of mapped tables, in groups`,
      build: (_, l, r) =>
        (l.map(({ n }) => even(n)) as Table<string, number>)
          [kind](r, (a, b) => (b === 3 ? undefined : `${a ?? '-'}|${b ?? '-'}`))
          .groupBy('g', (text) => [String(text), 1])
          .aggregate('sums', sumOrNone),
      define: (l, r) => {
        const joined = byKey(l, r, (row, b) => {
          const a = row === undefined ? undefined : (even(row.n) ?? undefined);
          if (a === undefined && (kind !== 'outerJoin' || b === undefined)) return undefined;
          if (b === 3 || (b === undefined && kind === 'join')) return undefined;
          return `${a ?? '-'}|${b ?? '-'}`;
        });
        return grouped(joined, (text) => [text, 1]);
      },
    }),
  ),
  {
    name: 'a join whose sides come from one table, in groups',
    build: (_, l) =>
      l
        .map(({ n }) => even(n))
        .outerJoin(l, (a, b) => `${a ?? '-'}|${b?.fk ?? '-'}`)
        .groupBy('g', (text) => [text, 1])
        .aggregate('sums', sumOrNone),
    define: (l) => grouped(l, ({ fk, n }) => [`${even(n) ?? '-'}|${fk ?? '-'}`, 1]),
  },
  {
    name: 'a join with a table made of its own changes, in groups',
    build: (_, l) => {
      const newest = l.changes().aggregate('newest', {
        init: () => 0,
        add: (sum: number, row: Left) => sum * 0 + row.n,
      });
      return newest
        .join(l, (a, b) => `${a}|${b.n}`)
        .groupBy('g', (text) => [text, 1])
        .aggregate('sums', sumOrNone);
    },
    define: (l) => grouped(l, ({ n }) => [`${n}|${n}`, 1]),
  },
];

function drawn(random: SeededRandom): { key: string; value: Change; timestamp: number } {
  const timestamp = randomBelow(random, 50);
  if (randomBelow(random, 3) === 0) {
    const value = randomBelow(random, 4) === 0 ? null : randomBelow(random, 6);
    return { key: `r${randomBelow(random, 3)}`, value: { to: 'right', value }, timestamp };
  }
  const fk = randomBelow(random, 5) === 0 ? null : `r${randomBelow(random, 4)}`;
  const value = randomBelow(random, 4) === 0 ? null : { fk, n: randomBelow(random, 6) };
  // Keys that the tables share, too.
  const key =
    randomBelow(random, 3) === 0 ? `r${randomBelow(random, 3)}` : `l${randomBelow(random, 3)}`;
  return { key, value: { to: 'left', value }, timestamp };
}

async function run({ name, build, define }: Case, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const built = topology('under-way', (t) => {
    // What is written in one cycle is read in the next: several changes at once.
    const { left, right } = t.stream(changes).split({
      left: ({ to }) => to === 'left',
      right: ({ to }) => to === 'right',
    });
    left.map(({ value }) => value as Left).to(lefts);
    right.map(({ value }) => value as number).to(rights);
    const result = build(t, t.table('l', lefts), t.table('r', rights));
    result.to(out);
    return { result };
  });
  const recordsPerCycle = [1, 2, 5, 1_000][randomBelow(random, 4)] as number;
  const options = {
    partitions: randomBelow(random, 2) === 0 ? 1 : 3,
    recordsPerCycle,
    ...(randomBelow(random, 2) === 0 ? { cacheBytes: 0 } : {}),
  };
  const driver = await testDriver(built, options);
  const l = new Map<string, Left>();
  const r = new Map<string, number>();
  const told = new Map<string, string>();
  for (let batch = 0; batch < 6; batch++) {
    const records = Array.from({ length: 1 + randomBelow(random, 9) }, () => drawn(random));
    // A key's changes come in the order of their times, as its partition has them.
    records.sort((a, b) => a.timestamp - b.timestamp);
    for (const { key, value } of records) {
      const table = (value.to === 'left' ? l : r) as Map<string, unknown>;
      if (value.value === null) table.delete(key);
      else table.set(key, value.value);
    }
    const later = records.map((record) => ({
      ...record,
      timestamp: record.timestamp + 100 * batch,
    }));
    await driver.pipeAll(changes, later);
    for (const { key, value } of await driver.read(out)) {
      const where = `seed ${seed}, batch ${batch}, key ${key}`;
      if (value === null) {
        // A foreign-key join tells deletions of no row as well, as Kafka Streams does.
        if (!name.endsWith('joinForeign')) {
          expect(told.has(key as string), `${where}: a deletion of no row`).toBe(true);
        }
        told.delete(key as string);
      } else told.set(key as string, value);
    }
    const expected = Object.fromEntries([...define(l, r)].sort());
    const rows = await driver.rows(built.exports.result);
    const found = Object.fromEntries(rows.map(({ key, value }) => [key, value]).sort());
    expect({ seed, batch, found }).toEqual({ seed, batch, found: expected });
    expect(Object.fromEntries([...told].sort()), `seed ${seed}: told`).toEqual(expected);
    if (randomBelow(random, 3) === 0)
      await driver.restart({ dropState: randomBelow(random, 2) === 0 });
  }
  expect(await driver.deadLetters()).toEqual([]);
  await driver.close();
}

describe('several changes under way at once', () => {
  test.each(cases)('$name', async (one) => {
    for (let seed = 1; seed <= 25; seed++) await run(one, seed);
  });
});
