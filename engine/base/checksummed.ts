/**
 * A value with a checksum: CRC-32C (4 bytes, big-endian), then the content. If the key is given,
 * the checksum covers it as well, because the database's iterators do not verify blocks, and a
 * damaged key would be another row.
 */
import { asBuffer, emptyBytes } from './bytes.ts';
import { crc32c } from './crc32c.ts';
import { type Scratch, written } from './scratch.ts';

const checksumBytes = 4;

export function checksummed(content: Uint8Array, key: Uint8Array = emptyBytes): Buffer {
  const value = Buffer.allocUnsafe(checksumBytes + content.byteLength);
  asBuffer(content).copy(value, checksumBytes);
  return withChecksum(value, key);
}

/** The same for the content that `write` writes. */
export function checksummedBy(write: (to: Scratch) => void): Buffer {
  const value = written((to) => {
    to.skip(checksumBytes);
    write(to);
  });
  return withChecksum(value, emptyBytes);
}

function withChecksum(value: Buffer, key: Uint8Array): Buffer {
  value.writeUInt32BE(checksum(value.subarray(checksumBytes), key), 0);
  return value;
}

function checksum(content: Uint8Array, key: Uint8Array): number {
  return key.byteLength === 0 ? crc32c(content) : crc32c(content, crc32c(key));
}

/** The content of such a value; undefined if its checksum is wrong. */
export function contentOf(value: Buffer, key: Uint8Array = emptyBytes): Buffer | undefined {
  if (value.byteLength < checksumBytes) return undefined;
  const content = value.subarray(checksumBytes);
  return checksum(content, key) === value.readUInt32BE(0) ? content : undefined;
}
