/**
 * Inner join of a stream with itself (KIP-862): both sides would keep the same records, so they are kept
 * once. Results and their order are those of the join of two streams: a record first joins, as the left
 * one, those before it; then, as the right one, those before it and itself.
 */

import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
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
}

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
    build: (context) => [new SelfJoin(options, store, context)],
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
    write: ({ times, values }, to) => writeColumns(to, [times], values, value),
    decode: (bytes, start, end) => {
      const { columns, values } = decodeColumns(bytes, start, end, 1, value);
      return { times: columns[0] ?? [], values };
    },
    rows: ({ times, values }, k) =>
      times.map((timestamp, i) => ({ key: k, value: values[i], timestamp })),
  };
}

class SelfJoin implements AnyReceiver {
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
    this.#time = new OperatorTime(this.#cells as unknown as Cells<never>);
    this.#next = context.output(0);
    this.#retentionMs = retentionMs(options);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    const { name, joiner, window } = this.#options;
    if (key === null || value === null || value === undefined) {
      this.#context.task.drop(name, key === null ? 'null_key' : 'null_value');
      return;
    }
    const before = this.#time.now;
    const now = this.#time.advance(timestamp);
    if (now > before) this.#forget(now);
    const records = this.#cells.get() ?? { times: [], values: [] };
    const [earlier, later] = [timestamp - window.beforeMs, timestamp + window.afterMs];
    const asLeft = this.#within(records, earlier, later, before);
    insertAt(
      lastAtOrBefore(records.times, timestamp) + 1,
      [records.times, timestamp],
      [records.values, value],
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

  #keep({ times, values }: Records, now: number): void {
    const gone = lastAtOrBefore(times, now - this.#retentionMs) + 1;
    for (const column of [times, values]) column.splice(0, gone);
    if (times.length === 0) this.#cells.remove();
    else this.#cells.put({ times, values });
  }

  /** Lets go of the keys that nobody can reach any more. */
  #forget(now: number): void {
    if (this.#cells.nextDue() > now) return;
    for (const keyId of this.#cells.dueKeys(now)) {
      this.#context.task.enterId(keyId, () => this.#cells.remove());
    }
  }
}
