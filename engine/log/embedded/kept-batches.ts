/**
 * Which batches a compacted partition has before the offset up to which it was compacted. There
 * offsets have gaps, so a batch that is missing does not show by itself.
 */
import type { PackedBatch } from '../../record/batch.ts';

export interface KeptBatches {
  /** Base offsets, ascending. */
  readonly bases: readonly number[];
}

export interface Stretch {
  /** The partition was compacted up to here; 0 when it never was. */
  readonly cleaned: number;
  /** Undefined of a compaction that kept no list, as in the format before. */
  readonly kept: KeptBatches | undefined;
}

/**
 * The first offset that is missing in batches which were read from `from` on, one after the other;
 * undefined when none is. A batch may begin before `from`.
 */
export function missingOffset(
  batches: readonly PackedBatch[],
  from: number,
  { cleaned, kept }: Stretch,
): number | undefined {
  let next = from;
  for (const batch of batches) {
    const { baseOffset } = batch;
    // Behind the compaction offsets have no gaps, and the last record before it is always kept.
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

/** The first batch that begins at an offset or after it. */
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
