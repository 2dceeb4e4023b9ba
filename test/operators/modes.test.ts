/**
 * One suite of operators, run in every mode that must not change a result: record by record or in
 * batches, without a cache, restarted after each record with or without its state, on more
 * partitions.
 */
import {
  count,
  decayedSum,
  distinctCount,
  distinctCountOf,
  first,
  hopping,
  hoppingCount,
  joinWindow,
  last,
  quantileOf,
  quantiles,
  type Stream,
  session,
  sliding,
  sum,
  type Table,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
  type Windowed,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const input = topic<string, string>('input', { value: utf8 });
/** Written before the input begins. */
const rows = topic<string, string>('rows', { value: utf8, cleanup: 'compact' });
const out = topic<string, string>('out', { value: utf8 });

type Texts = Stream<string, string>;
const length = (text: string) => text.length;
const even = (text: string) => text.length % 2 === 0;

/** Windows as texts under their key. */
function texts<V>(table: Table<Windowed<string>, V>): Texts {
  return table
    .changes()
    .map((value, { start, end }) => `${start}..${end}=${JSON.stringify(value)}`)
    .keyBy(`${table.store}-out`, (_, window) => window.key, { key: utf8, value: utf8 });
}

const late = 1_000;
const glue = (l: string | undefined, r: string | undefined) => `${l ?? '-'}+${r ?? '-'}`;
const suite: Record<string, (records: Texts, t: TopologyBuilder) => Texts> = {
  'count of a key': (records) => records.count('n').changes().map(String),
  'sum of tumbling windows, final': (records) =>
    texts(
      records
        .window(tumbling({ size: 25, grace: late }))
        .aggregate('n', sum(length), { emit: 'close' }),
    ),
  'hopping windows on slices, each change': (records) =>
    texts(records.window(hopping({ size: 30, advance: 10, grace: late })).count('n')),
  'hopping windows of an aggregate that depends on order': (records) =>
    texts(
      records
        .window(hopping({ size: 30, advance: 10, grace: late }))
        .aggregate('n', last<string>()),
    ),
  'sliding windows': (records) =>
    texts(records.window(sliding({ size: 12, grace: late })).aggregate('n', first<string>())),
  'sessions, early results, then final': (records) =>
    texts(
      records
        .window(session({ gap: 6, grace: late }))
        .count('n')
        .suppress('held', { untilClosed: true, early: { everyRecords: 3 } }),
    ),
  'windows on the clock of the key': (records) =>
    texts(
      records
        .window(tumbling({ size: 20, grace: 5 }))
        .aggregate('n', count(), { emit: 'close', clock: 'key' }),
    ),
  'count windows': (records) =>
    texts(
      records
        .window(hoppingCount({ size: 5, advance: 2 }))
        .aggregate('n', sum(length), { emit: 'close' }),
    ),
  sketches: (records) =>
    records
      .aggregate(
        'distinct',
        distinctCount((text: string) => text),
      )
      .join(records.aggregate('quantiles', quantiles(length)), (n, sketch) => [
        distinctCountOf(n),
        quantileOf(sketch, 0.5),
      ])
      .join(
        records.aggregate('decayed', decayedSum(length, { halfLife: 20 })),
        (estimates, { at }) => JSON.stringify([...estimates, at]),
      )
      .changes()
      .map(String),
  'cogroup of two streams in windows': (records) => {
    const { even: evens, otherwise: odds } = records.split({ even });
    const all = evens
      .cogroup({ init: () => 0, merge: (a: number, b: number) => a + b }, (n) => n + 1)
      .with(odds, (n, text) => n + 10 * text.length);
    return texts(
      all.window(hopping({ size: 20, advance: 5, grace: late })).aggregate('n', { emit: 'close' }),
    );
  },
  'outer join of two streams': (records) => {
    const { even: evens, otherwise: odds } = records.split({ even });
    const window = joinWindow({ before: 4, after: 9, grace: late });
    return evens.outerJoin('joined', odds, window, glue);
  },
  'join of a stream with itself': (records) =>
    records.join('joined', records, joinWindow({ before: 4, after: 9, grace: late }), glue),
  'stream with a versioned table, after a wait': (records, t) =>
    records.leftJoinTable(t.table('rows', rows, { historyMs: late }), glue, {
      wait: { name: 'wait', graceMs: 10 },
    }),
  'stream with a table that is restored from its topic': (records, t) =>
    records.leftJoinTable(t.table('rows', rows, { changelog: 'source' }), glue),
  'stream with a table whose rows expire': (records, t) =>
    records.leftJoinTable(t.table('rows', rows, { ttlMs: 60 }), glue),
  'stream with a global table': (records, t) =>
    records.leftJoinGlobal(t.globalTable(rows), (text) => `k${text.length}`, glue),
  'rows read by an operator of its own': (records, t) => {
    const table = t.table('rows', rows);
    return records.process<number, string>('reader', {
      tables: [table],
      record: (context, text) => {
        context.state = (context.state ?? 0) + 1;
        context.emit(`${context.state} ${text} ${context.row(table) ?? '-'}`);
      },
    });
  },
  'a table held back for a time': (records) =>
    records
      .reduce('last', (_, text) => text)
      .suppress('held', { timeLimitMs: 8 })
      .changes()
      .map(String),
  'calls of the world outside': (records) =>
    records.asyncMap(async (text, { key }) => {
      if (text.length % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      return `${key}${text}`;
    }),
  'stream with table': (records) => {
    const { even: evens, otherwise: odds } = records.split({ even });
    return evens.leftJoinTable(
      odds.reduce('last', (_, text) => text),
      glue,
    );
  },
  'two tables, filtered': (records) => {
    const { even: evens, otherwise: odds } = records.split({ even });
    return evens
      .reduce('evens', (_, text) => text)
      .outerJoin(
        odds.reduce('odds', (_, text) => text).filter((text) => text.length > 2),
        glue,
      )
      .changes()
      .map(String);
  },
  'state and timers of a key': (records) =>
    records.process<number, string>('silence', {
      clock: 'key',
      record: (context, text, timestamp) => {
        context.state = (context.state ?? 0) + text.length;
        context.setTimer('silent', timestamp + 7);
      },
      timer: (context, _, at) => context.emit(`${context.state} at ${at}`, at),
    }),
  'repetitions within a time': (records) => records.dedupe('seen', (text) => text, late * 10),
};

interface Mode {
  /** Records that are written at once. */
  readonly batch: number;
  readonly partitions?: number;
  readonly cacheBytes?: number;
  readonly recordsPerCycle?: number;
  readonly restart?: 'after each' | 'after each, state rebuilt';
}

const modes: Record<string, Mode> = {
  'one batch of everything': { batch: Number.POSITIVE_INFINITY },
  'one batch, read record by record': { batch: Number.POSITIVE_INFINITY, recordsPerCycle: 1 },
  'batches of seven, nothing cached': { batch: 7, cacheBytes: 0 },
  'a cache of some keys': { batch: 3, cacheBytes: 700 },
  'restarted after each record': { batch: 1, restart: 'after each' },
  'restarted after each record, state rebuilt': { batch: 1, restart: 'after each, state rebuilt' },
  'three partitions': { batch: 1, partitions: 3 },
  'three partitions, one batch, nothing cached': {
    batch: Number.POSITIVE_INFINITY,
    partitions: 3,
    cacheBytes: 0,
  },
};

function records(seed: number) {
  const random = new SeededRandom(seed);
  let now = 50;
  return Array.from({ length: 70 }, () => {
    now += randomBelow(random, 5);
    const key = `k${randomBelow(random, 4)}`;
    const value = 'abcdef'.slice(randomBelow(random, 6));
    return { key, value, timestamp: now - randomBelow(random, 20) };
  });
}

/** Changes of rows, some of them deletions. */
function tableRecords(seed: number) {
  const random = new SeededRandom(seed + 100);
  return Array.from({ length: 30 }, (_, i) => {
    const key = `k${randomBelow(random, 4)}`;
    const value = randomBelow(random, 6) === 0 ? null : `row${i}`;
    return { key, value, timestamp: 50 + 3 * i - randomBelow(random, 5) };
  });
}

/** What each key was told, in order; sorted where results of several instants come at once. */
async function run(operator: (typeof suite)[string], seed: number, mode: Mode) {
  const built = topology('modes', (t) => {
    operator(t.stream(input), t).to(out);
    return {};
  });
  const { batch, restart, ...options } = mode;
  const driver = await testDriver(built, options);
  const reads = built.nodes.some((node) => node.type === 'source' && node.topic.name === rows.name);
  if (reads || built.globals.length > 0) await driver.pipeAll(rows, tableRecords(seed));
  const all = records(seed);
  for (let i = 0; i < all.length; i += batch) {
    await driver.pipeAll(input, all.slice(i, i + batch));
    if (restart !== undefined) {
      await driver.restart({ dropState: restart === 'after each, state rebuilt' });
    }
  }
  await driver.advanceTo(20_000);
  const told: Record<string, string[]> = {};
  for (const { key, value, timestamp } of await driver.read(out)) {
    told[String(key)] = [...(told[String(key)] ?? []), `${value} @${timestamp}`];
  }
  const { drops } = driver.summary.counters;
  await driver.close();
  return { told, drops: restart === undefined ? drops : undefined };
}

/** What these say depends on stream time, and each partition has its own. */
const ofPartition = [
  'stream with a versioned table, after a wait',
  'stream with a table whose rows expire',
  'a table held back for a time',
  'state and timers of a key',
];

describe.each(Object.entries(suite))('%s', (name, operator) => {
  const plainRuns: Record<number, Awaited<ReturnType<typeof run>>> = {};
  const fitting = Object.entries(modes).filter(
    ([, { partitions = 1 }]) => partitions === 1 || !ofPartition.includes(name),
  );
  test.each(fitting)('%s', async (_, mode) => {
    for (const seed of [1, 2]) {
      plainRuns[seed] ??= await run(operator, seed, { batch: 1 });
      const [plain, other] = [plainRuns[seed], await run(operator, seed, mode)];
      expect(Object.keys(plain.told).length, `seed ${seed}`).toBe(4);
      expect(other.told, `seed ${seed}`).toEqual(plain.told);
      if (other.drops !== undefined) expect(other.drops, `seed ${seed}`).toEqual(plain.drops);
    }
  });
});
