/**
 * A promise from a function that must be synchronous is the error of its record, and names
 * asyncMap.
 */
import {
  distinctCount,
  joinWindow,
  json,
  keyedList,
  quantiles,
  type Serde,
  type Stream,
  sum,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
  versioned,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Row {
  readonly n: number;
}

const rows = topic<string, Row>('rows', { value: json() });
const others = topic<string, Row>('others', { value: json() });
const out = topic<string, unknown>('out', { value: json() });

/** Rejects later: nobody waits for it, and it must not end the process. */
const late = async (): Promise<never> => {
  await Promise.resolve();
  throw new Error('rejected later');
};
// biome-ignore lint/suspicious/noThenProperty: it is meant to be taken for a promise
const thenable = { then: () => {} };
// biome-ignore lint/suspicious/noExplicitAny: functions that break their types
type Any = any;
type Use = (s: Stream<string, Row>, give: () => Any, t: TopologyBuilder) => void;

const uses: Record<string, Use> = {
  map: (s, give) => s.map(give).to(out),
  filter: (s, give) => s.filter(give).to(out),
  flatMap: (s, give) => s.flatMap(give).to(out),
  'an item of flatMap': (s, give) => s.flatMap(() => [give()]).to(out),
  peek: (s, give) => s.peek(give).to(out),
  keyBy: (s, give) => s.keyBy('k', give).to(out),
  split: (s, give) => {
    s.split({ one: give });
  },
  route: (s, give) => s.route({ out }, give),
  'init of an aggregate': (s, give) => s.aggregate('a', { init: give, add: (a: Any) => a }),
  'add of an aggregate': (s, give) => s.aggregate('a', { init: () => 0, add: give }),
  reduce: (s, give) => s.map(() => ({ n: 1 })).reduce('a', give),
  'sum of': (s, give) => s.aggregate('a', sum(give)),
  'windowed aggregate': (s, give) =>
    s.window(tumbling({ size: 10, grace: 0 })).aggregate('a', { init: () => 0, add: give }),
  'windowed sum': (s, give) => s.window(tumbling({ size: 10, grace: 0 })).aggregate('a', sum(give)),
  joiner: (s, give) => s.join('j', s, joinWindow({ before: 5, after: 5, grace: 5 }), give).to(out),
  'joiner of a table': (s, give, t) => s.leftJoinTable(t.table('o', others), give).to(out),
  dedupe: (s, give) => s.dedupe('d', give, 5).to(out),
  'handler of process': (s, give) => s.process('p', { record: give }),
  'emit of process': (s, give) =>
    s.process<never, Any>('p', { record: (c) => c.emit(give()) }).to(out),
  'state of process': (s, give) =>
    s.process<Any>('p', {
      record: (c) => {
        c.state = give();
      },
    }),
  'a field of an output': (s, give) => s.map(() => ({ inner: give() })).to(out),
  partitioner: (s, give) => s.to(topic<string, Row>('own', { value: json(), partitioner: give })),
  'encode of a serde': (s, give) => {
    const own: Serde<Row> = { format: 'own', encode: give, decode: () => ({ n: 1 }) };
    s.to(topic<string, Row>('own', { value: own }));
  },
  'key function of a group': (s, give) =>
    s
      .reduce('a', (_, b) => b)
      .groupBy('g', give)
      .count('c'),
  'key of a group': (s, give) =>
    s
      .reduce('a', (_, b) => b)
      .groupBy('g', () => [give(), 1])
      .count('c'),
  'value of a group': (s, give) =>
    s
      .reduce('a', (_, b) => b)
      .groupBy('g', () => ['all', give()])
      .count('c'),
  'distinctCount of': (s, give) => s.aggregate('a', distinctCount(give)),
  'quantiles of': (s, give) => s.aggregate('a', quantiles(give)),
  'value of a schema': (s, give) =>
    s
      .validate({ '~standard': { version: 1, vendor: 'own', validate: () => ({ value: give() }) } })
      .map(() => 1)
      .to(out),
  schema: (s, give) =>
    s
      .validate({ '~standard': { version: 1, vendor: 'own', validate: give } })
      .map(() => 1)
      .to(out),
  'predicate of a list': (s, give) =>
    s.process('p', {
      collections: { list: keyedList() },
      record: ({ collections: { list } }, _, timestamp) => {
        list.add(1);
        list.remove(0, timestamp, give);
      },
    }),
  'time of a timer': (s, give) => s.process('p', { record: (c) => c.setTimer('t', give()) }),
  'time of a result': (s, give) =>
    s.process<never, number>('p', { record: (c) => c.emit(1, give()) }).to(out),
  'early results': (s, give) =>
    s
      .window(tumbling({ size: 10, grace: 0 }))
      .count('c')
      .suppress('s', { untilClosed: true, early: { when: give } }),
  'filter of a table': (s, give) =>
    s
      .reduce('a', (_, b) => b)
      .filter(give)
      .changes()
      .to(out),
  'map of a table': (s, give) =>
    s
      .reduce('a', (_, b) => b)
      .map(give)
      .changes()
      .to(out),
};

describe('a promise where none belongs', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  beforeAll(() => process.on('unhandledRejection', note));
  afterAll(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test.each(Object.keys(uses))('%s', async (name) => {
    for (const give of [late, () => thenable]) {
      const app = topology('t', (t) => {
        (uses[name] as Use)(t.stream(rows), give, t);
      });
      const driver = await testDriver(app);
      await driver.pipeAll(rows, [
        { key: 'a', value: { n: 1 }, timestamp: 1 },
        { key: 'a', value: { n: 2 }, timestamp: 2 },
      ]);
      const letters = await driver.deadLetters();
      const { counters } = driver.summary;
      // The first record of a reduce is not given to its function.
      const first = name === 'reduce' ? 1 : 0;
      expect(letters.length, JSON.stringify(counters)).toBe(2 - first);
      if (name !== 'partitioner' && name !== 'encode of a serde') {
        expect(letters[0]?.headers['reason']).toMatch(
          /promise.*asyncMap|asyncMap.*promise|promise/,
        );
      }
      expect(letters[0]?.headers['step']).toBeTruthy();
      await driver.close();
    }
  });

  test('an upcaster', async () => {
    const older = topic<string, Row>('older', { value: json() });
    const newer = topic<string, Any>('older', { value: versioned(1, { 0: late }, json()) });
    const app = topology('t', (t) => {
      t.stream(newer)
        .map(() => 1)
        .to(out);
    });
    const driver = await testDriver(app);
    await driver.pipe(older, 'a', { n: 1 }, 1);
    const [letter] = await driver.deadLetters();
    expect(letter?.headers['reason']).toMatch(/upcaster from 0.*promise.*asyncMap/);
    await driver.close();
  });

  test('an async generator in flatMap', async () => {
    const give: Any = async function* () {};
    const app = topology('t', (t) => {
      t.stream(rows).flatMap(give).to(out);
    });
    const driver = await testDriver(app);
    await driver.pipe(rows, 'a', { n: 1 }, 1);
    const [letter] = await driver.deadLetters();
    expect(letter?.headers['reason']).toMatch(/flatMap.*async iterable.*asyncMap/);
    await driver.close();
  });

  test('a time extractor', async () => {
    const app = topology('t', (t) => {
      t.stream(rows, { time: late as never }).to(out);
    });
    const driver = await testDriver(app);
    await driver.pipe(rows, 'a', { n: 1 }, 1);
    const [letter] = await driver.deadLetters();
    expect(letter?.headers['reason']).toMatch(/promise.*asyncMap/);
    await driver.close();
  });
});
void utf8;
