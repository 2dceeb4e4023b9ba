/**
 * Join of a stream with a table (SEMANTICS B.8): each record of the stream is joined with the row
 * of its key; changes of the table produce no results. In a versioned table, the row is the one at
 * the record's time.
 *
 * With a grace (versioned tables only), a record first waits until stream time is that much later,
 * so that out-of-order changes of the table have arrived; a record that is already older joins at
 * once. Records that are released together are ordered by (time, key, arrival).
 */

import { aFunction, checkSetting, checkSettings, ms, text } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import {
  type AnyReceiver,
  type BuildContext,
  discards,
  type TimedStep,
} from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { standOfDue } from '../engine/time/watermark.ts';
import { recordLayout } from './cell-codec.ts';
import { type EntryList, removed } from './entry-list.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { releaseDue } from './kit/release.ts';
import { type ListStore, listStore, type RecordList } from './list-store.ts';
import type { RowReader, TableGetter } from './table-getter.ts';

export interface TableJoinOptions {
  readonly kind: 'inner' | 'left';
  readonly joiner: (value: unknown, row: unknown, key: unknown) => unknown;
  readonly getter: TableGetter<unknown>;
  /** Name of the buffer's store, and the wait, ms. */
  readonly wait?: { readonly name: string; readonly graceMs: number };
  readonly key: Serde<unknown>;
  readonly value: Serde<unknown>;
}

export function streamTableJoinStep(options: TableJoinOptions): Step {
  const { kind, wait } = options;
  checkSetting('joinTable.joiner', options.joiner, aFunction);
  if (wait !== undefined) {
    checkSettings('joinTable.wait', wait, { name: text, graceMs: ms(0) });
  }
  const common = { kind: 'join-table', nulls: true, detail: { join: kind, ...wait } } as const;
  if (wait === undefined) {
    return {
      ...common,
      name: common.kind,
      stores: [],
      build: (context) => [new TableJoin(options, context), discards],
    };
  }
  const buffered = bufferStore(wait, options);
  return {
    ...common,
    name: wait.name,
    stores: [buffered.store],
    build: (context) => {
      const buffer = new JoinBuffer(
        wait.graceMs,
        buffered,
        new TableJoin(options, context),
        context,
      );
      context.onTime(buffer);
      return [buffer, discards];
    },
  };
}

class TableJoin implements AnyReceiver {
  readonly #options: TableJoinOptions;
  readonly #context: BuildContext;
  readonly #row: RowReader<unknown>;
  readonly #next: AnyReceiver;

  constructor(options: TableJoinOptions, context: BuildContext) {
    this.#options = options;
    this.#context = context;
    this.#row = options.getter(context);
    this.#next = context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    if (!this.accepts(key, value)) return;
    const row = key === null ? undefined : this.#row(timestamp);
    if (row === undefined && this.#options.kind === 'inner') return;
    this.#next.receive(key, this.#options.joiner(value, row?.value, key), timestamp);
  }

  /** False, and counted, for a record without a possible result. */
  accepts(key: unknown, value: unknown): boolean {
    const { task } = this.#context;
    if (value === null || value === undefined) task.drop('join-table', 'null_value');
    else if (key === null && this.#options.kind === 'inner') task.drop('join-table', 'null_key');
    else return true;
    return false;
  }
}

/** The waiting records. Columns: values, headers. */
function bufferStore(
  { name, graceMs }: { readonly name: string; readonly graceMs: number },
  { key, value: given }: TableJoinOptions,
): ListStore {
  const value = faithful(given);
  const layout = recordLayout(0, value);
  return listStore(
    {
      name,
      kind: 'join-buffer',
      key,
      format: `buffered2(${value.format})`,
      due: ({ list }) => (list.firstKey ?? Number.POSITIVE_INFINITY) + graceMs,
    },
    layout,
  );
}

class JoinBuffer implements AnyReceiver, TimedStep {
  readonly #graceMs: number;
  readonly #store: StoreSpec<unknown, RecordList>;
  readonly #newList: () => EntryList<number>;
  readonly #join: TableJoin;
  readonly #context: BuildContext;
  readonly #cells: Cells<RecordList>;
  readonly #time: OperatorTime;

  constructor(
    graceMs: number,
    { store, newList }: ListStore,
    join: TableJoin,
    context: BuildContext,
  ) {
    this.#graceMs = graceMs;
    this.#store = store;
    this.#newList = newList;
    this.#join = join;
    this.#context = context;
    this.#cells = context.cells<RecordList>(store);
    this.#time = new OperatorTime(this.#cells, context.task);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    if (!this.#join.accepts(key, value)) return;
    const { bySource, now } = this.#time;
    // If time follows sources, the record waits for the watermark, because changes of the table may
    // still arrive.
    const streamTime = bySource ? now : this.#time.advance(timestamp);
    if (key === null || timestamp < streamTime - this.#graceMs) {
      this.#join.receive(key, value, timestamp);
    } else {
      const cell = this.#cells.get() ?? { list: this.#newList() };
      cell.list.insert(timestamp, value, this.#context.task.headerBytes());
      this.#cells.put(cell);
    }
    if (!bySource) this.#release(streamTime);
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

  #release(streamTime: number): void {
    if (this.#cells.nextDue() > streamTime) return;
    if (streamTime < Number.MAX_VALUE) this.#time.keep();
    const { bySource } = this.#time;
    releaseDue(this.#context.task, this.#store, this.#cells, streamTime, {
      take: () => this.#take(streamTime - this.#graceMs),
      compare: (a, b) => a.time - b.time,
      standOf: bySource
        ? ({ time }) => Math.max(time, standOfDue(time + this.#graceMs))
        : undefined,
      headersOf: ({ headers }) => headers,
      forward: (key, { value, time }) => this.#join.receive(key, value, time),
    });
  }

  #take(until: number): readonly Buffered[] {
    const cell = this.#cells.get();
    if (cell === undefined) return [];
    const taken: Buffered[] = [];
    cell.list.scan(undefined, until, ({ keys, columns }, i) => {
      const [values, headers] = columns as [unknown[], Uint8Array[]];
      const time = keys[i] as number;
      taken.push({ time, value: values[i], headers: headers[i] as Uint8Array });
      return removed;
    });
    if (cell.list.size === 0) this.#cells.remove();
    else this.#cells.put(cell);
    return taken;
  }
}

/** A record that has waited. */
interface Buffered {
  readonly time: number;
  readonly value: unknown;
  readonly headers: Uint8Array;
}
