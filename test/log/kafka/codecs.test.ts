/**
 * Record batches that others compressed: by each codec of Kafka, in each framing that producers
 * write.
 */

import { createRequire } from 'node:module';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decompressed } from '../../../engine/log/kafka/direct/codecs.ts';
import { wholeBatches } from '../../../engine/log/kafka/direct/record-sets.ts';
import { unpackPlainly } from '../../../engine/log/kafka/direct/unpack-plainly.ts';
import { PackedBatch } from '../../../engine/record/batch.ts';
import { compressedBatch, recordBatch } from './record-batches.ts';

const { compress } = createRequire(import.meta.url)('snappyjs') as {
  compress(bytes: Uint8Array): Uint8Array;
};
const compressSync = (bytes: Uint8Array) => Buffer.from(compress(bytes));

const values = ['one', 'two', 'three'];
const rows = values.map((value) => ({ key: 'k', value, timestamp: 1_700_000_000_000 }));
const plain = recordBatch(rows, { baseOffset: 10 }).subarray(61);

/** Blocks with their lengths before them, as Java's clients write them. */
function xerial(blocks: readonly Buffer[]): Buffer {
  const head = Buffer.from('82534e41505059000000000100000001', 'hex');
  const parts = blocks.flatMap((block) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    return [length, block];
  });
  return Buffer.concat([head, ...parts]);
}

/**
 * Frames that the zstd tool made of the records above: with their length in the head, and of a
 * stream, without.
 */
const zstd = {
  sized: '28b52ffd202319010014000000026b066f6e650014000002026b0674776f0018000004026b0a746872656500',
  streamed:
    '28b52ffd045819010014000000026b066f6e650014000002026b0674776f0018000004026b0a74687265650085f6a8fa',
};
const halves = [plain.subarray(0, 20), plain.subarray(20)];

describe('a compressed record batch', () => {
  it.each([
    ['gzip', 1, gzipSync(plain)],
    ['snappy in one block', 2, compressSync(plain)],
    ["snappy in xerial's frames", 2, xerial(halves.map((half) => compressSync(half)))],
    ['zstd with a length', 4, Buffer.from(zstd.sized, 'hex')],
    ['zstd of a stream', 4, Buffer.from(zstd.streamed, 'hex')],
  ])('by %s comes as it was written', async (_, codec, bytes) => {
    const between = recordBatch([{ key: 'k', value: 'zero', timestamp: 1 }], { baseOffset: 9 });
    const batch = compressedBatch(bytes, { baseOffset: 10, codec, count: 3 });
    const records = Buffer.concat([between, batch, Buffer.from('cut off')]);
    const { end, next, isCompressed, problem } = wholeBatches(records);
    expect([next, isCompressed, problem]).toEqual([13, true, undefined]);
    const made = await decompressed(records, end);
    const [image] = await unpackPlainly(made, made.length, 0, []);
    const batchOut = new PackedBatch(image as ArrayBuffer);
    expect([0, 1, 2, 3].map((i) => String(batchOut.value(i)))).toEqual(['zero', ...values]);
    expect([...batchOut.offsets]).toEqual([9, 10, 11, 12]);
  });

  it.each([
    ['gzip', 1, gzipSync(plain)],
    ['snappy', 2, xerial([compressSync(plain)])],
    ['zstd', 4, Buffer.from(zstd.streamed, 'hex')],
  ])('by %s that is cut off is refused with its codec and offset', async (name, codec, bytes) => {
    const cut = compressedBatch(bytes.subarray(0, -3), { baseOffset: 10, codec, count: 3 });
    await expect(decompressed(cut, cut.length)).rejects.toThrow(
      new RegExp(`offset 10 is compressed by ${name}`),
    );
  });

  it('that says it is larger than any batch is refused before it is made', async () => {
    const block = Buffer.concat([Buffer.from('8080808004', 'hex'), Buffer.from('x')]);
    const huge = compressedBatch(block, { baseOffset: 3, codec: 2, count: 1 });
    await expect(decompressed(huge, huge.length)).rejects.toThrow(/too big/i);
  });

  it('without records, as compaction leaves it, is no error', async () => {
    const empty = compressedBatch(Buffer.alloc(0), { baseOffset: 3, codec: 4, count: 0 });
    expect((await decompressed(empty, empty.length)).length).toBe(61);
  });
});
