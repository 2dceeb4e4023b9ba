/** Where the fields of a record batch of Kafka's format 2 lie. */
export const recordBatchFields = {
  batchLengthAt: 8,
  formatAt: 16,
  checksumAt: 17,
  /** What the checksum is of: from here to the end. */
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
  /** What the length in a batch does not count. */
  beforeLength: 12,
} as const;
