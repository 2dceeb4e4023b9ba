/**
 * Joins against their definitions: worked examples, and brute force over random input with
 * disorder.
 */
import { joinWindow, type Stream, topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const lefts = topic<string, string>('lefts', { value: utf8 });
const rights = topic<string, string>('rights', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

type Kind = 'inner' | 'left' | 'outer';
type Window = { before: number; after: number; grace: number };

const glue = (l: string | undefined, r: string | undefined) => `${l ?? '-'}+${r ?? '-'}`;

function joinOf(kind: Kind, window: Window) {
  return topology('joins', (t) => {
    const [l, r] = [t.stream(lefts), t.stream(rights)];
    const joins: Record<Kind, () => Stream<string, string>> = {
      inner: () => l.join('join', r, joinWindow(window), glue),
      left: () => l.leftJoin('join', r, joinWindow(window), glue),
      outer: () => l.outerJoin('join', r, joinWindow(window), glue),
    };
    joins[kind]().to(out);
    return {};
  });
}

/** 'L A@100' or 'R a@110', one after the other, all of key k. */
async function resultsOf(kind: Kind, window: Window, steps: readonly string[], end?: number) {
  const driver = await testDriver(joinOf(kind, window));
  for (const step of steps) {
    const [, side, value = '', at] = /^([LR]) (\w+)@(\d+)$/.exec(step) ?? [];
    await driver.pipe(side === 'L' ? lefts : rights, 'k', value, Number(at));
  }
  if (end !== undefined) await driver.advanceTo(end);
  const results = (await driver.read(out)).map(({ value, timestamp }) => `${value}@${timestamp}`);
  await driver.close();
  return results;
}

describe('two streams', () => {
  const ten = { before: 10, after: 10, grace: 5 };

  test.each<[string, Kind, Window, string[], string[]]>([
    [
      'both ends of the window count, each pair is a result',
      'inner',
      ten,
      ['L A@100', 'R a@110', 'L B@105', 'R b@89', 'L C@120'],
      ['A+a@110', 'B+a@110', 'C+a@120'],
    ],
    ['alone after window and grace', 'left', ten, ['L A@100', 'R x@115'], []],
    ['one later it goes on', 'left', ten, ['L A@100', 'R y@116'], ['A+-@100']],
    [
      'before 0: R@99 is too early',
      'inner',
      { before: 0, after: 10, grace: 0 },
      ['L A@100', 'R a@99'],
      [],
    ],
    [
      'after: R@110 is not',
      'inner',
      { before: 0, after: 10, grace: 0 },
      ['L A@100', 'R a@110'],
      ['A+a@110'],
    ],
    [
      'an out-of-order record waits for its grace, unlike in Kafka Streams (KAFKA-19536)',
      'left',
      { before: 10, after: 10, grace: 20 },
      ['L Z@200', 'L A@185', 'R a@186'],
      ['A+a@186'],
    ],
    [
      'so late that its wait is over: alone at once',
      'left',
      ten,
      ['L Z@200', 'L A@170'],
      ['A+-@170'],
    ],
    [
      'the last possible partner at the edge is found, unlike in Kafka Streams',
      'inner',
      { before: 0, after: 40, grace: 100 },
      ['L A@60', 'L Z@200', 'R a@100'],
      ['A+a@100'],
    ],
  ])('%s', async (_, kind, window, steps, expected) => {
    expect(await resultsOf(kind, window, steps)).toEqual(expected);
  });

  test('what waits goes on in the order of its time, right before left, when time passes', async () => {
    const steps = ['L A@20', 'R b@41', 'L C@60', 'R d@60'];
    const window = { before: 2, after: 2, grace: 100 };
    expect(await resultsOf('outer', window, steps, 1_000)).toEqual(['C+d@60', 'A+-@20', '-+b@41']);
  });

  test.each<[Kind, Window, number]>([
    ['inner', { before: 7, after: 0, grace: 15 }, 1],
    ['left', { before: 5, after: 9, grace: 15 }, 2],
    ['outer', { before: 0, after: 12, grace: 15 }, 3],
    ['outer', { before: 6, after: 6, grace: 15 }, 4],
  ])(
    '%s join equals the definition while disorder stays within the grace',
    async (kind, window, seed) => {
      const random = new SeededRandom(seed);
      const driver = await testDriver(joinOf(kind, window), { partitions: 2 });
      const records: { side: 'L' | 'R'; key: string; value: string; at: number }[] = [];
      let now = 100;
      for (let i = 0; i < 600; i++) {
        now += randomBelow(random, 4);
        const side = randomBelow(random, 2) === 0 ? 'L' : 'R';
        const at = now - randomBelow(random, window.grace + 1);
        records.push({ side, key: `k${randomBelow(random, 6)}`, value: `${side}${i}`, at });
      }
      for (const { side, key, value, at } of records) {
        await driver.pipe(side === 'L' ? lefts : rights, key, value, at);
      }
      await driver.restart({ dropState: true });
      await driver.advanceTo(now + 1_000);
      const expected: string[] = [];
      const [all, others] = [
        records.filter(({ side }) => side === 'L'),
        records.filter(({ side }) => side === 'R'),
      ];
      const match = (l: { key: string; at: number }, r: { key: string; at: number }) =>
        l.key === r.key && r.at >= l.at - window.before && r.at <= l.at + window.after;
      for (const l of all) {
        const partners = others.filter((r) => match(l, r));
        for (const r of partners) expected.push(`${l.value}+${r.value}@${Math.max(l.at, r.at)}`);
        if (partners.length === 0 && kind !== 'inner') expected.push(`${l.value}+-@${l.at}`);
      }
      for (const r of kind === 'outer' ? others : []) {
        if (!all.some((l) => match(l, r))) expected.push(`-+${r.value}@${r.at}`);
      }
      const results = (await driver.read(out)).map(
        ({ value, timestamp }) => `${value}@${timestamp}`,
      );
      expect(results.sort()).toEqual(expected.sort());
      expect(results.length).toBeGreaterThan(100);
      await driver.close();
    },
  );
});

describe('tables', () => {
  /**
   * - deletes; the published sequence of L−, R−, L A, R a, L B, R b, L−, R−, L C, R c, R−, L−, R−,
   * R d, L D.
   */
  const sequence = 'L- R- LA Ra LB Rb L- R- LC Rc R- L- R- Rd LD'.split(' ');
  test.each<[Kind, string]>([
    ['inner', '. . . Aa Ba Bb x . . Cc x . . . Dd'],
    ['left', '. . A- Aa Ba Bb x . C- Cc C- x . . Dd'],
    ['outer', '. . A- Aa Ba Bb -b x C- Cc C- x . -d Dd'],
  ])('%s join of two tables', async (kind, expected) => {
    const row = (l: string | undefined, r: string | undefined) => `${l ?? '-'}${r ?? '-'}`;
    const built = topology('tables', (t) => {
      const [l, r] = [t.table('l', lefts), t.table('r', rights)];
      const joins = {
        inner: () => l.join(r, row),
        left: () => l.leftJoin(r, row),
        outer: () => l.outerJoin(r, row),
      };
      joins[kind]().to(out);
      return {};
    });
    const driver = await testDriver(built);
    const said: string[] = [];
    for (const [i, step] of sequence.entries()) {
      const [side, value] = [step[0], step[1] === '-' ? null : (step[1] as string)];
      await driver.pipe(side === 'L' ? lefts : rights, 'k', value, i);
      const results = (await driver.read(out)).map((r) => r.value ?? 'x');
      said.push(results.join() || '.');
    }
    expect(said.join(' ')).toBe(expected);
    await driver.close();
  });

  test('a joined, filtered table can be joined again, read through to its stores', async () => {
    const built = topology('chain', (t) => {
      const [l, r] = [t.table('l', lefts), t.table('r', rights)];
      const long = l.filter((text) => text.length > 1).map((text) => text.toUpperCase());
      long
        .join(r, (a, b) => `${a}${b}`)
        .leftJoin(l, (both, own) => `${both}/${own}`)
        .to(out);
      return {};
    });
    const driver = await testDriver(built, { cacheBytes: 0 });
    for (const [side, value] of [
      [lefts, 'ab'],
      [rights, 'x'],
      [lefts, 'c'],
    ] as const) {
      await driver.pipe(side, 'k', value, 1);
    }
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['ABx/ab', null]);
    await driver.close();
  });

  test('a windowed table cannot be joined by key: said when the topology is built', async () => {
    expect(() =>
      topology('wrong', (t) => {
        const table = t.table('l', lefts).suppress('held', { timeLimitMs: 5 });
        t.stream(rights).joinTable(table, (a, b) => a + b);
        return {};
      }),
    ).toThrow('keeps no row by key');
  });

  test('foreign keys: a row that moves takes back what it said', async () => {
    const built = topology('foreign', (t) => {
      const [l, r] = [t.table('l', lefts), t.table('r', rights)];
      const joined = l.joinForeign('joined', r, (row) => row.split(':')[0] || null, glue);
      joined.to(out);
      return { joined };
    });
    const driver = await testDriver(built, { partitions: 3 });
    const pipe = async (to: typeof lefts, key: string, value: string | null) => {
      await driver.pipe(to, key, value, 1);
      return (await driver.read(out)).map((record) => `${record.key}=${record.value}`).sort();
    };
    expect(await pipe(lefts, 'a', 'x:1')).toEqual([]);
    expect(await pipe(rights, 'x', 'X')).toEqual(['a=x:1+X']);
    expect(await pipe(lefts, 'b', 'x:2')).toEqual(['b=x:2+X']);
    await driver.restart({ dropState: true });
    expect(await pipe(rights, 'x', 'XX')).toEqual(['a=x:1+XX', 'b=x:2+XX']);
    expect(await pipe(lefts, 'a', 'y:1')).toEqual(['a=null']);
    expect(await pipe(lefts, 'b', null)).toEqual(['b=null']);
    expect(await pipe(rights, 'y', 'Y')).toEqual(['a=y:1+Y']);
    expect((await driver.rows(built.exports.joined)).map(({ value }) => value)).toEqual(['y:1+Y']);
    await driver.close();
  });
});

test('a global table is whole in every task, before the first record', async () => {
  const built = topology('global', (t) => {
    const table = t.globalTable(rights);
    t.stream(lefts)
      .leftJoinGlobal(table, (value) => value, glue)
      .to(out);
    return {};
  });
  const driver = await testDriver(built, { partitions: 3 });
  for (const key of ['x', 'y', 'z']) await driver.pipe(rights, key, key.toUpperCase(), 900);
  await driver.pipe(rights, 'z', null, 901);
  await driver.restart({ dropState: true });
  await driver.pipeAll(
    lefts,
    ['x', 'y', 'z'].map((value, i) => ({ key: `k${i}`, value, timestamp: i })),
  );
  const results = (await driver.read(out)).map(({ value }) => value);
  expect(results.sort()).toEqual(['x+X', 'y+Y', 'z+-']);
  await driver.close();
});

describe('a stream joined with itself', () => {
  const built = (stores: 'one' | 'two', window: Window) =>
    topology('self', (t) => {
      const records = t.stream(lefts);
      const side = () => (stores === 'one' ? records : records.filter(() => true));
      side().join('join', side(), joinWindow(window), glue).to(out);
      return {};
    });

  test('keeps its records once', () => {
    const kinds = (stores: 'one' | 'two') =>
      built(stores, { before: 1, after: 1, grace: 0 }).nodes.flatMap((node) =>
        node.type === 'step' ? [node.step.kind] : [],
      );
    expect(kinds('one')).toEqual(['join-self']);
    expect(kinds('two')).toEqual(['filter', 'filter', 'join-streams']);
  });

  test.each<[Window, number]>([
    [{ before: 7, after: 0, grace: 15 }, 1],
    [{ before: 5, after: 9, grace: 0 }, 2],
    [{ before: 0, after: 0, grace: 3 }, 3],
    [{ before: 0, after: 12, grace: 40 }, 4],
  ])('says record by record what two stores say: %o', async (window, seed) => {
    const random = new SeededRandom(seed);
    const one = await testDriver(built('one', window), { cacheBytes: 0 });
    const two = await testDriver(built('two', window));
    let [now, pairs] = [100, 0];
    for (let i = 0; i < 300; i++) {
      now += randomBelow(random, 4);
      const [key, at] = [`k${randomBelow(random, 3)}`, now - randomBelow(random, 50)];
      const value = randomBelow(random, 20) === 0 ? null : `v${i}`;
      for (const driver of [one, two]) await driver.pipe(lefts, key, value, Math.max(0, at));
      if (i % 40 === 0) await one.restart({ dropState: i % 80 === 0 });
      const [said, expected] = [await one.read(out), await two.read(out)];
      expect(said).toEqual(expected);
      pairs += said.length;
    }
    expect(pairs).toBeGreaterThan(80);
    await one.close();
    await two.close();
  });
});
