/**
 * Session windows `[first, last]`, both inclusive: records no more than the gap apart. A record
 * that joins sessions takes them in: each of them is withdrawn (null), the grown one follows
 * (SEMANTICS B.4). A closed session is final: nothing grows from it any more.
 *
 * By source, a record alone decides whether it is late, and it reaches back no further than to
 * records that its source has left open. A session is the union of what its records reach; then it
 * is the same in whatever order the records of several sources come. Where a session reaches less
 * far than a gap before its start, the place of the timestamp, which is its end, holds how far it
 * reaches, less 1.
 */
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { closesAt, isClosed } from '../engine/time/closed.ts';
import type { SessionWindow } from '../engine/time/windows/window-spec.ts';
import type { Accumulators } from './accumulators.ts';
import type { Closed } from './closing.ts';
import { present } from './present.ts';
import {
  endAt,
  indexOfStart,
  removeWindows,
  setTimes,
  startAt,
  timestampAt,
  type WindowCell,
  windowsOf,
} from './window-cell.ts';
import {
  cutStore,
  emptyWholeCell,
  type PartedCell,
  removeFirst,
  touch,
  windowsAPart,
} from './window-parts.ts';
import type { UpdatesWanted, WindowFamily, WindowUpdate } from './windowed-step.ts';

const none: never[] = [];

/** The sessions that a record takes in, as what they are no more. */
function withdrawnOf<A>(
  accumulators: Accumulators<never, A>,
  cell: WindowCell<A>,
  from: number,
  to: number,
): WindowUpdate<A>[] {
  const withdrawn: WindowUpdate<A>[] = [];
  for (let i = from; i < to; i++) {
    const [start, end] = [startAt(cell, i) as number, endAt(cell, i) as number];
    const old = accumulators.valueAt(cell, i);
    withdrawn.push({ start, end, value: null, timestamp: end, old });
  }
  return withdrawn;
}

/** Sessions [from, to) that a record joins. */
interface Reached {
  readonly from: number;
  readonly to: number;
  /**
   * The one at `from` has the record's very instant as its whole, and the record takes its place.
   */
  readonly same: boolean;
  /** By source: how far back they reach, with the record, ms UTC. */
  readonly least: number;
}

export class SessionWindows<K, V, A> implements WindowFamily<K, V, A, PartedCell<A>> {
  readonly store: StoreSpec<K, PartedCell<A>>;
  readonly order = (a: Closed<A>, b: Closed<A>) => a.end - b.end || a.start - b.start;
  bySource = false;
  readonly #spec: SessionWindow;
  readonly #accumulators: Accumulators<V, A>;
  /** Some step reads what became of the sessions at each record. */
  readonly #results: boolean;
  readonly #partMs: number;

  constructor(
    name: string,
    spec: SessionWindow,
    accumulators: Accumulators<V, A>,
    key: Serde<K>,
    wanted: UpdatesWanted,
  ) {
    this.#spec = spec;
    this.#accumulators = accumulators;
    this.#results = wanted !== 'nothing';
    this.#partMs = windowsAPart * (spec.gapMs + 1);
    this.store = cutStore(this.#partMs, {
      name,
      kind: 'session',
      key,
      accumulators,
      due: (cell) =>
        windowsOf(cell) === 0 ? Number.POSITIVE_INFINITY : closesAt(spec, endAt(cell, 0) as number),
      rows: function* (cell, k) {
        for (let i = 0; i < windowsOf(cell); i++) {
          const [start, end] = [startAt(cell, i) as number, endAt(cell, i) as number];
          const value = accumulators.valueAt(cell, i);
          if (present(value)) yield { key: k, value, window: { start, end }, timestamp: end };
        }
      },
    });
  }

  emptyCell(): PartedCell<A> {
    return emptyWholeCell(this.#accumulators.width);
  }

  update(
    cells: Cells<PartedCell<A>>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
  ): WindowUpdate<A>[] {
    const cell = cells.get() ?? this.emptyCell();
    const accumulators = this.#accumulators;
    const reach = this.bySource ? this.#reach(timestamp, streamTime) : timestamp;
    if (reach > timestamp) {
      late();
      return [];
    }
    const { from, to, same, least } = this.bySource
      ? this.#overlapping(cell, reach, timestamp)
      : this.#reached(cell, timestamp, timeBefore);
    let start = timestamp;
    let end = timestamp;
    for (let i = from; i < to; i++) {
      // One of the same name begins and ends at the record, and changes neither.
      start = Math.min(start, startAt(cell, i) as number);
      end = Math.max(end, endAt(cell, i) as number);
    }
    if (!this.bySource && isClosed(this.#spec, end, streamTime)) {
      late();
      return [];
    }
    const withdrawn =
      this.#results && end > start ? withdrawnOf(accumulators, cell, from, to) : none;
    // A session of one instant that stays one is no other session: it changes as any window does.
    const stays = this.#results && end === start && to > from;
    const isUpdate = stays || (this.#results && same);
    const old = isUpdate ? accumulators.valueAt(cell, from) : undefined;
    for (let i = from; cell.inParts && i < to; i++) {
      touch(cell, startAt(cell, i) as number, this.#partMs);
    }
    touch(cell, start, this.#partMs);
    if (same) removeWindows(cell, from, 1);
    if (from === to || same) accumulators.begin(cell, from, start, end, value, timestamp);
    else {
      accumulators.join(cell, from, to, value, timestamp);
      setTimes(cell, from, start, end, end);
    }
    if (this.bySource && least > start - this.#spec.gapMs) {
      setTimes(cell, from, start, end, least - 1);
    }
    cells.put(cell);
    if (!this.#results) return none;
    const grown = accumulators.valueAt(cell, from);
    return [...withdrawn, { start, end, value: grown, timestamp: end, old }];
  }

  takeClosed(cells: Cells<PartedCell<A>>, streamTime: number): Closed<A>[] {
    const cell = cells.get();
    if (cell === undefined) return [];
    const closed: Closed<A>[] = [];
    for (let i = 0; i < windowsOf(cell); i++) {
      const end = endAt(cell, i) as number;
      if (!isClosed(this.#spec, end, streamTime)) break;
      const value = this.#accumulators.valueAt(cell, i);
      closed.push({ start: startAt(cell, i) as number, end, value, timestamp: end });
    }
    removeFirst(cell, closed.length, this.#partMs);
    if (windowsOf(cell) === 0) cells.remove();
    else cells.put(cell);
    return closed;
  }

  /**
   * How far back a record reaches: a gap, and no record that its source has closed. After `at`: it
   * is late itself.
   */
  #reach(at: number, judged: number): number {
    const { gapMs, graceMs } = this.#spec;
    return Math.max(at - gapMs, judged - gapMs - graceMs);
  }

  #reachOf(cell: WindowCell<A>, i: number): number {
    const [start, end] = [startAt(cell, i) as number, endAt(cell, i) as number];
    const kept = timestampAt(cell, i) as number;
    return kept === end ? start - this.#spec.gapMs : kept + 1;
  }

  /**
   * The sessions [from, to) that have a part of [reach, at], and how far back they reach together.
   */
  #overlapping(cell: WindowCell<A>, reach: number, at: number): Reached {
    let from = windowsOf(cell);
    let to = 0;
    let least = reach;
    for (let i = windowsOf(cell) - 1; i >= 0; i--) {
      if ((endAt(cell, i) as number) < reach) break;
      if (this.#reachOf(cell, i) > at) continue;
      from = i;
      to = Math.max(to, i + 1);
      least = Math.min(least, this.#reachOf(cell, i));
    }
    if (to > 0) return { from, to, same: false, least };
    const i = indexOfStart(cell, at);
    return { from: i, to: i, same: false, least };
  }

  /**
   * The sessions within the gap of `timestamp`, as indexes [from, to). As in Kafka Streams, one
   * that ended a gap and a grace before the last record's stream time is not found any more, an
   * instant before it is closed. A record of that very instant begins a session of the same name,
   * which takes the place of the one that was not found: `same`, and that is the one at `from`.
   */
  #reached(cell: WindowCell<A>, timestamp: number, timeBefore: number): Reached {
    const { gapMs, graceMs } = this.#spec;
    const earliest = Math.max(timestamp - gapMs, timeBefore - gapMs - graceMs + 1);
    const to = indexOfStart(cell, timestamp + gapMs + 1);
    let from = to;
    while (from > 0 && (endAt(cell, from - 1) as number) >= earliest) from--;
    const before = from - 1;
    // Not below 0: V8 reads an array at -1 as a property by name, slowly, and from then on
    // everywhere.
    const same =
      from === to &&
      before >= 0 &&
      startAt(cell, before) === timestamp &&
      endAt(cell, before) === timestamp;
    return { from: same ? before : from, to, same, least: timestamp };
  }
}
