/**
 * Keys with very many entries, in every operator whose cells hold several: what a commit logs is in
 * proportion to what changed, no record of a changelog is long, and a restore brings all of it
 * back.
 */
import {
  collect,
  days,
  joinWindow,
  keyedList,
  keyedMap,
  session,
  sliding,
  type Topology,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const a = topic<string, string>('a', { value: utf8 });
const b = topic<string, string>('b', { value: utf8 });
const out = topic<string, unknown>('out');
const raw = {
  format: 'bytes',
  encode: (bytes: Buffer) => bytes,
  decode: (bytes: Buffer, start: number, end: number) => Buffer.from(bytes.subarray(start, end)),
};
const entries = 3_000;
const day = days(1);
/** A value of a hundred letters. */
const textOf = (i: number): string => `${i}`.padEnd(100, '.');

interface Case {
  /** Names of the stores. */
  readonly stores: readonly string[];
  build(t: TopologyBuilder): void;
  /** Key of record `i`; default: one for all. */
  keyOf?(i: number): string;
  /** ms between two records; default 1. */
  readonly stepMs?: number;
  readonly into?: readonly ('a' | 'b')[];
}

const pair = (x: unknown, y: unknown) => `${String(x).length}${String(y).length}`;
const around = joinWindow({ before: 1, after: 1, grace: day });

const cases: Readonly<Record<string, Case>> = {
  'join of streams': {
    stores: ['s'],
    into: ['a', 'b'],
    build: (t) => void t.stream(a).join('s', t.stream(b), around, pair).to(out),
  },
  'outer join of streams': {
    stores: ['s'],
    into: ['a', 'b'],
    build: (t) => void t.stream(a).outerJoin('s', t.stream(b), around, pair).to(out),
  },
  'join of a stream with itself': {
    stores: ['s'],
    build: (t) => {
      const stream = t.stream(a);
      stream.join('s', stream, around, pair).to(out);
    },
  },
  dedupe: {
    stores: ['s'],
    build: (t) =>
      void t
        .stream(a)
        .dedupe('s', (value) => value, day)
        .to(out as never),
  },
  'wait of a join with a table': {
    stores: ['s'],
    build: (t) =>
      void t
        .stream(a)
        .leftJoinTable(t.table('tb', b, { historyMs: day }), pair, {
          wait: { name: 's', graceMs: day },
        })
        .to(out),
  },
  'history of a table': {
    stores: ['s'],
    build: (t) =>
      void t
        .table('s', a, { historyMs: day })
        .changes()
        .to(out as never),
  },
  'subscribers of a foreign key': {
    stores: ['s-subscribers'],
    keyOf: (i) => `left ${i}`,
    build: (t) =>
      void t
        .table('ta', a)
        .joinForeign('s', t.table('tb', b), () => 'right', pair)
        .changes()
        .to(out),
  },
  'tumbling windows': {
    stores: ['s'],
    stepMs: 10,
    build: (t) =>
      void t
        .stream(a)
        .window(tumbling({ size: 10, grace: day }))
        .aggregate('s', collect()),
  },
  sessions: {
    stores: ['s'],
    stepMs: 10,
    build: (t) =>
      void t
        .stream(a)
        .window(session({ gap: 5, grace: day }))
        .aggregate('s', collect()),
  },
  'sliding windows': {
    stores: ['s'],
    stepMs: 10,
    build: (t) =>
      void t
        .stream(a)
        .window(sliding({ size: 15, grace: day }))
        .aggregate('s', collect()),
  },
  suppress: {
    stores: ['s'],
    stepMs: 10,
    build: (t) =>
      void t
        .stream(a)
        .window(tumbling({ size: 10, grace: day }))
        .aggregate('w', collect())
        .suppress('s', { untilClosed: true })
        .changes()
        .to(out as never),
  },
  'keyed list': {
    stores: ['s'],
    build: (t) =>
      void t.stream(a).process('s', {
        collections: { all: keyedList<string>(utf8) },
        record: ({ collections }, value) => collections.all.add(value),
      }),
  },
  'keyed map': {
    stores: ['s'],
    build: (t) =>
      void t.stream(a).process('s', {
        collections: { all: keyedMap<string>(utf8) },
        record: ({ collections }, value) => collections.all.set(value, value),
      }),
  },
};

const built = ({ build }: Case): Topology =>
  topology('hot', (t) => {
    build(t);
  });

describe('hot keys', () => {
  test.each(Object.keys(cases))('%s: a commit logs what changed', async (name) => {
    const one = cases[name] as Case;
    const { stepMs = 1, into = ['a'], keyOf = () => 'k' } = one;
    const driver = await testDriver(built(one), { cacheBytes: 100_000 });
    const record = (i: number) => ({ key: keyOf(i), value: textOf(i), timestamp: stepMs * i });
    const logged = async (): Promise<number> => {
      let bytes = 0;
      for (const store of one.stores) {
        const records = await driver.read(
          topic(`test-${store}-changelog`, { key: raw, value: raw }),
        );
        for (const { key, value } of records) {
          bytes += (key?.byteLength ?? 0) + (value?.byteLength ?? 0);
          expect(value?.byteLength ?? 0).toBeLessThan(300_000);
        }
      }
      return bytes;
    };
    const many = Array.from({ length: entries }, (_, i) => record(i));
    for (const to of into) await driver.pipeAll(to === 'a' ? a : b, many);
    const atFirst = await logged();
    for (let i = entries; i < entries + 5; i++) {
      for (const to of into) await driver.pipeAll(to === 'a' ? a : b, [record(i)]);
      const bytes = await logged();
      expect(bytes, `record ${i}, of all ${atFirst}`).toBeGreaterThan(0);
      expect(bytes, `record ${i}, of all ${atFirst}`).toBeLessThan(50_000);
    }
    const rows = await Promise.all(one.stores.map((store) => driver.rows({ store })));
    expect(rows[0]?.length).toBeGreaterThan(500);
    for (const dropState of [false, true]) {
      await driver.restart({ dropState });
      const again = await Promise.all(one.stores.map((store) => driver.rows({ store })));
      expect(again).toEqual(rows);
    }
    for (const to of into) await driver.pipeAll(to === 'a' ? a : b, [record(entries + 5)]);
    expect(await logged()).toBeLessThan(50_000);
    expect(await driver.deadLetters()).toEqual([]);
    await driver.close();
  });

  test('an accumulator longer than a record is logged in chunks', async () => {
    const collected = topology('collected', (t) => {
      t.stream(a).aggregate('s', collect());
    });
    const driver = await testDriver(collected);
    const value = 'x'.repeat(100_000);
    const lengths: number[] = [];
    for (const count of [1, 5, 7, 2]) {
      const records = Array.from({ length: count }, (_, i) => ({ key: 'k', value, timestamp: i }));
      await driver.pipeAll(a, records);
      const log = await driver.read(topic('test-s-changelog', { key: raw, value: raw }));
      lengths.push(...log.map(({ value: bytes }) => bytes?.byteLength ?? 0));
    }
    expect(Math.max(...lengths)).toBeLessThan(300_000);
    const rows = await driver.rows({ store: 's' });
    await driver.restart({ dropState: true });
    expect(await driver.rows({ store: 's' })).toEqual(rows);
    expect(rows[0]?.value).toHaveLength(15);
    await driver.close();
  });
});
