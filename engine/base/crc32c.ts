/** CRC-32C (Castagnoli), the checksum of every batch in the log. Adapter of @node-rs/crc32. */
import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import { asBuffer } from './bytes.ts';

/** @param before the checksum of what stands before `bytes` */
export function crc32c(bytes: Uint8Array, before?: number): number {
  return nativeCrc32c(asBuffer(bytes), before);
}
