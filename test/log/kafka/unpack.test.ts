/**
 * The native reader of Kafka's record batches against a model: every record that counts, as it was,
 * and no other.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wholeBatches } from '../../../engine/log/kafka/direct/record-sets.ts';
import { unpackPlainly } from '../../../engine/log/kafka/direct/unpack-plainly.ts';
import type { Unpack } from '../../../engine/log/kafka/direct/unpacking.ts';
import { recordsPerBatch } from '../../../engine/log/kafka/direct/unpacking.ts';
import { PackedBatch } from '../../../engine/record/batch.ts';
import { decodeHeaders } from '../../../engine/record/headers.ts';
import { directCalls } from './direct-calls.ts';
import { type Row, recordBatch } from './record-batches.ts';

const at = Date.UTC(2026, 0, 1);
const readers: [string, Unpack | undefined][] = [
  ['by the native helper', directCalls()?.unpack],
  ['by JavaScript', unpackPlainly],
];

type Seen = readonly [
  offset: number,
  key: string | null,
  value: string | null,
  timestamp: number,
  headers: object,
];

function seenOf(images: readonly ArrayBuffer[]): Seen[] {
  return images.flatMap((image) => {
    const batch = new PackedBatch(image);
    return Array.from(
      { length: batch.count },
      (_, i): Seen => [
        batch.offsets[i] as number,
        batch.key(i)?.toString() ?? null,
        batch.value(i)?.toString() ?? null,
        batch.timestamps[i] as number,
        decodeHeaders(batch.headerBytes(i)),
      ],
    );
  });
}

/** A header whose name means something else to an object. */
const trap = {
  key: 'k',
  value: 'v',
  timestamp: at,
  headers: [['__proto__', 'x']] as [string, string][],
  gap: 1,
};

const row = (value: string | null, more: Partial<Row> = {}): Row => ({
  key: 'k',
  value,
  timestamp: at,
  ...more,
});

describe.each(readers.flatMap(([name, unpack]) => (unpack ? [[name, unpack] as const] : [])))(
  'record batches of Kafka %s',
  (name, unpack) => {
    const isNative = name === 'by the native helper';
    const seen = async (bytes: Buffer, from = 0, aborted: readonly number[] = []) =>
      seenOf(await unpack(bytes, bytes.length, from, aborted));

    it('come as they were: any keys, values, times, headers, gaps and batches', async () => {
      const text = fc.oneof(fc.constant(null), fc.string({ maxLength: 300 }));
      const rows = fc.array(
        fc.record({
          key: text,
          value: text,
          timestamp: fc.integer({ min: -1, max: 2 ** 44 }),
          headers: fc.uniqueArray(fc.tuple(fc.string({ maxLength: 20 }), fc.string()), {
            selector: ([name]) => name,
            maxLength: 3,
          }),
          gap: fc.integer({ min: 1, max: 1_000 }),
        }),
        { minLength: 1, maxLength: 20 },
      );
      const stored = fc.tuple(fc.array(rows, { maxLength: 4 }), fc.nat(2 ** 40), fc.nat(4_000));
      await fc.assert(
        fc.asyncProperty(stored, async ([batches, first, skipped]) => {
          const expected: Seen[] = [];
          let next = first;
          const bytes = batches.map((list) => {
            const [baseOffset, offsets] = [next, [] as number[]];
            for (const { key, value, timestamp, headers, gap } of list) {
              offsets.push(next);
              expected.push([next, key, value, timestamp, Object.fromEntries(headers)]);
              next += gap;
            }
            return recordBatch(list, { baseOffset, offsets });
          });
          const from = first + skipped;
          const found = await seen(Buffer.concat(bytes), from);
          expect(found).toEqual(expected.filter(([offset]) => offset >= from));
        }),
        { numRuns: 200, examples: [[[[[trap]], 0, 0]]] },
      );
    });

    it('are handed out in shares of a limited number of records', async () => {
      const rows = Array.from({ length: recordsPerBatch * 2 + 5 }, (_, i) => row(String(i)));
      const bytes = Buffer.concat([
        recordBatch(rows.slice(0, 100), { baseOffset: 0 }),
        recordBatch(rows.slice(100), { baseOffset: 100 }),
      ]);
      const images = await unpack(bytes, bytes.length, 0, []);
      expect(images.map((image) => new PackedBatch(image).count)).toEqual([
        recordsPerBatch,
        recordsPerBatch,
        5,
      ]);
      expect(seenOf(images).map(([, , value]) => value)).toEqual(rows.map(({ value }) => value));
    });

    it('leave out markers and what was aborted, up to the abort; the same producer may commit after it', async () => {
      const [ours, other] = [7, 8];
      const written = (value: string, baseOffset: number, producer: number) =>
        recordBatch([row(value)], { baseOffset, producer, transactional: true });
      const ended = (control: 'abort' | 'commit', baseOffset: number, producer: number) =>
        recordBatch([row('')], { baseOffset, producer, transactional: true, control });
      const bytes = Buffer.concat([
        written('aborted', 10, ours),
        written('kept', 11, other),
        recordBatch([row('plain')], { baseOffset: 12 }),
        written('aborted too', 13, ours),
        ended('abort', 14, ours),
        ended('commit', 15, other),
        written('second', 16, ours),
        ended('commit', 17, ours),
        written('aborted later', 18, other),
        ended('abort', 19, other),
      ]);
      // As a broker lists them, and the other way round.
      for (const aborted of [
        [ours, 10, other, 18],
        [other, 18, ours, 10],
      ]) {
        const found = await seen(bytes, 10, aborted);
        expect(found.map(([offset, , value]) => `${offset} ${value}`)).toEqual([
          '11 kept',
          '12 plain',
          '16 second',
        ]);
      }
    });

    it('with a header whose name is too long for a packed batch are refused, not cut', async () => {
      const long = row('one', { headers: [['n'.repeat(65_536), 'v']] });
      const bytes = recordBatch([row('zero'), long], { baseOffset: 7 });
      await expect(unpack(bytes, bytes.length, 0, [])).rejects.toThrow(/65535/);
      const longest = row('one', { headers: [['n'.repeat(65_535), 'v']] });
      const [found] = await seen(recordBatch([longest], { baseOffset: 7 }));
      expect(found?.[4]).toEqual({ ['n'.repeat(65_535)]: 'v' });
    });

    it("take the broker's time where the topic says so", async () => {
      const rows = [row('a', { timestamp: 1 }), row('b', { timestamp: 2 })];
      const found = await seen(recordBatch(rows, { baseOffset: 0, appendTime: at }));
      expect(found.map(([, , , timestamp]) => timestamp)).toEqual([at, at]);
    });

    it('are refused, not misread, when their bytes are damaged or cut', async () => {
      const whole = recordBatch([row('one'), row('two')], { baseOffset: 0 });
      await expect(unpack(whole, whole.length - 1, 0, [])).rejects.toThrow(/cut off/);
      const long = Buffer.from(whole);
      long[61] = 0x7e; // the first record's length is read and not believed; its key's length is
      long[65] = 0x7f;
      await expect(unpack(long, long.length, 0, [])).rejects.toThrow(/beyond its batch/);
      const notLz4 = recordBatch([row('one')], { baseOffset: 0, codec: 3 });
      if (isNative) {
        await expect(unpack(notLz4, notLz4.length, 0, [])).rejects.toThrow(/does not unpack/);
      }
      const any = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
      await fc.assert(
        fc.asyncProperty(any, async ([place, byte]) => {
          const damaged = Buffer.from(whole);
          damaged[place] = byte;
          // The checksum stands before it; here nothing but a crash is wrong.
          await unpack(damaged, damaged.length, 0, []).catch(() => {});
        }),
        { numRuns: 300 },
      );
    });
  },
);

describe('whole batches of a response', () => {
  const first = recordBatch([row('a'), row('b')], { baseOffset: 40, lastOffset: 44 });
  const second = recordBatch([row('c')], { baseOffset: 45 });
  const both = Buffer.concat([first, second]);

  it('end where the last whole one does, and say what comes next', () => {
    const whole = { isCompressed: false, problem: undefined };
    expect(wholeBatches(both)).toEqual({ end: both.length, next: 46, ...whole });
    for (let cut = first.length; cut < both.length; cut++) {
      const { end, next, problem } = wholeBatches(both.subarray(0, cut));
      expect([end, next, problem]).toEqual([first.length, 45, undefined]);
    }
    expect(wholeBatches(Buffer.alloc(0))).toEqual({ end: 0, next: undefined, ...whole });
  });

  it('name what is not read here; the batches before it are', () => {
    const damaged = Buffer.from(both);
    damaged[both.length - 1] = (damaged[both.length - 1] as number) ^ 1;
    const behind = (options: { codec?: number; format?: number }) =>
      Buffer.concat([first, recordBatch([row('c')], { baseOffset: 45, ...options })]);
    const cases: [Buffer, string, RegExp][] = [
      [damaged, 'unreadable', /checksum/],
      [behind({ codec: 5 }), 'unreadable', /codec 5/],
      [behind({ format: 1 }), 'for-client', /old message format/],
    ];
    for (const [bytes, kind, reason] of cases) {
      const found = wholeBatches(bytes);
      expect([found.end, found.next]).toEqual([first.length, 45]);
      expect(found.problem).toMatchObject({ kind, reason: expect.stringMatching(reason) });
    }
    for (const codec of [1, 2, 3, 4]) {
      const found = wholeBatches(behind({ codec }));
      expect([found.problem, found.isCompressed]).toEqual([undefined, codec !== 3]);
    }
    const byClient = wholeBatches(behind({ codec: 3 }), false);
    expect(byClient.problem).toMatchObject({
      kind: 'for-client',
      reason: expect.stringMatching(/lz4/),
    });
    const cut = wholeBatches(first.subarray(0, 70)).problem;
    expect(cut).toMatchObject({
      kind: 'for-client',
      reason: expect.stringMatching(/does not fit/),
    });
  });
});
