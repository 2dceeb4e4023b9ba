/**
 * What is made of Kafka's record batches: packed batches of ours, by the native helper or without
 * it.
 */

/**
 * So many records of a partition come in one batch, at most: what is read of it is limited in
 * batches.
 */
export const recordsPerBatch = 8_192;

/**
 * The committed records of the whole batches in `bytes` bytes, from offset `from` on, as images of
 * packed batches of at most `recordsPerBatch` records. Batches are not compressed, or by LZ4 where
 * `readsLz4` says so.
 */
export type Unpack = (
  records: Buffer,
  bytes: number,
  from: number,
  aborted: readonly number[],
) => Promise<readonly ArrayBuffer[]>;
