/** A value with its checksum before it: CRC-32C (4 bytes, big-endian), then the content. */
import { asBuffer } from './bytes.ts';
import { crc32c } from './crc32c.ts';

export function sealed(content: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(4 + content.byteLength);
  asBuffer(content).copy(value, 4);
  value.writeUInt32BE(crc32c(content), 0);
  return value;
}

/** The content of a sealed value; undefined when its checksum is wrong. */
export function unsealed(value: Buffer): Buffer | undefined {
  if (value.byteLength < 4) return undefined;
  const content = value.subarray(4);
  return crc32c(content) === value.readUInt32BE(0) ? content : undefined;
}
