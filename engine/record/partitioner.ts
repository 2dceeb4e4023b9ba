/** Key -> partition, as Kafka's default partitioner: murmur2 of the key's bytes. */
import { murmur2 } from '../base/murmur2.ts';

/**
 * Partition of a key. A null key goes to partition 0, so that a replay gives the same result.
 * @param length length of the key at the start of `keyBytes`; default: all bytes
 */
export function partitionOf(
  keyBytes: Uint8Array | null,
  partitions: number,
  length?: number,
): number {
  if (keyBytes === null || partitions === 1) return 0;
  return (murmur2(keyBytes, length) & 0x7fffffff) % partitions;
}
