/**
 * The native writer of Kafka's record batches, read back by the reader: every record as it was, in
 * batches of a limited size.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fillIn, recordsIn } from '../../../engine/log/kafka/direct/produced-batches.ts';
import { wholeBatches } from '../../../engine/log/kafka/direct/record-sets.ts';
import type { DirectCalls } from '../../../engine/log/kafka/rdkafka/messages.ts';
import { BatchBuilder, PackedBatch } from '../../../engine/record/batch.ts';
import { decodeHeaders, encodeHeaders } from '../../../engine/record/headers.ts';
import { directCalls } from './direct-calls.ts';

interface Row {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
}

const at = Date.UTC(2026, 0, 1);
const calls = directCalls();
const greatestSequence = 0x7fff_ffff;

function imageOf(rows: readonly Row[]): ArrayBuffer {
  const builder = new BatchBuilder();
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  for (const { key, value, timestamp, headers } of rows) {
    builder.append(bytes(key), bytes(value), timestamp, encodeHeaders(headers));
  }
  return builder.finishAt(null).image;
}

function rowsOf(images: readonly ArrayBuffer[]): Row[] {
  return images.flatMap((image) => {
    const batch = new PackedBatch(image);
    return Array.from({ length: batch.count }, (_, i) => ({
      key: batch.key(i)?.toString() ?? null,
      value: batch.value(i)?.toString() ?? null,
      timestamp: batch.timestamps[i] as number,
      headers: decodeHeaders(batch.headerBytes(i)) as Record<string, string>,
    }));
  });
}

describe.skipIf(calls === undefined)('packed batches', () => {
  const { pack, unpack } = calls as DirectCalls;
  const made = async (rows: readonly Row[], bytesMax: number) => {
    const batches = (await pack(imageOf(rows), bytesMax)).map((bytes) => Buffer.from(bytes));
    let [offset, sequence] = [0, 0];
    for (const batch of batches) {
      batch.writeBigInt64BE(BigInt(offset));
      offset += recordsIn(batch);
      sequence = fillIn(batch, 4_711, 3, sequence);
    }
    return batches;
  };

  it('become record batches with the same keys, values, times and headers', async () => {
    const text = fc.oneof(fc.constant(null), fc.string({ maxLength: 300 }));
    const rows = fc.array(
      fc.record({
        key: text,
        value: text,
        timestamp: fc.integer({ min: 0, max: 2 ** 44 }),
        headers: fc.dictionary(fc.string({ maxLength: 20 }), fc.string(), {
          maxKeys: 3,
          noNullPrototype: true,
        }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 4_000 }), async (list, bytesMax) => {
        const batches = await made(list, bytesMax);
        const bytes = Buffer.concat(batches);
        // The checksum of each is right, and they follow without gaps.
        expect(wholeBatches(bytes)).toEqual({
          end: bytes.length,
          next: list.length,
          isCompressed: false,
          problem: undefined,
        });
        const found = rowsOf(await unpack(bytes, bytes.length, 0, []));
        expect(found).toEqual(list);
        let first = 0;
        for (const batch of batches) {
          const times = list.slice(first, first + recordsIn(batch)).map((row) => row.timestamp);
          expect(Number(batch.readBigInt64BE(27))).toBe(times[0]);
          expect(Number(batch.readBigInt64BE(35))).toBe(Math.max(...times));
          expect(batch.readInt32BE(53)).toBe(first);
          first += times.length;
        }
      }),
      { numRuns: 200 },
    );
  });

  it('are split where a batch would hold more bytes than it may; a longer record has its own', async () => {
    const row = (value: string) => ({ key: 'k', value, timestamp: at, headers: {} });
    const batches = await made([row('a'), row('b'), row('x'.repeat(500)), row('c')], 60);
    expect(batches.map(recordsIn)).toEqual([2, 1, 1]);
    expect((await made([row('a'), row('b')], 18)).map(recordsIn)).toEqual([2]);
    expect((await made([row('a'), row('b')], 17)).map(recordsIn)).toEqual([1, 1]);
  });

  it('are marked as transactional and carry whose they are', async () => {
    const [batch] = (await made([{ key: 'k', value: 'v', timestamp: at, headers: {} }], 1_000)) as [
      Buffer,
    ];
    expect(batch.readInt16BE(21)).toBe(16 + 3);
    expect([Number(batch.readBigInt64BE(43)), batch.readInt16BE(51)]).toEqual([4_711, 3]);
    // Aborted ones of this producer are not seen.
    expect(await unpack(batch, batch.length, 0, [4_711, 0])).toEqual([]);
  });

  it('keep their memory while somebody holds them, though that of others is used again', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held: { rows: Row[]; batches: Buffer[]; images: readonly ArrayBuffer[] }[] = [];
    for (let i = 0; i < 60; i++) {
      // They shrink by more than is reckoned with when they are unpacked.
      const value = String(i).repeat(60_000);
      const rows = [1, 2, 3].map((n) => ({ key: `k${n}`, value, timestamp: at + n, headers: {} }));
      const batches = await made(rows, 1_000_000);
      const bytes = Buffer.concat(batches);
      const images = await unpack(bytes, bytes.length, 0, []);
      if (i % 3 === 0) held.push({ rows, batches, images });
      if (i % 10 === 9) collect();
    }
    for (const { rows, batches, images } of held) {
      expect(rowsOf(images)).toEqual(rows);
      const bytes = Buffer.concat(batches);
      expect(rowsOf(await unpack(bytes, bytes.length, 0, []))).toEqual(rows);
    }
  });

  it('go on at sequence 0 behind the greatest', async () => {
    const [bytes] = await pack(
      imageOf([
        { key: 'k', value: 'v', timestamp: at, headers: {} },
        { key: 'l', value: 'w', timestamp: at, headers: {} },
      ]),
      1_000,
    );
    const batch = Buffer.from(bytes as ArrayBuffer);
    expect(fillIn(batch, 1, 0, greatestSequence)).toBe(1);
    expect(fillIn(batch, 1, 0, greatestSequence - 1)).toBe(0);
    expect(fillIn(batch, 1, 0, greatestSequence - 2)).toBe(greatestSequence);
  });
});
