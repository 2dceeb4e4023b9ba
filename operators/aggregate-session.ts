/**
 * Session windows `[first, last]`, both inclusive: records at most the gap apart. A record that
 * connects sessions merges them: each is withdrawn (null), then the merged one is emitted
 * (SEMANTICS B.4). A closed session is final and never grows.
 *
 * If time follows sources, a record's own stand decides whether it is late, and the record reaches
 * back only to records that its source has left open. A session is the union of its records'
 * reaches, so it is the same in whatever order the records of several sources come. If a session
 * reaches back less than a gap before its start, the timestamp column (which would equal its end)
 * stores its reach minus 1.
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

/** The withdrawals of the sessions that a record merges. */
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

/** The sessions [from, to) that a record connects. */
interface Reached {
  readonly from: number;
  readonly to: number;
  /**
   * True if the session at `from` consists of the record's instant only, and the record replaces
   * it.
   */
  readonly same: boolean;
  /** By source: how far back they reach together with the record, ms UTC. */
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
      // The replaced session starts and ends at the record, and changes neither bound.
      start = Math.min(start, startAt(cell, i) as number);
      end = Math.max(end, endAt(cell, i) as number);
    }
    if (!this.bySource && isClosed(this.#spec, end, streamTime)) {
      late();
      return [];
    }
    const withdrawn =
      this.#results && end > start ? withdrawnOf(accumulators, cell, from, to) : none;
    // A zero-length session hit again at the same instant keeps its key: report an update.
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
   * How far back a record reaches: a gap, but not to records that its source has closed. A result
   * after `at` means that the record is late.
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

  /** The sessions [from, to) that overlap [reach, at], and how far back they reach together. */
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
   * The sessions within the gap of `timestamp`, as indexes [from, to). As in Kafka Streams, a
   * session that ended a gap and a grace before the previous stream time is no longer found, an
   * instant before it is closed. A record at exactly its instant starts a session with the same
   * key, which replaces the one that was not found: then `same` is true, and that session is at
   * `from`.
   */
  #reached(cell: WindowCell<A>, timestamp: number, timeBefore: number): Reached {
    const { gapMs, graceMs } = this.#spec;
    const earliest = Math.max(timestamp - gapMs, timeBefore - gapMs - graceMs + 1);
    const to = indexOfStart(cell, timestamp + gapMs + 1);
    let from = to;
    while (from > 0 && (endAt(cell, from - 1) as number) >= earliest) from--;
    const before = from - 1;
    // Never index -1: V8 reads it as a named property, slowly, and deoptimises the access site.
    const same =
      from === to &&
      before >= 0 &&
      startAt(cell, before) === timestamp &&
      endAt(cell, before) === timestamp;
    return { from: same ? before : from, to, same, least: timestamp };
  }
}
