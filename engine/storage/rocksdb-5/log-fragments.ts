/**
 * RocksDB's log files (write-ahead logs and manifests): blocks of 32 KiB that hold fragments of
 * records.
 *
 *   fragment   CRC-32C u32, masked · length u16 · type u8 · [log number u32, in recycled files] · bytes
 *
 * As documented in RocksDB's wiki, "Write Ahead Log File Format".
 */
import { crc32c } from '../../base/crc32c.ts';

const blockBytes = 32_768;
const headerBytes = 7;
const recycledHeaderBytes = 11;
const [full, first, middle, last] = [1, 2, 3, 4];
const firstRecycledType = 5;
const maskDelta = 0xa282ead8;

/** RocksDB masks the checksums that it stores. */
export function unmasked(checksum: number): number {
  const rotated = (checksum - maskDelta) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/**
 * The records of a log file. A torn record at the end of the file was never finished and is
 * skipped; any other damage throws.
 */
export function* records(file: Buffer, name: string): Generator<Buffer> {
  let parts: Buffer[] = [];
  for (let at = 0; at + headerBytes <= file.byteLength; ) {
    const left = blockBytes - (at % blockBytes);
    if (left < headerBytes) {
      at += left;
      continue;
    }
    const checksum = file.readUInt32LE(at);
    const length = file.readUInt16LE(at + 4);
    let type = file[at + 6] as number;
    // Reserved but unwritten space is zero, up to the end of the file.
    if (type === 0 && length === 0 && checksum === 0) {
      if (file.subarray(at).every((byte) => byte === 0)) return;
      throw new Error(`checksum mismatch in ${name} at byte ${at}`);
    }
    const recycled = type >= firstRecycledType;
    const start = at + (recycled ? recycledHeaderBytes : headerBytes);
    if (start + length > file.byteLength) return;
    const covered = file.subarray(at + 6, start + length);
    if (crc32c(covered) !== unmasked(checksum)) {
      throw new Error(`checksum mismatch in ${name} at byte ${at}`);
    }
    if (recycled) type -= firstRecycledType - full;
    const bytes = file.subarray(start, start + length);
    at = start + length;
    if (type === full || type === first) parts = [];
    parts.push(bytes);
    if (type === full || type === last) yield Buffer.concat(parts);
    else if (type !== first && type !== middle) {
      throw new Error(`unknown fragment in ${name} at byte ${at}`);
    }
  }
}
