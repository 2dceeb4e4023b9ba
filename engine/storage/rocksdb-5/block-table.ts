/**
 * The entries of a block-based table of RocksDB 6: footer, index, data blocks with shared key
 * prefixes, each block with a CRC-32C, plain or in Snappy.
 */
import { asBuffer } from '../../base/bytes.ts';
import { crc32c } from '../../base/crc32c.ts';
import { onDemand } from '../../base/on-demand.ts';
import type { BackendWrite } from '../backend.ts';
import { unmasked } from './log-fragments.ts';
import { ByteReader } from './reader.ts';

const library = onDemand<{ uncompress(bytes: Uint8Array): Uint8Array }>('snappyjs');

const footerBytes = 53;
const trailerBytes = 5;
const magic = 0x88e241b785f4cff7n;
const crc32cType = 1;
const [plain, snappy] = [0, 1];
/** Last bytes of a key in a table: sequence number and type. */
const internalBytes = 8;
export const [deletion, put] = [0, 1];

interface Handle {
  readonly offset: number;
  readonly size: number;
}

/** The newest entry of each key in the table, in key order. */
export function* tableEntries(file: Buffer, name: string): Generator<BackendWrite> {
  const index = blockAt(file, indexOf(file, name), name);
  let before: Buffer | undefined;
  for (const [, handle] of blockEntries(index, (reader) => readHandle(reader))) {
    const block = blockAt(file, handle, name);
    for (const [internal, value] of blockEntries(block, (reader, size) => reader.take(size))) {
      const key = internal.subarray(0, internal.byteLength - internalBytes);
      // The newest entry of a key comes first.
      if (before !== undefined && key.equals(before)) continue;
      before = key;
      const type = internal[internal.byteLength - internalBytes] as number;
      if (type !== put && type !== deletion) throw new Error(`unknown entry in ${name}`);
      yield { key, value: type === put ? value : undefined };
    }
  }
}

function indexOf(file: Buffer, name: string): Handle {
  const at = file.byteLength - footerBytes;
  if (at < 0 || file.readBigUInt64LE(file.byteLength - 8) !== magic) {
    throw new Error(`bad magic number in ${name}`);
  }
  if (file[at] !== crc32cType) throw new Error(`unknown checksum in ${name}`);
  const reader = new ByteReader(file, at + 1);
  readHandle(reader);
  return readHandle(reader);
}

function readHandle(reader: ByteReader): Handle {
  return { offset: reader.varint(), size: reader.varint() };
}

function blockAt(file: Buffer, { offset, size }: Handle, name: string): Buffer {
  const end = offset + size;
  if (end + trailerBytes > file.byteLength) throw new Error(`block beyond the end of ${name}`);
  if (crc32c(file.subarray(offset, end + 1)) !== unmasked(file.readUInt32LE(end + 1))) {
    throw new Error(`checksum mismatch in ${name} at byte ${offset}`);
  }
  const bytes = file.subarray(offset, end);
  const compression = file[end];
  if (compression === plain) return bytes;
  if (compression === snappy) return asBuffer(library().uncompress(bytes));
  throw new Error(`unknown compression in ${name}`);
}

/**
 * Key and value of each entry. Values of an index have no length prefix, so `read` must know their
 * length; other values are read with their length.
 */
function* blockEntries<V>(
  block: Buffer,
  read: (reader: ByteReader, size: number) => V,
): Generator<[key: Buffer, value: V]> {
  const isIndex = read.length === 1;
  const restarts = block.readUInt32LE(block.byteLength - 4) & 0x7fffffff;
  const reader = new ByteReader(block, 0, block.byteLength - 4 * (restarts + 1));
  let key: Buffer = Buffer.alloc(0);
  while (!reader.isAtEnd) {
    const [shared, own] = [reader.varint(), reader.varint()];
    const size = isIndex ? 0 : reader.varint();
    key = Buffer.concat([key.subarray(0, shared), reader.take(own)]);
    yield [key, read(reader, size)];
  }
}
