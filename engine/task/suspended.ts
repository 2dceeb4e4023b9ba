/** Records that a step has kept, to go on with them later in the same run. */
import type { PackedBatch } from '../record/batch.ts';
import type { SourcePlace } from '../record/marks.ts';

/** Where the record at hand lies: a queue, or what was kept of it. */
export interface RecordPlace {
  readonly topic: string;
  /** Its offset + 1. */
  readonly position: number;
  readonly batch: PackedBatch | undefined;
  readonly index: number;
  /** Bytes before the headers of a record of the batch that are not the author's. */
  markLength(index: number): number;
}

/** The place when the queue has gone on. */
export function keptPlace(at: RecordPlace): RecordPlace {
  const { topic, position, batch, index } = at;
  const length = at.markLength(index);
  return { topic, position, batch, index, markLength: () => length };
}

/** A record that a step has kept to go on with it later. */
export interface Suspended {
  readonly place: RecordPlace | undefined;
  /** False of what time let go while the record was processed. */
  readonly isRecord: boolean;
  readonly keyText: string;
  readonly own: boolean;
  readonly headers: Uint8Array | undefined;
  readonly timestamp: number;
  /** How far its source stood, and where it was read first. */
  readonly stand: number;
  readonly source: SourcePlace | undefined;
  /** Worst thing that has happened to it. */
  outcome: number;
  readonly unit: SuspendedUnit;
}

/** What suspended work knows of the unit that it is part of. */
export interface SuspendedUnit {
  /** It has left traces that only a repetition of the cycle takes back. */
  touched: boolean;
  /** It is refused already; what else was suspended of it has no effect. */
  failed: boolean;
}
