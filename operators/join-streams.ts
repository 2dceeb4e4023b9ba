/**
 * Join of two streams by key and event time (SEMANTICS B.7). Both sides are kept for as long as a
 * record within its time may still find them; every pair is produced, with the greater timestamp.
 *
 * A record without a partner, in a left or outer join, waits: it goes on alone, with its own
 * timestamp, when stream time has passed the last instant at which a partner could have come, plus
 * grace. Such records go on in the order (time, right before left, key), before the results of the
 * record that made time pass. A record so late that its wait is over when it comes goes on at once.
 *
 * By source, a pair exists when the times fit, the left record's wait was not over where the right one's source
 * stood, and the other way round: whichever comes first. The pair stands where the later of both stood.
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
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { standOfDue } from '../engine/time/watermark.ts';
import { decodeRecords, writeRecords } from './cell-codec.ts';
import { byKeyId, OperatorTime } from './closing.ts';
import type { JoinWindow } from './join-window.ts';
import { firstAtOrAfter, insertAt, lastAtOrBefore } from './times.ts';

export type JoinKind = 'inner' | 'left' | 'outer';

/** A missing side is undefined. */
export type Joiner = (left: unknown, right: unknown, key: unknown) => unknown;

/** The records of one side, by time, then arrival. */
interface Side {
  readonly times: number[];
  readonly values: unknown[];
  /** 1 while the record waits for its first partner. */
  readonly open: number[];
  /** Of those that wait; the others go on no more. */
  readonly headers: Uint8Array[];
  /** How far each record's source stood, or its own time where that is later, ms UTC. */
  readonly stands: number[];
}

interface JoinCell {
  readonly sides: readonly [left: Side, right: Side];
  /** When the cell is looked at for records that nobody can reach any more. */
  checkAt: number;
}

type SideIndex = 0 | 1;
const left: SideIndex = 0;
const right: SideIndex = 1;

export interface StreamJoinSettings {
  /**
   * Does exactly what Kafka Streams 4.1 does. Records without a partner go on later than the window and
   * the grace ask for, or at once, without grace, when they come out of order (KAFKA-19536), also if a
   * partner follows. For comparisons: a left or outer join keeps its whole store in memory then.
   * Default: when their time and the grace are over.
   */
  readonly asKafkaStreams?: boolean;
}

export interface StreamJoinOptions extends StreamJoinSettings {
  readonly name: string;
  readonly kind: JoinKind;
  readonly window: JoinWindow;
  readonly joiner: Joiner;
  readonly key: Serde<unknown>;
  readonly leftValue: Serde<unknown>;
  readonly rightValue: Serde<unknown>;
}

/** @throws CONFIG_INVALID for a window or settings that make no sense */
export function checkStreamJoin(
  { name, window, joiner }: StreamJoinOptions,
  settings: StreamJoinSettings,
): void {
  checkSetting(`${name}.joiner`, joiner, aFunction);
  // joinWindow() has looked at its own; one written by hand is an object of the same fields.
  checkSetting(`${name}.window`, window, anObject);
  checkSettings(`${name}.window`, window, { beforeMs: ms(0), afterMs: ms(0), graceMs: ms(0) });
  checkSettings(name, settings, { asKafkaStreams: optional(flag) });
}

export function streamJoinStep(options: StreamJoinOptions): Step {
  const { name, kind, window } = options;
  const store = joinStore(options);
  return {
    kind: 'join-streams',
    name,
    nulls: true,
    detail: { join: kind, ...window },
    stores: [store as StoreSpec<never, never>],
    build: (context) => {
      const join = new StreamJoin(options, store, context);
      context.onTime(join);
      return [left, right].map((side) => ({
        receive: (key, value, timestamp) => join.receive(side as SideIndex, key, value, timestamp),
      }));
    },
  };
}

/** How long after its time, in stream time, a record of a side waits alone. */
function waitMs({ beforeMs, afterMs, graceMs }: JoinWindow, side: SideIndex): number {
  return (side === left ? afterMs : beforeMs) + graceMs;
}

/**
 * How long a record can be reached: a partner may be as late as the grace. Kafka Streams keeps one
 * millisecond less, so that the last possible partner at the edge of the window is lost.
 */
export function retentionMs({ window, asKafkaStreams }: StreamJoinOptions): number {
  const { beforeMs, afterMs, graceMs } = window;
  return beforeMs + afterMs + graceMs + (asKafkaStreams === true ? 0 : 1);
}

function joinStore(options: StreamJoinOptions): StoreSpec<unknown, JoinCell> {
  const { name, kind, key, window, leftValue, rightValue } = options;
  const serdes = [faithful(leftValue), faithful(rightValue)] as const;
  return {
    name,
    kind: 'join',
    ...(options.asKafkaStreams === true && kind !== 'inner' ? { resident: true } : {}),
    key,
    format: `join2(${leftValue.format},${rightValue.format})`,
    due: ({ sides, checkAt }) => {
      let due = checkAt;
      // Nobody waits in an inner join.
      for (const index of kind === 'inner' ? [] : [left, right]) {
        const { times, open } = sides[index];
        const first = open.indexOf(1);
        if (first >= 0) due = Math.min(due, (times[first] as number) + waitMs(window, index) + 1);
      }
      return due;
    },
    write: ({ sides, checkAt }, to) => {
      to.float64(checkAt);
      const lengthAt = to.length;
      to.skip(4);
      for (const index of [left, right]) {
        const { times, open, values, headers, stands } = sides[index];
        // 0 or 1, and twice by how much the stand is later: what stood at its own time is as it always was.
        const states = open.map(
          (one, i) => one + 2 * ((stands[i] as number) - (times[i] as number)),
        );
        writeRecords(to, [times, states], values, headers, serdes[index] as Serde<unknown>);
        if (index === left) to.uint32At(lengthAt, to.length - lengthAt - 4);
      }
    },
    decode: (bytes, start, end) => {
      const middle = start + 12 + bytes.readUInt32LE(start + 8);
      const side = (from: number, to: number, serde: Serde<unknown>): Side => {
        const { columns, values, headers } = decodeRecords(bytes, from, to, 2, serde);
        const [times = [], states = []] = columns;
        const open = states.map((state) => state % 2);
        const stands = times.map((time, i) => time + Math.floor((states[i] as number) / 2));
        return { times, open, values, headers, stands };
      };
      const sides = [side(start + 12, middle, leftValue), side(middle, end, rightValue)] as const;
      return { sides, checkAt: bytes.readDoubleLE(start) };
    },
    rows: function* rows({ sides }, k) {
      for (const index of [left, right]) {
        const { times, values } = sides[index];
        for (const [i, timestamp] of times.entries()) {
          yield {
            key: k,
            value: { side: index === left ? 'left' : 'right', value: values[i] },
            timestamp,
          };
        }
      }
    },
  };
}

interface Waiting {
  readonly keyId: string;
  readonly side: SideIndex;
  readonly time: number;
  readonly value: unknown;
  readonly headers: Uint8Array;
  readonly stand: number;
}

/** A record of the other side that a record is joined with. */
interface Partner {
  readonly time: number;
  readonly value: unknown;
  readonly stand: number;
}

type Order = Pick<Waiting, 'keyId' | 'side' | 'time'>;

class StreamJoin implements TimedStep {
  readonly #options: StreamJoinOptions;
  readonly #store: StoreSpec<unknown, JoinCell>;
  readonly #context: BuildContext;
  readonly #cells: Cells<JoinCell>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #retentionMs: number;

  constructor(
    options: StreamJoinOptions,
    store: StoreSpec<unknown, JoinCell>,
    context: BuildContext,
  ) {
    this.#options = options;
    this.#store = store;
    this.#context = context;
    this.#cells = context.cells<JoinCell>(store);
    const bySource = context.task.bySource && options.asKafkaStreams !== true;
    this.#time = new OperatorTime(this.#cells as unknown as Cells<never>, context.task, bySource);
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
      // Without a key there is no partner: nothing to wait for (KIP-962).
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
    const cell = this.#cells.get() ?? emptyCell();
    const results = this.#partners(cell, side, timestamp, streamTime).map((partner) => ({
      value:
        side === left
          ? this.#options.joiner(value, partner.value, key)
          : this.#options.joiner(partner.value, value, key),
      timestamp: Math.max(timestamp, partner.time),
      stand: Math.max(streamTime, partner.stand),
    }));
    const lonely = results.length === 0 && this.#waits(side);
    const over = timestamp + this.#patienceMs(side) < (bySource ? now : streamTime);
    if (lonely && timestamp < this.#soonest) this.#cells.setNumber('soonest', timestamp);
    if (lonely && over) results.push({ value: this.#alone(side, value, key), timestamp, stand });
    this.#noteSideTime(side, timestamp);
    const waits = lonely && !over;
    const headers = waits ? this.#context.task.headerBytes() : emptyBytes;
    const { times, values, open, headers: kept, stands } = cell.sides[side];
    const at = lastAtOrBefore(times, timestamp) + 1;
    const state = waits ? 1 : 0;
    insertAt(at, [times, timestamp], [values, value], [open, state], [kept, headers]);
    stands.splice(at, 0, stand);
    this.#keep(cell, bySource ? now : streamTime);
    const { task } = this.#context;
    const own = task.stand;
    for (const result of results) {
      if (bySource) task.stand = result.stand;
      this.#forward(key, result.value, result.timestamp);
    }
    task.stand = own;
  }

  /** The other side's records within the window, which now have a partner. */
  #partners(cell: JoinCell, side: SideIndex, timestamp: number, streamTime: number): Partner[] {
    const { beforeMs, afterMs } = this.#options.window;
    const other = side === left ? right : left;
    const from = timestamp - (side === left ? beforeMs : afterMs);
    const to = timestamp + (side === left ? afterMs : beforeMs);
    const { bySource } = this.#time;
    // By source: older ones had waited long enough where this record's source stands.
    const oldest = bySource
      ? streamTime - waitMs(this.#options.window, other) - 1
      : this.#sideTime(other) - this.#retentionMs;
    const waitsTo = timestamp + waitMs(this.#options.window, side);
    const { times, values, open, headers, stands } = cell.sides[other];
    const partners: Partner[] = [];
    for (let i = firstAtOrAfter(times, from); i < times.length; i++) {
      const time = times[i] as number;
      if (time > to) break;
      const stand = stands[i] as number;
      if (time <= oldest || (bySource && stand > waitsTo)) continue;
      open[i] = 0;
      headers[i] = emptyBytes;
      partners.push({ time, value: values[i], stand });
    }
    return partners;
  }

  /**
   * As Kafka Streams releases: it looks only when stream time has passed a lower bound of the waiting
   * records' times, and that bound becomes the time of the last record it looked at, not of the first
   * that still waits. So some wait longer than they need.
   */
  #releaseSeldom(side: SideIndex, streamTime: number): void {
    const { window } = this.#options;
    const lookBack = side === left ? window.afterMs : window.beforeMs;
    if (this.#soonest >= streamTime - lookBack - window.graceMs) return;
    const all: Order[] = [];
    for (const keyId of this.#cells.dueKeys(Number.MAX_VALUE)) {
      this.#context.task.enterId(keyId, () => {
        const cell = this.#cells.get();
        for (const index of cell === undefined ? [] : [left, right]) {
          const { times, open } = (cell as JoinCell).sides[index];
          for (const [i, time] of times.entries()) {
            if (open[i] === 1) all.push({ keyId, side: index, time });
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

  /** Lets go on, alone, whoever has waited long enough. */
  #release(streamTime: number): void {
    if (this.#cells.nextDue() > streamTime) return;
    if (streamTime < Number.MAX_VALUE) this.#time.keep();
    const waiting: Waiting[] = [];
    for (const keyId of this.#cells.dueKeys(streamTime)) {
      this.#context.task.enterId(keyId, () => {
        const cell = this.#cells.get();
        if (cell === undefined) return;
        for (const side of [left, right]) this.#collect(cell, side, keyId, streamTime, waiting);
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
    for (const { keyId, side, time, value, headers, stand } of waiting.sort(order)) {
      if (bySource) task.stand = Math.max(stand, standOfDue(time + wait(side) + 1));
      task.enter(keyId, this.#store as StoreSpec<unknown, never>, (key) => {
        const alone = this.#alone(side, value, key);
        task.withHeaders(headers, () => this.#forward(key, alone, time));
      });
    }
    task.stand = own;
  }

  #collect(
    cell: JoinCell,
    side: SideIndex,
    keyId: string,
    streamTime: number,
    waiting: Waiting[],
  ): void {
    const { times, values, open, headers, stands } = cell.sides[side];
    const wait = waitMs(this.#options.window, side);
    for (const [i, time] of times.entries()) {
      if (open[i] === 0 || time + wait >= streamTime) continue;
      open[i] = 0;
      const one = { keyId, side, time, value: values[i], stand: stands[i] as number };
      waiting.push({ ...one, headers: headers[i] as Uint8Array });
      headers[i] = emptyBytes;
    }
  }

  /** Stores a cell without what nobody can reach any more. */
  #keep(cell: JoinCell, streamTime: number): void {
    let newest = Number.NEGATIVE_INFINITY;
    for (const index of [left, right]) {
      const side = cell.sides[index];
      const oldest = this.#time.bySource
        ? streamTime - waitMs(this.#options.window, index) - 1
        : this.#sideTime(index) - this.#retentionMs;
      let gone = 0;
      while (
        gone < side.times.length &&
        (side.times[gone] as number) <= oldest &&
        side.open[gone] === 0
      ) {
        gone++;
      }
      // Many at once: each time, all that stay are moved.
      if (gone >= Math.min(forgottenAtOnce, side.times.length)) {
        for (const column of [side.times, side.values, side.open, side.headers, side.stands]) {
          column.splice(0, gone);
        }
      }
      newest = Math.max(newest, side.times.at(-1) ?? Number.NEGATIVE_INFINITY);
    }
    if (newest === Number.NEGATIVE_INFINITY) {
      this.#cells.remove();
      return;
    }
    // A side's own time may lag behind: then the cell is looked at again later.
    cell.checkAt = Math.max(newest, streamTime) + this.#retentionMs + 1;
    this.#cells.put(cell);
  }

  /** How far behind stream time a record may come and still be waited with. */
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

  /** Greatest time of a side's own records: it alone decides what of the side is too old. */
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
  return a.time - b.time || b.side - a.side || byKeyId(a, b);
}

const forgottenAtOnce = 64;
const sideTimes = ['leftTime', 'rightTime'] as const;

function emptyCell(): JoinCell {
  const side = (): Side => ({ times: [], values: [], open: [], headers: [], stands: [] });
  return { sides: [side(), side()], checkAt: Number.POSITIVE_INFINITY };
}
