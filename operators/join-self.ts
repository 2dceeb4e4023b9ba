/**
 * Inner join of a stream with itself (KIP-862): both sides would keep the same records, so they are
 * kept once. Results and their order are those of the join of two streams: a record first joins the
 * earlier records as the left side; then, as the right side, the earlier records and itself.
 */

import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { columnLayout } from './cell-codec.ts';
import { type EntryLayout, type EntryList, kept } from './entry-list.ts';
import { retentionMs, type StreamJoinOptions } from './join-streams-store.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { visitDue } from './kit/release.ts';
import { type ListStore, listStore, type RecordList } from './list-store.ts';

/**
 * Prefix of a cell in which some records have a stand later than their time: a column for the
 * stands follows the times.
 */
const withStands = 0xffff_ffff;

/** @param options of an inner join whose two sides are one stream */
export function selfJoinStep(options: StreamJoinOptions): Step {
  const { name, window } = options;
  const records = recordStore(options);
  return {
    kind: 'join-self',
    name,
    nulls: true,
    detail: { join: 'inner', ...window },
    stores: [records.store],
    build: (context) => {
      const join = new SelfJoin(options, records, context);
      context.onTime(join);
      return [join];
    },
  };
}

/**
 * Layout of the records that can still match. Columns: values; each record's stand, or its own time
 * if later, ms UTC. The second column is omitted if all stands equal the records' times.
 */
function selfLayout(value: Serde<unknown>): EntryLayout<number> {
  const [own, standing] = [
    columnLayout<number, unknown>(false, 0, value),
    columnLayout<number, unknown>(false, 1, value),
  ];
  return {
    text: false,
    width: 2,
    write: (to, { keys, columns }, from, end) => {
      const [values = [], stands = []] = columns;
      let i = from;
      while (i < end && stands[i] === keys[i]) i++;
      if (i === end) own.write(to, { keys, columns: [values] }, from, end);
      else {
        to.uint32(withStands);
        standing.write(to, { keys, columns: [stands, values] }, from, end);
      }
    },
    decode: (bytes, start, end) => {
      if (bytes.readUInt32LE(start) !== withStands) {
        const { keys, columns } = own.decode(bytes, start, end);
        return { keys, columns: [...columns, [...keys]] };
      }
      const { keys, columns } = standing.decode(bytes, start + 4, end);
      return { keys, columns: [columns[1] as unknown[], columns[0] as unknown[]] };
    },
  };
}

function recordStore(options: StreamJoinOptions): ListStore {
  const { name, key } = options;
  const value = faithful(options.leftValue);
  const keptMs = retentionMs(options);
  const layout = selfLayout(value);
  return listStore(
    {
      name,
      kind: 'join',
      key,
      format: `join-self(${value.format})`,
      due: ({ list }) => (list.lastKey ?? Number.POSITIVE_INFINITY) + keptMs,
    },
    layout,
  );
}

class SelfJoin implements AnyReceiver, TimedStep {
  readonly #options: StreamJoinOptions;
  readonly #context: BuildContext;
  readonly #cells: Cells<RecordList>;
  readonly #newList: () => EntryList<number>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #retentionMs: number;

  constructor(options: StreamJoinOptions, { store, newList }: ListStore, context: BuildContext) {
    this.#options = options;
    this.#newList = newList;
    this.#context = context;
    this.#cells = context.cells<RecordList>(store);
    this.#time = new OperatorTime(this.#cells, context.task);
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
    const records = this.#cells.get() ?? { list: this.#newList() };
    const [earlier, later] = [timestamp - window.beforeMs, timestamp + window.afterMs];
    const asLeft = this.#within(records, earlier, later, before);
    records.list.insert(timestamp, value, timestamp);
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

  /** Nothing waits in an inner join. */
  end(): void {}

  /**
   * As in join-streams.ts: a pair exists if neither record's wait was over at the other's stand.
   */
  #receiveBySource(key: unknown, value: unknown, timestamp: number): void {
    const { joiner, window } = this.#options;
    const { task } = this.#context;
    const judged = this.#time.advance(timestamp);
    const records = this.#cells.get() ?? { list: this.#newList() };
    const [asLeftMs, asRightMs] = [
      window.afterMs + window.graceMs,
      window.beforeMs + window.graceMs,
    ];
    const asLeft = pairs(records, timestamp, judged, {
      ...{ from: timestamp - window.beforeMs, to: timestamp + window.afterMs },
      ...{ ownMs: asLeftMs, otherMs: asRightMs },
    });
    records.list.insert(timestamp, value, Math.max(judged, timestamp));
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

  /** Records with times in [from, to] that can still match at stream time `now`. */
  #within({ list }: RecordList, from: number, to: number, now: number) {
    const found: { readonly time: number; readonly value: unknown }[] = [];
    list.scan(Math.max(from, now - this.#retentionMs + 1), to, ({ keys, columns }, i) => {
      found.push({ time: keys[i] as number, value: columns[0]?.[i] });
      return kept;
    });
    return found;
  }

  #keep(records: RecordList, now: number): void {
    records.list.dropFirst(now - this.#retentionMs);
    if (records.list.size === 0) this.#cells.remove();
    else this.#cells.put(records);
  }

  /** Removes keys whose records can no longer match. */
  #forget(now: number): void {
    if (this.#cells.nextDue() > now) return;
    visitDue(this.#context.task, this.#cells, now, () => this.#cells.remove());
  }
}

interface Reach {
  readonly from: number;
  readonly to: number;
  /** How long the record, and the others, wait for matches, ms. */
  readonly ownMs: number;
  readonly otherMs: number;
}

/** Records with times in [from, to] that match a record at `timestamp` with the stand `judged`. */
function pairs(
  { list }: RecordList,
  timestamp: number,
  judged: number,
  { from, to, ownMs, otherMs }: Reach,
) {
  const found: { readonly time: number; readonly value: unknown; readonly stand: number }[] = [];
  list.scan(from, to, ({ keys, columns }, i) => {
    const [time, stand] = [keys[i] as number, columns[1]?.[i] as number];
    if (time + otherMs < judged || timestamp + ownMs < stand) return kept;
    found.push({ time, value: columns[0]?.[i], stand });
    return kept;
  });
  return found;
}
