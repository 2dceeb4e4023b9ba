/**
 * Fills in the fields of a record batch that the native helper leaves open (native/pack.cc):
 * producer, sequence, checksum.
 */
import { crc32c } from '../../../base/crc32c.ts';
import { recordBatchFields } from '../wire/record-batch-fields.ts';

const { producerAt, epochAt, sequenceAt, countAt, checksumAt, checkedFrom } = recordBatchFields;
/** Sequences wrap to 0 after the greatest. */
const sequences = 2 ** 31;

/** Converts a packed batch to record batches without producer fields. */
export type Pack = (image: ArrayBuffer) => Promise<readonly ArrayBuffer[]>;

export function recordsIn(batch: Buffer): number {
  return batch.readInt32BE(countAt);
}

/** Sets the producer of a batch and the sequence of its first record; returns the next sequence. */
export function fillIn(batch: Buffer, producer: number, epoch: number, sequence: number): number {
  batch.writeBigInt64BE(BigInt(producer), producerAt);
  batch.writeInt16BE(epoch, epochAt);
  batch.writeInt32BE(sequence, sequenceAt);
  batch.writeUInt32BE(crc32c(batch.subarray(checkedFrom)), checksumAt);
  return (sequence + recordsIn(batch)) % sequences;
}
