/**
 * A record is one unit of work: one that fails leaves nothing but its dead letter, whichever step
 * of the chain refuses it. Random chains, in which random records are refused by a random step, are
 * held against the same chain without those records.
 */
import {
  hopping,
  joinWindow,
  json,
  type Stream,
  session,
  sum,
  type TopologyBuilder,
  timeWindowed,
  topic,
  topology,
  tumbling,
  utf8,
  type Windowed,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

/** `bad` names the step that refuses the record. */
interface Row {
  readonly n: number;
  readonly bad?: number;
}

const rows = topic<string, Row>('rows', { value: json() });
const out = topic<string, unknown>('out', { value: json() });
const side = topic<string, unknown>('side', { value: json() });

function check(step: number, { bad }: Row): void {
  if (bad === step) throw new Error(`step ${step} refuses it`);
}

type Part = (stream: Stream<string, Row>, name: string, step: number) => Stream<string, Row>;

interface Totals {
  n: number;
  list: number[];
  bad?: number | undefined;
}

/** Of the parts below, those without a store of the step's name. */
const stateless = new Set(['map', 'flatMap', 'fork', 'asked']);

/** Steps of every kind that keeps something; several change what they keep before they throw. */
const parts: Record<string, Part> = {
  map: (s, _, step) =>
    s.map((v) => {
      check(step, v);
      return { ...v, n: v.n + 1 };
    }),
  flatMap: (s, _, step) =>
    s.flatMap(function* (v) {
      yield v;
      check(step, v);
      yield { ...v, n: -v.n };
    }),
  fork: (s, _, step) => {
    s.map((v) => ({ fork: v.n })).to(side);
    return s.filter((v) => {
      check(step, v);
      return v.n % 5 !== 0;
    });
  },
  aggregate: (s, name, step) =>
    s
      .aggregate(name, {
        init: (): Totals => ({ n: 0, list: [] }),
        add: (totals, v) => {
          // In place, as authors do.
          totals.n += v.n;
          totals.list.push(v.n);
          totals.bad = v.bad;
          check(step, v);
          return totals;
        },
      })
      .changes()
      .filter((totals) => totals !== null)
      .map(
        ({ n, list, bad }): Row => ({ n: n + list.length, ...(bad === undefined ? {} : { bad }) }),
      ),
  number: (s, name, step) =>
    s
      .map((v) => v)
      .aggregate(
        name,
        sum((v) => {
          check(step, v);
          return v.n;
        }),
      )
      .changes()
      .map((n) => ({ n: n ?? 0 })),
  slices: (s, name, step) => {
    s.window(hopping({ size: 20, advance: 10, grace: 5 }))
      .aggregate(name, {
        init: () => ({ n: 0 }) as Row,
        add: (total, v) => ({ ...v, n: total.n + v.n }),
        merge: (a, b) => ({ ...b, n: a.n + b.n }),
      })
      .changes()
      .peek((v) => check(step, v ?? { n: 0 }));
    return s.map(({ n }) => ({ n }));
  },
  sessions: (s, name, step) => {
    s.window(session({ gap: 7, grace: 3 })).reduce(name, (a, b) => {
      check(step, b);
      return { ...b, n: a.n + b.n };
    });
    return s.map((v) => ({ ...v, n: v.n + 1 }));
  },
  process: (s, name, step) =>
    s.process<Totals, Row>(name, {
      record: (c, v, at) => {
        c.state ??= { n: 0, list: [] };
        c.state.n += v.n;
        c.state.list.push(at);
        c.setTimer(`t${v.n % 3}`, at + 10);
        c.emit({ ...v, n: c.state.n });
        check(step, v);
        c.emitTo(side, c.key, { side: v.n });
      },
      topics: [side],
      timer: (c, timer) => c.emit({ n: timer.length + (c.state?.n ?? 0) }),
    }),
  dedupe: (s, name, step) =>
    s.dedupe(
      name,
      (v) => {
        check(step, v);
        return String(v.n % 7);
      },
      30,
    ),
  joined: (s, name, step) =>
    s.join(
      name,
      s.map(({ n }) => n),
      joinWindow({ before: 5, after: 5, grace: 5 }),
      (v, n) => {
        check(step, v);
        return { ...v, n: v.n + n };
      },
    ),
  asked: (s, _, step) =>
    s.asyncMap(
      async (v) => {
        await Promise.resolve();
        check(step, v);
        return v;
      },
      { retries: 0 },
    ),
  held: (s, name, step) =>
    (
      s
        .reduce(name, (_, b) => b)
        .suppress(`${name}-held`, { untilCommit: true })
        .changes() as Stream<string, Row>
    )
      .map((v) => ({ n: v.n }))
      .via((held) => {
        held.map((v) => v).to(side);
        return s.map((v) => {
          check(step, v);
          return v;
        });
      }),
};

function chainOf(names: readonly string[]) {
  return topology('chain', (t: TopologyBuilder) => {
    const all = t.stream(rows);
    all.filter(() => false).to(side);
    let stream = all;
    names.forEach((name, i) => {
      stream = (parts[name] as Part)(stream, `s${i}`, i);
    });
    stream.to(out);
    return {};
  });
}

interface Input {
  readonly key: string;
  readonly value: Row;
  readonly timestamp: number;
}

/** What a run of some batches leaves behind, and which records it refused, by their place. */
async function ran(names: readonly string[], batches: readonly (readonly Input[])[]) {
  const driver = await testDriver(chainOf(names));
  for (const batch of batches) await driver.pipeAll(rows, batch);
  const state = async () => {
    const left: Record<string, unknown> = {};
    for (const [i, name] of names.entries()) {
      if (!stateless.has(name)) left[name + i] = await driver.rows({ store: `s${i}` });
    }
    return left;
  };
  const live = await state();
  const written = { out: await driver.read(out), side: await driver.read(side) };
  const { in: taken, deadLettered, failures, ...counters } = driver.summary.counters;
  const refused = (await driver.deadLetters()).map(({ headers }) => Number(headers['offset']));
  await driver.restart({ dropState: true });
  const restored = await state();
  await driver.close();
  return { left: { live, written, counters, restored }, taken, deadLettered, failures, refused };
}

function historyOf(random: SeededRandom, steps: number): Input[][] {
  let clock = 10;
  return Array.from({ length: 4 }, () =>
    Array.from({ length: 12 }, () => {
      clock += randomBelow(random, 4);
      const isBad = randomBelow(random, 5) === 0;
      const n = randomBelow(random, 30);
      return {
        key: ['a', 'b', 'c'][randomBelow(random, 3)] as string,
        value: isBad ? { n, bad: randomBelow(random, steps) } : { n },
        timestamp: clock - randomBelow(random, 6),
      };
    }),
  );
}

const kinds = Object.keys(parts);

describe('a record that fails leaves no trace', () => {
  const chains = [
    ...kinds.map((kind) => [kind, 'map']),
    // Others build upon what a record did before its call comes back.
    ['aggregate', 'asked'],
    ['process', 'asked', 'aggregate', 'asked'],
    ['slices', 'held', 'asked', 'number'],
    ...Array.from({ length: 16 }, (_, seed) => {
      const random = new SeededRandom(100 + seed);
      const length = 2 + randomBelow(random, 3);
      return Array.from({ length }, () => kinds[randomBelow(random, kinds.length)] as string);
    }),
  ];
  test.each(chains.map((names, seed) => ({ names, seed, chain: names.join(' > ') })))(
    '$chain, seed $seed',
    async ({ names, seed }) => {
      const batches = historyOf(new SeededRandom(seed), names.length);
      const whole = await ran(names, batches);
      const { refused } = whole;
      expect(refused.length).toBeGreaterThan(0);
      expect(new Set(refused).size).toBe(refused.length);
      expect(whole).toMatchObject({ taken: 48, deadLettered: refused.length });
      expect(whole.left.restored).toEqual(whole.left.live);
      let offset = 0;
      const without = batches.map((batch) => batch.filter(() => !refused.includes(offset++)));
      expect(whole.left).toEqual((await ran(names, without)).left);
    },
  );
});

describe('what time lets go is a unit of its own', () => {
  const windowed = (size: number) =>
    topic<Windowed<string>, Row | null>('results', {
      key: timeWindowed(utf8, size),
      value: json(),
    });

  /** Windows whose results one branch writes, and another one refuses. */
  const windows = (refuses: boolean) =>
    topology('windows', (t) => {
      const closed = t
        .stream(rows)
        .window(tumbling({ size: 10, grace: 0 }))
        .reduce('w', (a, b) => ({ ...b, n: a.n + b.n }), { emit: 'close' })
        .changes()
        .filter((v) => refuses || v?.bad === undefined);
      closed.to(windowed(10));
      closed.peek((v) => check(9, v ?? { n: 0 }));
    });

  test('a window whose result is refused is gone; the record that closed it counts', async () => {
    const input: Input[] = [
      { key: 'a', value: { n: 1, bad: 9 }, timestamp: 1 },
      { key: 'b', value: { n: 2 }, timestamp: 2 },
      { key: 'b', value: { n: 3 }, timestamp: 15 },
      { key: 'a', value: { n: 4 }, timestamp: 25 },
      { key: 'a', value: { n: 5 }, timestamp: 40 },
    ];
    const runs = await Promise.all(
      [true, false].map(async (refuses) => {
        const driver = await testDriver(windows(refuses));
        await driver.pipeAll(rows, input);
        const left = {
          read: await driver.read(windowed(10)),
          w: await driver.rows({ store: 'w' }),
          processed: driver.summary.counters.processed,
        };
        const letters = await driver.deadLetters();
        await driver.close();
        return { left, letters };
      }),
    );
    const [refusing, passing] = runs as [(typeof runs)[0], (typeof runs)[0]];
    expect(refusing.left).toEqual(passing.left);
    expect(refusing.left.processed).toBe(5);
    expect(refusing.letters).toHaveLength(1);
    expect(refusing.letters[0]?.key?.toString()).toBe('a');
    expect(refusing.letters[0]?.headers).toMatchObject({ step: 'peek', offset: '-1' });
  });

  test.each(['stream', 'key', 'wall'] as const)(
    'a timer that throws is gone with what it did, on the clock %s',
    async (clock) => {
      const app = topology('timers', (t) => {
        t.stream(rows)
          .process<Totals, Row>('p', {
            clock,
            record: (c, v, at) => {
              c.state ??= { n: 0, list: [] };
              c.state.n += v.n;
              c.setTimer(v.bad === undefined ? 'good' : 'bad', at + 5);
            },
            timer: (c, name, at) => {
              const state = c.state as Totals;
              state.n += 100;
              state.list.push(at);
              c.setTimer('next', at + 1_000_000);
              c.emit({ n: state.n });
              if (name === 'bad') throw new Error('no');
              c.cancelTimer('next');
            },
          })
          .to(out);
      });
      const driver = await testDriver(app);
      await driver.pipeAll(rows, [
        { key: 'a', value: { n: 1, bad: 1 }, timestamp: 1 },
        { key: 'b', value: { n: 2 }, timestamp: 2 },
        { key: 'b', value: { n: 3 }, timestamp: 50 },
        { key: 'a', value: { n: 4, bad: 1 }, timestamp: 51 },
      ]);
      if (clock === 'wall') await driver.advanceWallClock(10_000);
      else await driver.advanceTo(10_000);
      const letters = await driver.deadLetters();
      const fired = (await driver.read(out)).map(({ key }) => key);
      expect(letters.every(({ headers }) => headers['step'] === 'p')).toBe(true);
      expect(letters.length).toBe(clock === 'wall' ? 1 : 2);
      expect(fired).toEqual(clock === 'wall' ? ['b'] : ['b', 'b']);
      const state = await driver.rows({ store: 'p' });
      expect(state).toMatchObject([
        { key: 'a', value: { n: 5, list: [] } },
        { key: 'b', value: { n: clock === 'wall' ? 105 : 205 } },
      ]);
      expect(driver.summary.counters).toMatchObject({ in: 4, processed: 4, deadLettered: 0 });
      await driver.restart({ dropState: true });
      expect(await driver.rows({ store: 'p' })).toEqual(state);
      // The timer that a failed one has set is gone as well.
      await driver.advanceTo(2_000_000);
      expect(await driver.read(out)).toEqual([]);
      await driver.close();
    },
  );

  test('a merge that throws when windows close does not hold up other keys', async () => {
    const app = topology('merging', (t) => {
      t.stream(rows)
        .window(hopping({ size: 20, advance: 10, grace: 0 }))
        .aggregate(
          'w',
          {
            init: (): Row => ({ n: 0 }),
            add: (a, v: Row) => ({ ...a, ...v, n: a.n + v.n }),
            merge: (a: Row, b: Row) => {
              check(7, b);
              return { ...a, ...b, n: a.n + b.n };
            },
          },
          { emit: 'close' },
        )
        .changes()
        .to(windowed(20));
    });
    const driver = await testDriver(app);
    await driver.pipeAll(rows, [
      { key: 'a', value: { n: 1 }, timestamp: 5 },
      { key: 'a', value: { n: 1, bad: 7 }, timestamp: 15 },
      { key: 'b', value: { n: 2 }, timestamp: 6 },
      { key: 'b', value: { n: 2 }, timestamp: 16 },
      { key: 'c', value: { n: 3 }, timestamp: 100 },
      { key: 'c', value: { n: 3 }, timestamp: 200 },
    ]);
    const read = await driver.read(windowed(20));
    expect(read.filter(({ value }) => (value as Row).n === 4)).toHaveLength(1);
    const letters = await driver.deadLetters();
    expect(letters.length).toBeGreaterThan(0);
    expect(letters.every(({ headers }) => headers['step'] === 'w')).toBe(true);
    expect(driver.summary.counters).toMatchObject({ in: 6, processed: 6 });
    await driver.close();
  });
});
