/**
 * Work that waits for outside services. A step suspends the current unit and continues with it
 * later in the same run, when its call has completed, in a frame like the original one.
 */
import type { Resume } from '../graph/processor.ts';
import type { TaskState } from '../state/task-state.ts';
import type { AtHand } from './at-hand.ts';
import type { Place } from './chain-task.ts';
import { countOutcome } from './counters.ts';
import { keptPlace, type Suspended } from './suspended.ts';
import type { Units } from './units.ts';

export class Suspension {
  readonly #hand: AtHand;
  readonly #units: Units;
  readonly #state: TaskState;

  constructor(hand: AtHand, units: Units, state: TaskState) {
    this.#hand = hand;
    this.#units = units;
    this.#state = state;
  }

  /** Suspends the current unit; call the result to continue. @param place the step that suspends */
  suspend(place: Place): Resume {
    const kept = this.#keep();
    return (body) => this.#resume(kept, place, body);
  }

  /**
   * Keeps a record once, however many steps suspend it; work of timers and `enter` is kept each
   * time.
   */
  #keep(): Suspended {
    const hand = this.#hand;
    const { frame } = hand;
    const isRecord = frame.record !== undefined && !frame.isApart;
    if (isRecord && frame.suspended !== undefined) return frame.suspended;
    frame.unit ??= { touched: false, failed: false };
    const kept: Suspended = {
      place: frame.record && keptPlace(frame.record),
      source: frame.place,
      stand: frame.stand,
      isRecord,
      keyText: hand.keyText,
      own: frame.ownsHeaders,
      headers: frame.headers,
      timestamp: frame.timestamp,
      outcome: frame.outcome,
      unit: frame.unit,
    };
    if (isRecord) frame.suspended = kept;
    return kept;
  }

  #resume(kept: Suspended, place: Place, body: () => void): void {
    const hand = this.#hand;
    const units = this.#units;
    const { unit, isRecord } = kept;
    if (unit.failed || hand.frame.failure !== undefined) return;
    const { counters } = units;
    const { outcome } = kept;
    const { touches } = this.#state;
    // A careful task ends and counts the record when all its parts are done.
    const endsLater = units.undo !== undefined && isRecord;
    const undone = units.begin();
    const frame = this.#frameOf(kept);
    const outer = hand.enter(frame, kept.keyText);
    try {
      try {
        body();
      } catch (error) {
        units.note(error, place);
      }
      if (endsLater) {
        units.keep(undone);
        outer.failure = frame.failure;
      }
      // Its changes before the suspension count as well.
      else if (units.end(unit.touched ? -1 : touches, undone)) unit.failed = true;
      unit.touched ||= this.#state.touches !== touches;
    } finally {
      hand.leave(outer);
      if (isRecord && !endsLater && frame.outcome !== outcome) {
        countOutcome(counters, outcome, -1);
        countOutcome(counters, frame.outcome, 1);
      }
      kept.outcome = frame.outcome;
    }
  }

  #frameOf(kept: Suspended) {
    const frame = this.#hand.inner();
    frame.record = kept.place;
    frame.place = kept.source;
    frame.stand = kept.stand;
    frame.timestamp = kept.timestamp;
    frame.outcome = kept.outcome;
    frame.counted = frame;
    frame.ownsHeaders = kept.own;
    frame.headers = kept.headers;
    frame.isApart = !kept.isRecord;
    frame.unit = kept.unit;
    frame.suspended = kept.isRecord ? kept : undefined;
    return frame;
  }
}
