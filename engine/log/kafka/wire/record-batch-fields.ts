/** Offsets of the fields of a record batch in Kafka's format 2. */
export const recordBatchFields = {
  batchLengthAt: 8,
  formatAt: 16,
  checksumAt: 17,
  /** Start of the bytes that the checksum covers, up to the end. */
  checkedFrom: 21,
  attributesAt: 21,
  lastOffsetDeltaAt: 23,
  baseTimestampAt: 27,
  maxTimestampAt: 35,
  producerAt: 43,
  epochAt: 51,
  sequenceAt: 53,
  countAt: 57,
  headBytes: 61,
  /** Bytes before those that the batch's length counts. */
  beforeLength: 12,
} as const;
