/**
 * process: a custom operator with durable state and durable timers for each key.
 *
 * Timers fire in the order (time, name) when time has passed their instant: before the first later
 * record (after all records of that instant), or when the idle clock says that no earlier record
 * will come. Any record of the task advances time for all keys; behind a keyBy the watermark does.
 * With the key's clock, `now` is the key's own time, so that results of a key do not depend on when
 * other keys' records arrive. With the wall clock, timers fire when the machine's time has passed
 * them, read every `resolutionMs`; they survive a restart, but a replay does not repeat the times
 * at which they fired.
 */

import { fatalError } from '../engine/base/assert.ts';
import { MillraceError } from '../engine/base/errors.ts';
import type { DropReason } from '../engine/base/events.ts';
import { refusePromise } from '../engine/base/promises.ts';
import {
  aFunction,
  anObject,
  aSerde,
  checkSettings,
  choice,
  list,
  longestTimerMs,
  ms,
  optional,
  refuseSetting,
} from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import {
  type AnyReceiver,
  type BuildContext,
  discards,
  type TimedStep,
} from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Sink } from '../engine/graph/topic.ts';
import type { Headers } from '../engine/record/headers.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { instantProblem, isInstant } from '../engine/time/watermark.ts';
import {
  type Collections,
  type CollectionsOf,
  type Current,
  type KeyedListSpec,
  type KeyedMapSpec,
  ListHandle,
  MapHandle,
} from './keyed-collections.ts';
import { OperatorTime } from './kit/operator-time.ts';
import {
  collectionOf,
  emptyProcessCell,
  endOf,
  isEmptyCell,
  nextTimer,
  type ProcessCell,
  type Timer,
} from './process-cell.ts';
import type { ProcessContext, ProcessSpec } from './process-spec.ts';
import { processStore } from './process-store.ts';
import type { RowReader, RowsOf } from './table-getter.ts';

export function processStep<K, V, S, R, C>(
  name: string,
  spec: ProcessSpec<K, V, S, R, C>,
  key: Serde<K>,
  state: Serde<S>,
): Step {
  checkSettings(name, spec, {
    state: optional(aSerde),
    collections: optional(anObject),
    ttlMs: optional(ms(1)),
    topics: optional(list),
    tables: optional(list),
    clock: optional(choice('stream', 'key', 'wall')),
    resolutionMs: optional(ms(1, longestTimerMs)),
    record: aFunction,
    timer: optional(aFunction),
  });
  const { clock = 'stream', resolutionMs = 1_000, tables = [], ttlMs } = spec;
  const collections = (spec.collections ?? {}) as Collections;
  for (const [field, one] of Object.entries(collections)) {
    if (one?.type === 'list' || one?.type === 'map') continue;
    refuseSetting(`${name}.collections.${field}`, 'must be keyedList() or keyedMap()');
  }
  const store = processStore({
    name,
    key,
    state,
    clock,
    collections,
    ttlMs: ttlMs ?? Number.POSITIVE_INFINITY,
  });
  return {
    kind: 'process',
    name,
    detail: { clock, ...(ttlMs === undefined ? {} : { ttlMs }) },
    stores: [store],
    ...(spec.topics === undefined ? {} : { sinks: spec.topics }),
    ...(clock === 'wall' ? { wallClockMs: resolutionMs } : {}),
    build: (context) => {
      const processor = new Processor<K, V, S, R, C>(name, spec, store, context);
      if (clock === 'wall') context.onWallClock((now) => processor.tick(now));
      else context.onTime(processor);
      return [processor as AnyReceiver, ...tables.map(() => discards)];
    },
  };
}

class Processor<K, V, S, R, C> implements ProcessContext<K, S, R, C>, TimedStep {
  readonly collections: CollectionsOf<C>;
  readonly #name: string;
  readonly #spec: ProcessSpec<K, V, S, R, C>;
  readonly #ttlMs: number;
  readonly #store: StoreSpec<K, ProcessCell<S>>;
  readonly #context: BuildContext;
  readonly #cells: Cells<ProcessCell<S>>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  readonly #timer: AnyReceiver;
  readonly #rows: ReadonlyMap<RowsOf<K, unknown>, RowReader<unknown>>;
  #key: K | undefined;
  #cell: ProcessCell<S> = emptyProcessCell();
  #timestamp = 0;

  constructor(
    name: string,
    spec: ProcessSpec<K, V, S, R, C>,
    store: StoreSpec<K, ProcessCell<S>>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#spec = spec;
    this.#ttlMs = spec.ttlMs ?? Number.POSITIVE_INFINITY;
    this.collections = this.#handles((spec.collections ?? {}) as Collections) as CollectionsOf<C>;
    this.#store = store;
    this.#context = context;
    this.#cells = context.cells<ProcessCell<S>>(store);
    this.#time = new OperatorTime(this.#cells, context.task);
    this.#next = context.output(0);
    const { tables = [] } = spec;
    this.#rows = new Map(tables.map((table) => [table, table.joinSide().getter(context)]));
    // A failed timer leaves only its dead letter, so it works on its own copy of the cell.
    this.#timer = context.timer({
      receive: (key, name, at) => {
        this.#load(key as K);
        this.#settled(this.#spec.timer?.(this, name as string, at));
        this.#keep();
      },
    });
  }

  receive(key: K, value: V, timestamp: number): void {
    if (key === null || key === undefined) {
      this.#context.task.drop(this.#name, 'null_key');
      return;
    }
    const { clock = 'stream' } = this.#spec;
    const { bySource } = this.#time;
    const { task } = this.#context;
    if (clock !== 'wall' && !bySource) this.#fire(this.#time.advance(timestamp) - 1);
    this.#load(key);
    // With `disorder`, a record's source may be behind the record's time.
    if (clock !== 'wall') {
      const before = bySource ? Math.min(timestamp, task.stand) - 1 : timestamp - 1;
      this.#fireUntil(before);
      if (endOf(this.#cell, this.#ttlMs) <= before) this.#cell = this.#forgotten();
    }
    if (timestamp > this.#cell.now) this.#cell.now = timestamp;
    this.#timestamp = timestamp;
    this.#settled(this.#spec.record(this, value, timestamp));
    this.#keep();
  }

  /** Stores the key's cell, or removes it if it is empty. */
  #keep(): void {
    if (isEmptyCell(this.#cell)) this.#cells.remove();
    else this.#cells.put(this.#cell);
  }

  /** The key's state has expired: returns an empty cell. */
  #forgotten(): ProcessCell<S> {
    this.#cells.remove();
    return emptyProcessCell();
  }

  /** A timer fires when all records of its instant have arrived. */
  nextDue(): number {
    return this.#cells.nextDue() + 1;
  }

  pass(until: number): void {
    this.#fire(this.#time.pass(until) - 1);
  }

  passIdle(until: number): void {
    this.#fire(this.#time.pass(until));
  }

  /** Fires every set timer; timers set meanwhile wait for the next input. */
  end(): void {
    const due = this.#cells.dueKeys(Number.MAX_VALUE);
    for (const keyText of due) {
      this.#context.task.enter(keyText, this.#store, (key) => {
        this.#load(key);
        const set = this.#cell.timers.map(({ name, at }) => ({ name, at }));
        for (const { name, at } of set.sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1))) {
          const timer = this.#cell.timers.find((one) => one.name === name);
          if (timer?.at === at) this.#fireTimer(timer);
        }
        this.#keep();
      });
    }
  }

  endUntil(until: number): void {
    this.#fire(until - 1);
  }

  /** Fires the timers up to the wall time `now`. */
  tick(now: number): void {
    this.#fire(now);
  }

  /** Fires every key's timers up to `until`, instant by instant over all keys. */
  #fire(until: number): void {
    if (this.#cells.nextDue() > until) return;
    if (this.#spec.clock !== 'wall') this.#time.keep();
    for (let due = this.#cells.nextDue(); due <= until; due = this.#cells.nextDue()) {
      for (const keyText of this.#cells.dueKeys(due)) {
        this.#context.task.enter(keyText, this.#store, (key) => {
          this.#load(key);
          this.#fireUntil(due);
          if (endOf(this.#cell, this.#ttlMs) <= due || isEmptyCell(this.#cell)) {
            this.#cells.remove();
          }
        });
      }
    }
  }

  get key(): K {
    return this.#key as K;
  }
  get now(): number {
    return this.#cell.now;
  }
  get wallNow(): number {
    return this.#context.world.clock.now();
  }
  get state(): S | undefined {
    return this.#cell.state;
  }
  set state(state: S | undefined) {
    if (typeof state === 'object') refusePromise(state, `the state of ${this.#name}`);
    this.#cell.state = state ?? undefined;
  }
  emit(value: R, timestamp = this.#timestamp): void {
    if (typeof value === 'object') refusePromise(value, `emit of ${this.#name}`);
    if (timestamp !== this.#timestamp) checkInstant(timestamp, 'emit');
    this.#next.receive(this.#key, value, timestamp);
  }
  headers(): Headers {
    return this.#context.task.headers();
  }
  row<W>(table: RowsOf<K, W>): W | undefined {
    const read = this.#rows.get(table);
    if (read !== undefined) return read()?.value as W | undefined;
    const problem = `row() reads the table of store ${table.store}: name it in 'tables'`;
    const field = `${this.#name}.tables`;
    throw fatalError(new MillraceError('CONFIG_INVALID', { field, problem }));
  }
  emitTo<K2, V2>(
    topic: Sink<K2, V2>,
    key: K2,
    value: V2 | null,
    timestamp?: number,
    headers?: Headers,
  ): void {
    if (timestamp !== undefined) checkInstant(timestamp, 'emitTo');
    this.#context.task.emit(topic, key, value, timestamp ?? this.#timestamp, headers);
  }
  setTimer(name: string, at: number): void {
    if (typeof name !== 'string') throw new TypeError("setTimer: a timer's name is a text");
    checkInstant(at, `setTimer('${name}')`);
    const { timers } = this.#cell;
    const known = timers.find((timer) => timer.name === name);
    if (known === undefined) timers.push({ name, at });
    else known.at = at;
  }
  cancelTimer(name: string): void {
    const { timers } = this.#cell;
    const i = timers.findIndex((timer) => timer.name === name);
    if (i >= 0) timers.splice(i, 1);
  }
  drop(reason: DropReason): void {
    this.#context.task.drop(this.#name, reason);
  }

  /** Refuses an asynchronous handler: it would change the state of another record's key. */
  #settled(result: unknown): void {
    if (typeof result === 'object') refusePromise(result, `a handler of ${this.#name}`);
  }

  #load(key: K): void {
    this.#key = key;
    this.#cell = this.#cells.get() ?? emptyProcessCell();
  }

  #handles(collections: Collections): Record<string, unknown> {
    const processor = this;
    const handles: Record<string, unknown> = {};
    for (const [name, spec] of Object.entries(collections)) {
      const { type, value } = spec as KeyedListSpec<unknown> | KeyedMapSpec<unknown>;
      const current = {
        list: () => collectionOf(processor.#cell, name, type === 'map'),
        get timestamp() {
          return processor.#timestamp;
        },
      };
      handles[name] =
        type === 'list'
          ? new ListHandle(value, current as Current<number>)
          : new MapHandle(value, current as Current<string>);
    }
    return handles;
  }

  #fireUntil(until: number): void {
    let next = nextTimer(this.#cell);
    if (next === undefined || next.at > until) return;
    const { task } = this.#context;
    const { stand } = task;
    for (; next !== undefined && next.at <= until; next = nextTimer(this.#cell)) {
      this.#fireTimer(next);
    }
    task.stand = stand;
  }

  #fireTimer({ name, at }: Timer): void {
    this.cancelTimer(name);
    if (at > this.#cell.now && this.#spec.clock !== 'wall') this.#cell.now = at;
    this.#timestamp = at;
    if (this.#time.bySource && this.#spec.clock !== 'wall') this.#context.task.stand = at;
    const key = this.#key as K;
    this.#cells.put(this.#cell);
    this.#timer.receive(key, name, at);
    this.#load(key);
  }
}

/** @throws RangeError, which turns the record or timer into a dead letter */
function checkInstant(at: number, call: string): void {
  if (isInstant(at)) return;
  refusePromise(at, `the time of ${call}`);
  throw new RangeError(`${call}: ${instantProblem(at)}`);
}
