/**
 * A value with its checksum before it: CRC-32C (4 bytes, big-endian), then the content. Given the key under
 * which it is stored, the checksum covers that too: the database's iterators do not verify blocks, and a
 * key that has changed would be another row.
 */
import { asBuffer, emptyBytes } from './bytes.ts';
import { crc32c } from './crc32c.ts';

export function sealed(content: Uint8Array, key: Uint8Array = emptyBytes): Buffer {
  const value = Buffer.allocUnsafe(4 + content.byteLength);
  asBuffer(content).copy(value, 4);
  value.writeUInt32BE(crc32c(content, crc32c(key)), 0);
  return value;
}

/** The content of a sealed value; undefined when its checksum is wrong. */
export function unsealed(value: Buffer, key: Uint8Array = emptyBytes): Buffer | undefined {
  if (value.byteLength < 4) return undefined;
  const content = value.subarray(4);
  return crc32c(content, crc32c(key)) === value.readUInt32BE(0) ? content : undefined;
}
