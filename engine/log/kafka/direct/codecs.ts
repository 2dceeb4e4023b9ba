/**
 * Decompresses Kafka's record batches outside the client: gzip, snappy (raw, or in xerial's frames)
 * and zstd. LZ4 is read by the native helper. At most `unpackedBytesMax` bytes of one batch are
 * held, whatever its header says.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { asBuffer } from '../../../base/bytes.ts';
import { messageOf } from '../../../base/errors.ts';
import { onDemand } from '../../../base/on-demand.ts';
import { recordBatchFields } from '../wire/record-batch-fields.ts';

const { batchLengthAt, attributesAt, headBytes, beforeLength } = recordBatchFields;

/** Names by the number in a batch's attributes. */
export const codecNames: readonly string[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
export const codecMask = 7;
/** Limit of an unpacked batch, bytes; the brokers' limits are far below. */
const unpackedBytesMax = 512 * 1024 * 1024;

type Decompress = (bytes: Buffer) => Promise<Buffer> | Buffer;

const fzstd = onDemand<typeof import('fzstd')>('fzstd');
const snappy = onDemand<{ uncompress(bytes: Uint8Array, bytesMax: number): Uint8Array }>(
  'snappyjs',
);

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);
type ZstdInNode = (
  bytes: Buffer,
  options: { readonly maxOutputLength: number },
  done: (error: Error | null, result: Buffer) => void,
) => void;
/** Available in Node since 22.15. */
const zstdInNode = (zlib as { readonly zstdDecompress?: ZstdInNode }).zstdDecompress;

const decompressors: ReadonlyMap<number, Decompress> = new Map<number, Decompress>([
  [1, (bytes) => gunzip(bytes, { maxOutputLength: unpackedBytesMax })],
  [2, unsnapped],
  [4, zstdInNode === undefined ? unzstdByLibrary : unzstdByNode(zstdInNode)],
]);

/** True if batches of a codec can be decompressed here. */
export function isDecompressed(codec: number): boolean {
  return decompressors.has(codec);
}

/**
 * Returns the same whole batches, decompressed if they have one of the codecs above. Their
 * checksums are those of the compressed batches, so check them before.
 * @param bytes end of the whole batches
 * @throws an Error that names codec and offset of a batch that cannot be decompressed
 */
export async function decompressed(records: Buffer, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes; ) {
    const end = at + records.readUInt32BE(at + batchLengthAt) + beforeLength;
    const batch = records.subarray(at, end);
    const decompress = decompressors.get(batch.readInt16BE(attributesAt) & codecMask);
    parts.push(decompress === undefined ? batch : await withoutCodec(batch, decompress));
    at = end;
  }
  return Buffer.concat(parts);
}

async function withoutCodec(batch: Buffer, decompress: Decompress): Promise<Buffer> {
  const attributes = batch.readInt16BE(attributesAt);
  const compressed = batch.subarray(headBytes);
  let plain: Buffer;
  try {
    // A batch emptied by compaction has no records.
    plain = compressed.length === 0 ? compressed : await decompress(compressed);
  } catch (error) {
    const codec = codecNames[attributes & codecMask];
    const problem = `the batch at offset ${batch.readBigInt64BE(0)} is compressed by ${codec} and does not decompress: ${messageOf(error)}`;
    throw new Error(problem, { cause: error });
  }
  const head = Buffer.from(batch.subarray(0, headBytes));
  head.writeUInt32BE(headBytes + plain.length - beforeLength, batchLengthAt);
  head.writeInt16BE(attributes & ~codecMask, attributesAt);
  return Buffer.concat([head, plain]);
}

function unzstdByNode(decompress: ZstdInNode): Decompress {
  return (bytes) =>
    new Promise((resolve, reject) => {
      decompress(bytes, { maxOutputLength: unpackedBytesMax }, (error, plain) =>
        error === null ? resolve(plain) : reject(error),
      );
    });
}

/** Decompresses in steps, so that an oversized batch is stopped in time. */
function unzstdByLibrary(bytes: Buffer): Buffer {
  const parts: Uint8Array[] = [];
  let length = 0;
  const stream = new (fzstd().Decompress)((part) => {
    length += part.length;
    checkLength(length);
    parts.push(part);
  });
  stream.push(bytes, true);
  return Buffer.concat(parts);
}

/** Java's clients write xerial frames: this mark, two versions, then length-prefixed blocks. */
const xerialMark = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeadBytes = 16;

function unsnapped(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, xerialMark.length).equals(xerialMark)) return unsnappedBlock(bytes);
  const parts: Buffer[] = [];
  let length = 0;
  for (let at = xerialHeadBytes; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw new Error('a frame of xerial is cut off');
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error('a block of xerial is cut off');
    const part = unsnappedBlock(bytes.subarray(at + 4, end));
    length += part.length;
    checkLength(length);
    parts.push(part);
    at = end;
  }
  return Buffer.concat(parts);
}

function unsnappedBlock(block: Buffer): Buffer {
  // It allocates the size that a block declares, but at most this limit.
  return asBuffer(snappy().uncompress(block, unpackedBytesMax));
}

function checkLength(length: number): void {
  if (length > unpackedBytesMax) throw new Error(`it has more than ${unpackedBytesMax} bytes`);
}
