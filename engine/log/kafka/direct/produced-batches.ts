/**
 * Fills in what the native helper leaves open of a record batch (native/pack.cc): whose it is, its
 * sequence, its checksum.
 */
import { crc32c } from '../../../base/crc32c.ts';
import { recordBatchFields } from '../wire/record-batch-fields.ts';

const { producerAt, epochAt, sequenceAt, countAt, checksumAt, checkedFrom } = recordBatchFields;
/** Sequences go on at 0 behind the greatest. */
const sequences = 2 ** 31;

/** The records of a packed batch as record batches, whose producer is not filled in. */
export type Pack = (image: ArrayBuffer) => Promise<readonly ArrayBuffer[]>;

export function recordsIn(batch: Buffer): number {
  return batch.readInt32BE(countAt);
}

/**
 * Makes a batch the producer's own, with the sequence of its first record; answers the next one.
 */
export function fillIn(batch: Buffer, producer: number, epoch: number, sequence: number): number {
  batch.writeBigInt64BE(BigInt(producer), producerAt);
  batch.writeInt16BE(epoch, epochAt);
  batch.writeInt32BE(sequence, sequenceAt);
  batch.writeUInt32BE(crc32c(batch.subarray(checkedFrom)), checksumAt);
  return (sequence + recordsIn(batch)) % sequences;
}
