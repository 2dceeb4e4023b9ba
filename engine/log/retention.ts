/** Which records a clean-up keeps; pure, shared by the adapters. */
import { keyTextOf } from '../base/bytes.ts';
import type { TopicSettings } from '../graph/topic.ts';
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';

/**
 * Which batches at the front of a partition can be deleted: those whose newest record is older than
 * the retention, or those that every reader has consumed.
 */
export function expiry(
  { cleanup, retentionMs }: TopicSettings,
  nowMs: number,
  consumedBefore: number,
): (batch: PackedBatch) => boolean {
  if (cleanup === 'consumed') return (batch) => batch.nextOffset <= consumedBefore;
  if (retentionMs === undefined) return () => false;
  return (batch) => newestTimestamp(batch) < nowMs - retentionMs;
}

function newestTimestamp(batch: PackedBatch): number {
  let newest = Number.NEGATIVE_INFINITY;
  for (const timestamp of batch.timestamps) if (timestamp > newest) newest = timestamp;
  return newest;
}

/** Notes the last offset of every key of a batch. */
export function noteLastOffsets(batch: PackedBatch, last: Map<string, number>): void {
  for (let i = 0; i < batch.count; i++) {
    const key = batch.key(i);
    if (key !== null) last.set(keyTextOf(key), batch.offsets[i] as number);
  }
}

/**
 * The part of a batch that compaction keeps: the last record of each key, records without a key,
 * and always the last record of the partition, so that its end stays known. A key whose last record
 * is a tombstone is removed completely. Returns the batch itself if everything stays, undefined if
 * nothing does.
 */
export function compacted(
  batch: PackedBatch,
  last: ReadonlyMap<string, number>,
  end: number,
): PackedBatch | undefined {
  const builder = new BatchBuilder(batch.count);
  for (let i = 0; i < batch.count; i++) {
    const key = batch.key(i);
    const offset = batch.offsets[i] as number;
    const current = key === null || last.get(keyTextOf(key)) === offset;
    const alive = current && (key === null || batch.value(i) !== null);
    if (alive || offset === end - 1) builder.copy(batch, i);
  }
  if (builder.count === batch.count) return batch;
  return builder.count === 0 ? undefined : builder.finishAt(null);
}
