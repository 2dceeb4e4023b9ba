/** CRC-32C (Castagnoli), the checksum of every batch in the log. Adapter of @node-rs/crc32. */
import { asBuffer } from './bytes.ts';
import { onDemand } from './on-demand.ts';

const library = onDemand<typeof import('@node-rs/crc32')>('@node-rs/crc32');

/** @param before the checksum of what stands before `bytes` */
export function crc32c(bytes: Uint8Array, before?: number): number {
  return library().crc32c(asBuffer(bytes), before);
}
