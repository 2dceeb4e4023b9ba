/** Common parts of the adapters' partition reads: bounds, merging, cutting. */
import { MillraceError } from '../base/errors.ts';
import { BatchBuilder, PackedBatch } from '../record/batch.ts';
import type { ReadLimits, TopicPartition } from './log.ts';

export function checkOffset(at: TopicPartition, offset: number, start: number, end: number): void {
  if (offset >= start && offset <= end) return;
  throw new MillraceError('OFFSET_OUT_OF_RANGE', { ...at, offset, start, end });
}

/**
 * The records from `from` on of consecutive stored batches, as one batch within the limits. A
 * stored batch that is used whole is returned without a copy.
 */
export function mergeBatches(
  stored: readonly PackedBatch[],
  from: number,
  limits: ReadLimits,
): PackedBatch | undefined {
  const [first] = stored;
  if (
    stored.length === 1 &&
    first !== undefined &&
    first.baseOffset >= from &&
    first.count <= limits.records
  ) {
    return first;
  }
  const builder = new BatchBuilder(Math.min(limits.records, 1024));
  for (const batch of stored) {
    for (let i = 0; i < batch.count; i++) {
      if ((batch.offsets[i] as number) < from) continue;
      if (builder.count >= limits.records) return builder.finishAt(null);
      if (builder.count > 0 && limits.bytes !== undefined && builder.byteLength >= limits.bytes) {
        return builder.finishAt(null);
      }
      builder.copy(batch, i);
    }
  }
  return builder.count === 0 ? undefined : builder.finishAt(null);
}

/** A copy of a batch, so that the reader may transfer it. */
export function copyBatch(batch: PackedBatch): PackedBatch {
  return new PackedBatch(batch.image.slice(0));
}
