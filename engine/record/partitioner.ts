/** Key -> partition, as Kafka's default partitioner: murmur2 of the key's bytes. */
import { murmur2 } from '../base/murmur2.ts';

/**
 * Partition of a key; a null key goes to partition 0, so that a replay is the same.
 * @param length of the key, which `keyBytes` begins with; all of them when absent
 */
export function partitionOf(
  keyBytes: Uint8Array | null,
  partitions: number,
  length?: number,
): number {
  if (keyBytes === null || partitions === 1) return 0;
  return (murmur2(keyBytes, length) & 0x7fffffff) % partitions;
}
