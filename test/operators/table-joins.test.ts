/**
 * Joins with tables against their definitions, over random changes: brute force on the rows as they
 * are.
 */
import { type Stream, type Table, topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const lefts = topic<string, string>('lefts', { value: utf8 });
const rights = topic<string, string>('rights', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

const glue = (l: string | undefined, r: string | undefined) => `${l ?? '-'}+${r ?? '-'}`;
const seeds = [1, 2, 3];
const modes = [
  { partitions: 1, restarts: false },
  { partitions: 3, restarts: true },
];

interface Change {
  readonly side: 'left' | 'right';
  readonly key: string;
  readonly value: string | null;
  readonly at: number;
}

/** Foreign keys of left rows are `key:text`; times are in disorder by up to `disorder`. */
function changes(seed: number, count: number, disorder: number): Change[] {
  const random = new SeededRandom(seed);
  let now = 100;
  return Array.from({ length: count }, (_, i): Change => {
    now += randomBelow(random, 6);
    const side = randomBelow(random, 2) === 0 ? 'left' : 'right';
    const key = `k${randomBelow(random, 5)}`;
    const deleted = randomBelow(random, 5) === 0;
    const value = deleted ? null : `k${randomBelow(random, 7)}:${i}`;
    return { side, key, value, at: Math.max(0, now - randomBelow(random, disorder + 1)) };
  });
}

type Build = (
  t: Parameters<Parameters<typeof topology>[1]>[0],
) => Table<string, string> | Stream<string, string>;

/** Pipes the changes one by one; after each, `look` gets what was said. */
async function run(
  build: Build,
  all: readonly Change[],
  mode: (typeof modes)[number],
  look: (change: Change, said: readonly { key: string | null; value: string | null }[]) => void,
) {
  const built = topology('table-joins', (t) => {
    build(t).to(out);
    return {};
  });
  const driver = await testDriver(built, { partitions: mode.partitions, cacheBytes: 0 });
  for (const [i, change] of all.entries()) {
    const { side, key, value, at } = change;
    await driver.pipe(side === 'left' ? lefts : rights, key, value, at);
    look(change, await driver.read(out));
    if (mode.restarts && i % 9 === 0) await driver.restart({ dropState: i % 2 === 0 });
  }
  await driver.close();
}

/** The rows of both sides, changed as the tables are. */
class Rows {
  readonly left = new Map<string, string>();
  readonly right = new Map<string, string>();

  apply({ side, key, value }: Change): void {
    if (value === null) this[side].delete(key);
    else this[side].set(key, value);
  }
}

function fold(
  table: Map<string, string>,
  said: readonly { key: string | null; value: string | null }[],
) {
  for (const { key, value } of said) {
    if (value === null) table.delete(String(key));
    else table.set(String(key), value);
  }
}

const sorted = (table: ReadonlyMap<string, string>) => [...table].sort();

describe.each(modes)('%o', (mode) => {
  test.each(seeds)('two tables, seed %i: always the rows of the definition', async (seed) => {
    for (const kind of ['inner', 'left', 'outer'] as const) {
      const rows = new Rows();
      const table = new Map<string, string>();
      const build: Build = (t) => {
        const [l, r] = [t.table('l', lefts), t.table('r', rights)];
        if (kind === 'outer') return l.outerJoin(r, glue);
        return kind === 'left' ? l.leftJoin(r, glue) : l.join(r, glue);
      };
      await run(build, changes(seed, 120, 0), mode, (change, said) => {
        rows.apply(change);
        fold(table, said);
        const expected = new Map<string, string>();
        for (const key of new Set([...rows.left.keys(), ...rows.right.keys()])) {
          const [l, r] = [rows.left.get(key), rows.right.get(key)];
          const kept =
            kind === 'outer' || (l !== undefined && (kind === 'left' || r !== undefined));
          if (kept) expected.set(key, glue(l, r));
        }
        expect(sorted(table), `${kind}, seed ${seed}`).toEqual(sorted(expected));
      });
    }
  });

  test.each(seeds)('by foreign key, seed %i: always the rows of the definition', async (seed) => {
    for (const kind of ['inner', 'left'] as const) {
      const rows = new Rows();
      const table = new Map<string, string>();
      const foreign = (text: string) => {
        const [key = ''] = text.split(':');
        return key === 'k6' ? null : key;
      };
      const build: Build = (t) => {
        const [l, r] = [t.table('l', lefts), t.table('r', rights)];
        return kind === 'left'
          ? l.leftJoinForeign('joined', r, foreign, glue)
          : l.joinForeign('joined', r, foreign, glue);
      };
      await run(build, changes(seed, 150, 0), mode, (change, said) => {
        rows.apply(change);
        fold(table, said);
        const expected = new Map<string, string>();
        for (const [key, l] of rows.left) {
          const r = rows.right.get(foreign(l) ?? '');
          if (kind === 'left' || r !== undefined) expected.set(key, glue(l, r));
        }
        expect(sorted(table), `${kind}, seed ${seed}`).toEqual(sorted(expected));
      });
    }
  });

  test.each(seeds)('stream with table, seed %i: the row as it is', async (seed) => {
    const rows = new Rows();
    const build: Build = (t) => t.stream(lefts).leftJoinTable(t.table('r', rights), glue);
    await run(build, changes(seed, 150, 30), mode, (change, said) => {
      rows.apply(change);
      const { side, key, value } = change;
      const expected = side === 'left' && value !== null ? [glue(value, rows.right.get(key))] : [];
      expect(said.map((record) => record.value)).toEqual(expected);
    });
  });

  test.each(seeds)('stream with versioned table, seed %i: the row as of its time', async (seed) => {
    const versions: Change[] = [];
    const build: Build = (t) =>
      t.stream(lefts).leftJoinTable(t.table('r', rights, { historyMs: 10_000 }), glue);
    await run(build, changes(seed, 150, 40), mode, (change, said) => {
      const { side, key, value, at } = change;
      if (side === 'right') {
        versions.push(change);
        return expect(said).toEqual([]);
      }
      // Of two versions of one time the later to come is in force.
      const inForce = versions
        .filter((version) => version.key === key && version.at <= at)
        .reduce<Change | undefined>((a, b) => (a === undefined || b.at >= a.at ? b : a), undefined);
      const expected = value === null ? [] : [glue(value, inForce?.value ?? undefined)];
      return expect(said.map((record) => record.value)).toEqual(expected);
    });
  });

  test.each(seeds)(
    'stream that waits, seed %i: the row as of its time, later changes too',
    async (seed) => {
      const wait = 40;
      const all = changes(seed, 150, wait);
      const said: string[] = [];
      const build: Build = (t) =>
        t.stream(lefts).leftJoinTable(t.table('r', rights, { historyMs: 10_000 }), glue, {
          wait: { name: 'waiting', graceMs: wait },
        });
      // A record at the end of time lets all others go; on each partition.
      const end = ['k0', 'k1', 'k2', 'k3', 'k4'].map((key): Change => {
        return { side: 'left', key, value: 'end', at: 50_000 };
      });
      await run(build, [...all, ...end], mode, (_, results) => {
        for (const { key, value } of results) said.push(`${key} ${value}`);
      });
      const expected = all.flatMap(({ side, key, value, at }) => {
        if (side === 'right' || value === null) return [];
        const inForce = all
          .filter((v) => v.side === 'right' && v.key === key && v.at <= at)
          .reduce<Change | undefined>(
            (a, b) => (a === undefined || b.at >= a.at ? b : a),
            undefined,
          );
        return [`${key} ${glue(value, inForce?.value ?? undefined)}`];
      });
      expect(said.sort()).toEqual(expected.sort());
    },
  );
});
