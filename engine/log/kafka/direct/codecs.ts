/**
 * Decompresses Kafka's record batches outside the client: gzip, snappy (raw, or in xerial's frames)
 * and zstd. LZ4 is read by the native helper. Nothing here holds more than `unpackedBytesMax` bytes
 * of one batch, whatever its head says.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { asBuffer } from '../../../base/bytes.ts';
import { messageOf } from '../../../base/errors.ts';
import { onDemand } from '../../../base/on-demand.ts';
import { recordBatchFields } from '../wire/record-batch-fields.ts';

const { batchLengthAt, attributesAt, headBytes, beforeLength } = recordBatchFields;

/** By the number in a batch's attributes. */
export const codecNames: readonly string[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
export const codecMask = 7;
/** No batch unpacks to more: the brokers' limits are far below. */
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
/** Node has it since 22.15. */
const zstdInNode = (zlib as { readonly zstdDecompress?: ZstdInNode }).zstdDecompress;

const decompressors: ReadonlyMap<number, Decompress> = new Map<number, Decompress>([
  [1, (bytes) => gunzip(bytes, { maxOutputLength: unpackedBytesMax })],
  [2, unsnapped],
  [4, zstdInNode === undefined ? unzstdByLibrary : unzstdByNode(zstdInNode)],
]);

/** Whether batches of a codec can be decompressed here. */
export function isDecompressed(codec: number): boolean {
  return decompressors.has(codec);
}

/**
 * The same whole batches, those of the codecs above without compression. Their checksums are those
 * of the compressed ones, and so were to be checked before.
 * @param bytes where the whole batches end
 * @throws an Error that names codec and offset of a batch that does not decompress
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
    // A batch that compaction has emptied holds nothing.
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

/** Bit by bit, so that what unpacks to too much is stopped in time. */
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

/**
 * Java's clients write frames of xerial's: this mark, two versions, then blocks with their length
 * before them.
 */
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
  // It makes room for what a block says of itself, but no more than this.
  return asBuffer(snappy().uncompress(block, unpackedBytesMax));
}

function checkLength(length: number): void {
  if (length > unpackedBytesMax) throw new Error(`it has more than ${unpackedBytesMax} bytes`);
}
