/** Records that a step has kept, to go on with them later in the same run. */
import type { PackedBatch } from '../record/batch.ts';

/** Where the record at hand lies: a queue, or what was kept of it. */
export interface RecordPlace {
  readonly topic: string;
  /** Its offset + 1. */
  readonly position: number;
  readonly batch: PackedBatch | undefined;
  readonly index: number;
}

/** A record that a step has kept to go on with it later. */
export interface Suspended {
  readonly place: RecordPlace | undefined;
  /** False of what time let go while the record was processed. */
  readonly isRecord: boolean;
  readonly keyId: string;
  readonly own: boolean;
  readonly headers: Uint8Array | undefined;
  readonly timestamp: number;
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
