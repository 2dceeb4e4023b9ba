/**
 * murmur2 as Kafka's Java client computes it (org.apache.kafka.common.utils.Utils.murmur2), so that
 * a key has the same partition for every producer. Signed 32-bit result.
 * @param length length of the key at the start of `bytes`
 */
export function murmur2(bytes: Uint8Array, length = bytes.length): number {
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const words = length >> 2;
  for (let i = 0; i < words; i++) {
    const at = i << 2;
    let k =
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
  }
  const tail = words << 2;
  const left = length & 3;
  if (left === 3) h ^= (bytes[tail + 2] as number) << 16;
  if (left >= 2) h ^= (bytes[tail + 1] as number) << 8;
  if (left >= 1) {
    h ^= bytes[tail] as number;
    h = Math.imul(h, m);
  }
  h ^= h >>> 13;
  h = Math.imul(h, m);
  h ^= h >>> 15;
  return h | 0;
}
