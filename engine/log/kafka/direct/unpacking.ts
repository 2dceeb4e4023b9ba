/**
 * Converts Kafka's record batches to packed batches, with or without the native helper.
 */

/** Maximal number of records per packed batch, because reads are limited by whole batches. */
export const recordsPerBatch = 8_192;

/**
 * Converts the committed records of the whole batches in `bytes` bytes, from offset `from` on, to
 * images of packed batches of at most `recordsPerBatch` records. Batches must be uncompressed, or
 * LZ4 if `readsLz4` is set.
 */
export type Unpack = (
  records: Buffer,
  bytes: number,
  from: number,
  aborted: readonly number[],
) => Promise<readonly ArrayBuffer[]>;
