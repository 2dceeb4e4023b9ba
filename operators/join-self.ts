/**
 * Inner join of a stream with itself (KIP-862): both sides would keep the same records, so they are kept
 * once. Results and their order are those of the join of two streams: a record first joins, as the left
 * one, those before it; then, as the right one, those before it and itself.
 */

import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import { decodeColumns, writeColumns } from './cell-codec.ts';
import { OperatorTime } from './closing.ts';
import { retentionMs, type StreamJoinOptions } from './join-streams.ts';
import { firstAtOrAfter, insertAt, lastAtOrBefore } from './times.ts';

/** The records of a key that can still be reached, by time, then arrival. */
interface Records {
  readonly times: number[];
  readonly values: unknown[];
  /** How far each record's source stood, or its own time where that is later, ms UTC. */
  readonly stands: number[];
}

/** Before a cell some of whose records stood later than their own time: a column for that follows the times. */
const withStands = 0xffff_ffff;

/** @param options of a join whose two sides are one stream; its kind is 'inner' */
export function selfJoinStep(options: StreamJoinOptions): Step {
  const { name, window } = options;
  const store = recordStore(options);
  return {
    kind: 'join-self',
    name,
    nulls: true,
    detail: { join: 'inner', ...window },
    stores: [store as StoreSpec<never, never>],
    build: (context) => {
      const join = new SelfJoin(options, store, context);
      context.onTime(join);
      return [join];
    },
  };
}

function recordStore(options: StreamJoinOptions): StoreSpec<unknown, Records> {
  const { name, key } = options;
  const value = faithful(options.leftValue);
  const keptMs = retentionMs(options);
  return {
    name,
    kind: 'join',
    key,
    format: `join-self(${value.format})`,
    due: ({ times }) => (times.at(-1) ?? Number.POSITIVE_INFINITY) + keptMs,
    write: ({ times, values, stands }, to) => {
      const own = times.every((time, i) => time === stands[i]);
      if (!own) to.uint32(withStands);
      writeColumns(to, own ? [times] : [times, stands], values, value);
    },
    decode: (bytes, start, end) => {
      const own = bytes.readUInt32LE(start) !== withStands;
      const from = own ? start : start + 4;
      const { columns, values } = decodeColumns(bytes, from, end, own ? 1 : 2, value);
      const [times = []] = columns;
      return { times, values, stands: columns[1] ?? [...times] };
    },
    rows: ({ times, values }, k) =>
      times.map((timestamp, i) => ({ key: k, value: values[i], timestamp })),
  };
}

class SelfJoin implements AnyReceiver, TimedStep {
  readonly #options: StreamJoinOptions;
  readonly #context: BuildContext;
  readonly #cells: Cells<Records>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #retentionMs: number;

  constructor(
    options: StreamJoinOptions,
    store: StoreSpec<unknown, Records>,
    context: BuildContext,
  ) {
    this.#options = options;
    this.#context = context;
    this.#cells = context.cells<Records>(store);
    this.#time = new OperatorTime(this.#cells as unknown as Cells<never>, context.task);
    this.#next = context.output(0);
    this.#retentionMs = retentionMs(options);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    const { name, joiner, window } = this.#options;
    if (key === null || value === null || value === undefined) {
      this.#context.task.drop(name, key === null ? 'null_key' : 'null_value');
      return;
    }
    if (this.#time.bySource) {
      this.#receiveBySource(key, value, timestamp);
      return;
    }
    const before = this.#time.now;
    const now = this.#time.advance(timestamp);
    if (now > before) this.#forget(now);
    const records = this.#cells.get() ?? emptyRecords();
    const [earlier, later] = [timestamp - window.beforeMs, timestamp + window.afterMs];
    const asLeft = this.#within(records, earlier, later, before);
    insertAt(
      lastAtOrBefore(records.times, timestamp) + 1,
      [records.times, timestamp],
      [records.values, value],
      [records.stands, timestamp],
    );
    const asRight = this.#within(
      records,
      timestamp - window.afterMs,
      timestamp + window.beforeMs,
      now,
    );
    this.#keep(records, now);
    for (const other of asLeft) {
      this.#forward(key, joiner(value, other.value, key), timestamp, other.time);
    }
    for (const other of asRight) {
      this.#forward(key, joiner(other.value, value, key), timestamp, other.time);
    }
  }

  nextDue(): number {
    return this.#time.bySource ? this.#cells.nextDue() : Number.POSITIVE_INFINITY;
  }

  pass(until: number): void {
    if (!this.#time.bySource || this.#cells.nextDue() > this.#time.pass(until)) return;
    this.#time.keep();
    this.#forget(this.#time.now);
  }

  /** Nobody waits in an inner join. */
  end(): void {}

  /** As join-streams.ts: a pair exists when neither record's wait was over where the other one's source stood. */
  #receiveBySource(key: unknown, value: unknown, timestamp: number): void {
    const { joiner, window } = this.#options;
    const { task } = this.#context;
    const judged = this.#time.advance(timestamp);
    const records = this.#cells.get() ?? emptyRecords();
    const [asLeftMs, asRightMs] = [
      window.afterMs + window.graceMs,
      window.beforeMs + window.graceMs,
    ];
    const asLeft = pairs(records, timestamp, judged, {
      ...{ from: timestamp - window.beforeMs, to: timestamp + window.afterMs },
      ...{ ownMs: asLeftMs, otherMs: asRightMs },
    });
    const at = lastAtOrBefore(records.times, timestamp) + 1;
    const stand = Math.max(judged, timestamp);
    insertAt(at, [records.times, timestamp], [records.values, value], [records.stands, stand]);
    const asRight = pairs(records, timestamp, judged, {
      ...{ from: timestamp - window.afterMs, to: timestamp + window.beforeMs },
      ...{ ownMs: asRightMs, otherMs: asLeftMs },
    });
    this.#keep(records, this.#time.now);
    const own = task.stand;
    for (const other of asLeft) {
      task.stand = Math.max(judged, other.stand);
      this.#forward(key, joiner(value, other.value, key), timestamp, other.time);
    }
    for (const other of asRight) {
      task.stand = Math.max(judged, other.stand);
      this.#forward(key, joiner(other.value, value, key), timestamp, other.time);
    }
    task.stand = own;
  }

  #forward(key: unknown, value: unknown, timestamp: number, other: number): void {
    this.#next.receive(key, value, Math.max(timestamp, other));
  }

  /** Records with times in [from, to] that stream time `now` has not put out of reach. */
  #within({ times, values }: Records, from: number, to: number, now: number) {
    const found: { readonly time: number; readonly value: unknown }[] = [];
    const reachable = Math.max(from, now - this.#retentionMs + 1);
    for (let i = firstAtOrAfter(times, reachable); i < times.length; i++) {
      const time = times[i] as number;
      if (time > to) break;
      found.push({ time, value: values[i] });
    }
    return found;
  }

  #keep(records: Records, now: number): void {
    const { times, values, stands } = records;
    const gone = lastAtOrBefore(times, now - this.#retentionMs) + 1;
    for (const column of [times, values, stands]) column.splice(0, gone);
    if (times.length === 0) this.#cells.remove();
    else this.#cells.put(records);
  }

  /** Lets go of the keys that nobody can reach any more. */
  #forget(now: number): void {
    if (this.#cells.nextDue() > now) return;
    for (const keyId of this.#cells.dueKeys(now)) {
      this.#context.task.enterId(keyId, () => this.#cells.remove());
    }
  }
}

function emptyRecords(): Records {
  return { times: [], values: [], stands: [] };
}

interface Reach {
  readonly from: number;
  readonly to: number;
  /** How long the record, and the others, wait for partners, ms. */
  readonly ownMs: number;
  readonly otherMs: number;
}

/** Records with times in [from, to] that form a pair with a record at `timestamp` whose source stood at `judged`. */
function pairs(
  { times, values, stands }: Records,
  timestamp: number,
  judged: number,
  { from, to, ownMs, otherMs }: Reach,
) {
  const found: { readonly time: number; readonly value: unknown; readonly stand: number }[] = [];
  for (let i = firstAtOrAfter(times, from); i < times.length; i++) {
    const [time, stand] = [times[i] as number, stands[i] as number];
    if (time > to) break;
    if (time + otherMs < judged || timestamp + ownMs < stand) continue;
    found.push({ time, value: values[i], stand });
  }
  return found;
}
