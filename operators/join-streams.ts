/**
 * Join of two streams by key and event time (SEMANTICS B.7). Records of both sides are kept as long
 * as they can still match; every pair is emitted, with the greater timestamp.
 *
 * In a left or outer join, an unmatched record waits. It is emitted with its own timestamp when
 * stream time has passed the last instant at which a match could have come, plus grace. Such
 * records are ordered by (time, right before left, key), before the results of the record that
 * advanced time. A record that comes after its wait would be over is emitted at once.
 *
 * If time follows sources, a pair exists if the times match and neither record's wait was over at
 * the stand of the other, whichever comes first. The stand of the pair is the later of both. An
 * unmatched record keeps its own stand: steps behind the join are later by the time that it may
 * wait.
 */

import { emptyBytes } from '../engine/base/bytes.ts';
import {
  aFunction,
  anObject,
  checkSetting,
  checkSettings,
  flag,
  ms,
  optional,
} from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { changed, kept } from './entry-list.ts';
import {
  columnOf,
  headersAt,
  type JoinCell,
  type JoinStore,
  joinStore,
  left,
  openAt,
  retentionMs,
  right,
  type SideIndex,
  type StreamJoinOptions,
  type StreamJoinSettings,
  standAt,
  valueAt,
  waitMs,
} from './join-streams-store.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { byKeyText } from './kit/order.ts';

/** @throws CONFIG_INVALID for an invalid window or settings */
export function checkStreamJoin(
  { name, window, joiner }: StreamJoinOptions,
  settings: StreamJoinSettings,
): void {
  checkSetting(`${name}.joiner`, joiner, aFunction);
  // joinWindow() checks its own result; this one may be a hand-written object.
  checkSetting(`${name}.window`, window, anObject);
  checkSettings(`${name}.window`, window, { beforeMs: ms(0), afterMs: ms(0), graceMs: ms(0) });
  checkSettings(name, settings, { asKafkaStreams: optional(flag) });
}

export function streamJoinStep(options: StreamJoinOptions): Step {
  const { name, kind, window } = options;
  const { store, newCell } = joinStore(options);
  return {
    kind: 'join-streams',
    name,
    nulls: true,
    detail: { join: kind, ...window },
    stores: [store],
    heldMs: heldMs(options),
    build: (context) => {
      const join = new StreamJoin(options, { store, newCell }, context);
      context.onTime(join);
      return [left, right].map((side) => ({
        receive: (key, value, timestamp) => join.receive(side as SideIndex, key, value, timestamp),
      }));
    },
  };
}

/** Longest wait of a record that is then emitted unmatched, ms of event time. */
function heldMs({ kind, window, asKafkaStreams }: StreamJoinOptions): number {
  if (kind === 'inner' || asKafkaStreams === true) return 0;
  return Math.max(waitMs(window, left), kind === 'outer' ? waitMs(window, right) : 0);
}

interface Waiting {
  readonly keyText: string;
  readonly side: SideIndex;
  readonly time: number;
  readonly value: unknown;
  readonly headers: Uint8Array;
  readonly stand: number;
}

/** A match of the current record, and then the joined result. */
interface Result {
  value: unknown;
  timestamp: number;
  stand: number;
}

type Order = Pick<Waiting, 'keyText' | 'side' | 'time'>;

class StreamJoin implements TimedStep {
  readonly #options: StreamJoinOptions;
  readonly #store: StoreSpec<unknown, JoinCell>;
  readonly #newCell: () => JoinCell;
  readonly #context: BuildContext;
  readonly #cells: Cells<JoinCell>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #retentionMs: number;

  constructor(options: StreamJoinOptions, { store, newCell }: JoinStore, context: BuildContext) {
    this.#options = options;
    this.#store = store;
    this.#newCell = newCell;
    this.#context = context;
    this.#cells = context.cells<JoinCell>(store);
    const bySource = context.task.bySource && options.asKafkaStreams !== true;
    this.#time = new OperatorTime(this.#cells, context.task, bySource);
    this.#next = context.output(0);
    this.#retentionMs = retentionMs(options);
  }

  receive(side: SideIndex, key: unknown, value: unknown, timestamp: number): void {
    const streamTime = this.#time.advance(timestamp);
    if (value === null || value === undefined) {
      this.#context.task.drop(this.#options.name, 'null_value');
      return;
    }
    if (key === null) {
      // A record without a key has no match, so it does not wait (KIP-962).
      if (this.#waits(side)) this.#forward(key, this.#alone(side, value, key), timestamp);
      else this.#context.task.drop(this.#options.name, 'null_key');
      return;
    }
    if (timestamp === streamTime && !this.#time.bySource) {
      if (this.#options.asKafkaStreams === true && this.#options.kind !== 'inner') {
        this.#releaseSeldom(side, streamTime);
      } else this.#release(streamTime);
    }
    this.#join(side, key, value, timestamp, streamTime);
  }

  nextDue(): number {
    return this.#cells.nextDue();
  }

  pass(until: number): void {
    this.#release(this.#time.pass(until));
  }

  end(): void {
    this.#release(Number.MAX_VALUE);
  }

  #join(
    side: SideIndex,
    key: unknown,
    value: unknown,
    timestamp: number,
    streamTime: number,
  ): void {
    const { bySource, now } = this.#time;
    const stand = bySource ? Math.max(streamTime, timestamp) : timestamp;
    const cell = this.#cells.get() ?? this.#newCell();
    const results = this.#partners(cell, side, timestamp, streamTime);
    const { joiner } = this.#options;
    for (const one of results) {
      const other = one.value;
      one.value = side === left ? joiner(value, other, key) : joiner(other, value, key);
      one.timestamp = Math.max(timestamp, one.timestamp);
      one.stand = Math.max(streamTime, one.stand);
    }
    const lonely = results.length === 0 && this.#waits(side);
    const over = timestamp + this.#patienceMs(side) < (bySource ? now : streamTime);
    if (lonely && timestamp < this.#soonest) this.#cells.setNumber('soonest', timestamp);
    if (lonely && over) results.push({ value: this.#alone(side, value, key), timestamp, stand });
    this.#noteSideTime(side, timestamp);
    const waits = lonely && !over;
    const headers = waits ? this.#context.task.headerBytes() : emptyBytes;
    cell.sides[side].insert(timestamp, waits ? 1 : 0, value, headers, stand);
    this.#keep(cell, bySource ? now : streamTime);
    const { task } = this.#context;
    const own = task.stand;
    for (const result of results) {
      if (bySource) task.stand = result.stand;
      this.#forward(key, result.value, result.timestamp);
    }
    task.stand = own;
  }

  /** The other side's records within the window, which now have a match. */
  #partners(cell: JoinCell, side: SideIndex, timestamp: number, streamTime: number): Result[] {
    const { beforeMs, afterMs } = this.#options.window;
    const other = side === left ? right : left;
    const from = timestamp - (side === left ? beforeMs : afterMs);
    const to = timestamp + (side === left ? afterMs : beforeMs);
    const { bySource } = this.#time;
    // If time follows sources: the wait of older records was over at this record's stand.
    const oldest = bySource
      ? streamTime - waitMs(this.#options.window, other) - 1
      : this.#sideTime(other) - this.#retentionMs;
    const waitsTo = timestamp + waitMs(this.#options.window, side);
    const partners: Result[] = [];
    cell.sides[other].scan(from, to, ({ keys, columns }, i) => {
      const time = keys[i] as number;
      const stand = columnOf(columns, standAt)[i] as number;
      if (time <= oldest || (bySource && stand > waitsTo)) return kept;
      partners.push({ value: columnOf(columns, valueAt)[i], timestamp: time, stand });
      const open = columnOf(columns, openAt);
      if (open[i] === 0) return kept;
      open[i] = 0;
      columnOf(columns, headersAt)[i] = emptyBytes;
      return changed;
    });
    return partners;
  }

  /**
   * Releases like Kafka Streams: it scans only when stream time has passed a lower bound of the
   * waiting records' times, and sets that bound to the time of the last scanned record, not of the
   * first that still waits. So some records wait longer than necessary.
   */
  #releaseSeldom(side: SideIndex, streamTime: number): void {
    const { window } = this.#options;
    const lookBack = side === left ? window.afterMs : window.beforeMs;
    if (this.#soonest >= streamTime - lookBack - window.graceMs) return;
    const all: Order[] = [];
    for (const keyText of this.#cells.dueKeys(Number.MAX_VALUE)) {
      this.#context.task.enterUndecoded(keyText, () => {
        const cell = this.#cells.get();
        for (const index of cell === undefined ? [] : [left, right]) {
          for (const { keys, columns, i } of (cell as JoinCell).sides[index].all()) {
            if (columns[openAt]?.[i] === 1) {
              all.push({ keyText, side: index, time: keys[i] as number });
            }
          }
        }
      });
    }
    let soonest = Number.POSITIVE_INFINITY;
    const stillOpen = [false, false];
    for (const { side: index, time } of all.sort(byTimeSideKey)) {
      soonest = time;
      if (stillOpen[left] && stillOpen[right]) break;
      if (time + waitMs(window, index) >= streamTime) stillOpen[index] = true;
    }
    this.#cells.setNumber('soonest', soonest);
    this.#release(streamTime);
  }

  /** Emits the unmatched records whose wait is over. */
  #release(streamTime: number): void {
    if (this.#cells.nextDue() > streamTime) return;
    if (streamTime < Number.MAX_VALUE) this.#time.keep();
    const waiting: Waiting[] = [];
    for (const keyText of this.#cells.dueKeys(streamTime)) {
      this.#context.task.enterUndecoded(keyText, () => {
        const cell = this.#cells.get();
        if (cell === undefined) return;
        for (const side of [left, right]) this.#collect(cell, side, keyText, streamTime, waiting);
        this.#keep(cell, streamTime);
      });
    }
    const { task } = this.#context;
    const { bySource } = this.#time;
    const own = task.stand;
    const wait = (side: SideIndex) => waitMs(this.#options.window, side);
    const order = bySource
      ? (a: Waiting, b: Waiting) =>
          a.time + wait(a.side) - b.time - wait(b.side) || byTimeSideKey(a, b)
      : byTimeSideKey;
    for (const { keyText, side, time, value, headers, stand } of waiting.sort(order)) {
      if (bySource) task.stand = stand;
      task.enter(keyText, this.#store, (key) => {
        const alone = this.#alone(side, value, key);
        task.withHeaders(headers, () => this.#forward(key, alone, time));
      });
    }
    task.stand = own;
  }

  #collect(
    cell: JoinCell,
    side: SideIndex,
    keyText: string,
    streamTime: number,
    waiting: Waiting[],
  ): void {
    const wait = waitMs(this.#options.window, side);
    cell.sides[side].scanWaking(streamTime - wait - 1, ({ keys, columns }, i) => {
      const time = keys[i] as number;
      const open = columnOf(columns, openAt);
      if (open[i] === 0 || time + wait >= streamTime) return kept;
      open[i] = 0;
      const values = columnOf(columns, valueAt);
      const headers = columnOf(columns, headersAt);
      waiting.push({
        ...{ keyText, side, time, value: values[i], headers: headers[i] as Uint8Array },
        stand: columnOf(columns, standAt)[i] as number,
      });
      headers[i] = emptyBytes;
      return changed;
    });
  }

  /** Stores a cell without records that can no longer match. */
  #keep(cell: JoinCell, streamTime: number): void {
    let newest = Number.NEGATIVE_INFINITY;
    for (const index of [left, right]) {
      const side = cell.sides[index];
      const oldest = this.#time.bySource
        ? streamTime - waitMs(this.#options.window, index) - 1
        : this.#sideTime(index) - this.#retentionMs;
      // Drop many at once, because each drop moves the rest.
      side.dropFirst(oldest, forgottenAtOnce);
      newest = Math.max(newest, side.lastKey ?? Number.NEGATIVE_INFINITY);
    }
    if (newest === Number.NEGATIVE_INFINITY) {
      this.#cells.remove();
      return;
    }
    // A side's own time may lag behind; then the cell is checked again later.
    cell.checkAt = Math.max(newest, streamTime) + this.#retentionMs + 1;
    this.#cells.put(cell);
  }

  /** How far behind stream time a record may arrive and still wait, ms. */
  #patienceMs(side: SideIndex): number {
    const { window, asKafkaStreams } = this.#options;
    return waitMs(window, side) - (asKafkaStreams === true ? window.graceMs : 0);
  }

  #waits(side: SideIndex): boolean {
    const { kind } = this.#options;
    return kind === 'outer' || (kind === 'left' && side === left);
  }

  #alone(side: SideIndex, value: unknown, key: unknown): unknown {
    const { joiner } = this.#options;
    return side === left ? joiner(value, undefined, key) : joiner(undefined, value, key);
  }

  /** Greatest time of a side's own records, which decides which of them are too old. */
  #sideTime(side: SideIndex): number {
    return this.#cells.number(sideTimes[side]) ?? Number.NEGATIVE_INFINITY;
  }

  #noteSideTime(side: SideIndex, timestamp: number): void {
    if (timestamp > this.#sideTime(side)) this.#cells.setNumber(sideTimes[side], timestamp);
  }

  get #soonest(): number {
    return this.#cells.number('soonest') ?? Number.POSITIVE_INFINITY;
  }

  #forward(key: unknown, value: unknown, timestamp: number): void {
    this.#next.receive(key, value, timestamp);
  }
}

function byTimeSideKey(a: Order, b: Order): number {
  return a.time - b.time || b.side - a.side || byKeyText(a, b);
}

const forgottenAtOnce = 64;
const sideTimes = ['leftTime', 'rightTime'] as const;
