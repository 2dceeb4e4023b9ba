/**
 * The batches of a compacted partition before the offset of the compaction. Offsets have gaps
 * there, so a missing batch could not be detected otherwise.
 */
import type { PackedBatch } from '../../record/batch.ts';

export interface KeptBatches {
  /** Base offsets, ascending. */
  readonly bases: readonly number[];
}

export interface Stretch {
  /** The partition was compacted up to this offset; 0 if never. */
  readonly cleaned: number;
  /** Undefined after a compaction without a list, as in the earlier format. */
  readonly kept: KeptBatches | undefined;
}

/**
 * The first missing offset in consecutive batches that were read from `from` on; undefined if none
 * is missing. A batch may begin before `from`.
 */
export function missingOffset(
  batches: readonly PackedBatch[],
  from: number,
  { cleaned, kept }: Stretch,
): number | undefined {
  let next = from;
  for (const batch of batches) {
    const { baseOffset } = batch;
    // After the compaction, offsets have no gaps, and the last record before it is always kept.
    if (baseOffset > next) {
      if (next >= cleaned) return next;
      if (baseOffset >= cleaned) return firstFrom(kept, next) ?? cleaned - 1;
      const lost = firstFrom(kept, next);
      if (lost !== undefined && lost < baseOffset) return lost;
    }
    next = batch.nextOffset;
  }
  return undefined;
}

/** The first batch that begins at or after an offset. */
function firstFrom(kept: KeptBatches | undefined, offset: number): number | undefined {
  const { bases = [] } = kept ?? {};
  let [low, high] = [0, bases.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bases[middle] as number) < offset) low = middle + 1;
    else high = middle;
  }
  return bases[low];
}
