/** Records that a step has suspended, to continue with them later in the same run. */
import type { PackedBatch } from '../record/batch.ts';
import type { SourcePlace } from '../record/marks.ts';

/** The place of the current record: a queue, or its suspended copy. */
export interface RecordPlace {
  readonly topic: string;
  /** Its offset + 1. */
  readonly position: number;
  readonly batch: PackedBatch | undefined;
  readonly index: number;
  /** Length of the marks before the author's headers of a record. */
  markLength(index: number): number;
}

/** A copy of the place that stays valid when the queue moves on. */
export function keptPlace(at: RecordPlace): RecordPlace {
  const { topic, position, batch, index } = at;
  const length = at.markLength(index);
  return { topic, position, batch, index, markLength: () => length };
}

/** A suspended record. */
export interface Suspended {
  readonly place: RecordPlace | undefined;
  /** False for a result that time released while the record was processed. */
  readonly isRecord: boolean;
  readonly keyText: string;
  readonly own: boolean;
  readonly headers: Uint8Array | undefined;
  readonly timestamp: number;
  /** Its stand, and where it was first read. */
  readonly stand: number;
  readonly source: SourcePlace | undefined;
  /** Worst outcome so far. */
  outcome: number;
  readonly unit: SuspendedUnit;
}

/** The unit of work, as its suspended parts share it. */
export interface SuspendedUnit {
  /** The unit has made changes that only a repetition of the cycle undoes. */
  touched: boolean;
  /** The unit was refused; its other suspended parts have no effect. */
  failed: boolean;
}
