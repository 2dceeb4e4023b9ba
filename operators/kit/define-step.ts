/**
 * defineStep: creates an operator from its parts. Only here are types erased, null keys and values
 * dropped, settings of the definition checked, and time tracked.
 *
 *   const everyNth = <K, V>(name: string, n: number): StepOf<K, V, V> => {
 *     checkSettings(name, { n }, { n: count(1) });
 *     return defineStep<K, V, V, { seen: StoreSpec<K, number> }>({
 *       kind: 'every-nth',
 *       name,
 *       stores: ({ key }) => ({ seen: cellStore({ name, key, cell: int64 }) }),
 *       value: ({ value }) => value,
 *       build: ({ stores: { seen }, forward }) => ({
 *         record: (key, value, timestamp) => {
 *           const many = (seen.get() ?? 0) + 1;
 *           seen.put(many % n);
 *           if (many % n === 0) forward(key, value, timestamp);
 *         },
 *       }),
 *     });
 *   };
 *   stream.apply(everyNth('third', 3))
 */
import { refusePromise } from '../../engine/base/promises.ts';
import {
  aFunction,
  anObject,
  checkSettings,
  choice,
  flag,
  list,
  longestTimerMs,
  ms,
  optional,
  type Rule,
  refuseSetting,
  text,
} from '../../engine/base/settings.ts';
import type { Step } from '../../engine/graph/node.ts';
import type {
  AnyReceiver,
  BuildContext,
  TaskContext,
  TimedStep,
} from '../../engine/graph/processor.ts';
import type { StoreSpec } from '../../engine/graph/store-spec.ts';
import type { Sink } from '../../engine/graph/topic.ts';
import type { Serde } from '../../engine/serde/serde.ts';
import { standOfDue } from '../../engine/time/watermark.ts';
import { KeyedStore } from './keyed-store.ts';
import { releaseDue, visitDue } from './release.ts';

/** The input of a step. */
export interface StepInput<K, V> {
  /** Serde of the keys. */
  readonly key: Serde<K>;
  /** Serde of the values; undefined if their type has changed, as after `map`. */
  readonly value: Serde<V> | undefined;
}

/** An external step, for `Stream.apply` and `Table.apply`. */
export interface StepOf<K, V, R> {
  /** Creates the step after an input. */
  at(input: StepInput<K, V>): Step;
  /** Serde of the results, if they must be written; undefined: MessagePack. */
  valueAt(input: StepInput<K, V>): Serde<R> | undefined;
}

/** Stores of a step, by their field name in `build`. */
export type StepStores = Readonly<Record<string, StoreSpec>>;

/** The stores that `build` receives. */
export type KeyedStores<S extends StepStores> = {
  readonly [N in keyof S]: S[N] extends StoreSpec<infer K, infer C> ? KeyedStore<C, K> : never;
};

/**
 * Forwards a result. On the edges of a table, `old` is the previous row; undefined if there was
 * none.
 */
export type Forward<K, R> = (key: K, value: R, timestamp: number, old?: R) => void;

/** The argument of `build`, once per task. */
export interface StepParts<K, R, S extends StepStores> {
  readonly stores: KeyedStores<S>;
  readonly forward: Forward<K, R>;
  /** Drops, dead letters, headers, topics, the record's position. */
  readonly task: TaskContext;
  /** The full context, for anything not covered here. */
  readonly context: BuildContext;
}

/** Buffered results of a step that are released when time passes. */
export interface DueWork<K, T> {
  /** The store whose cells have due instants (`due`). */
  readonly store: KeyedStore<unknown>;
  /**
   * Removes the results due at `until` (ms UTC, may be Infinity) from the current key's cell,
   * stores the rest, and returns them.
   */
  take(until: number): readonly T[];
  /** When a result fell due, ms UTC: results are forwarded in this order, then by key. */
  dueAt?(one: T): number;
  /** Forwards a result; its key is the current key. Absent: due results are only dropped. */
  forward?(key: K, one: T): void;
  /** Headers stored with a result; absent: none. */
  headersOf?(one: T): Uint8Array;
  /**
   * When the input ends: 'release' the waiting results, or 'keep' them for the next input. Default
   * 'release', and 'keep' if due results are only dropped.
   */
  readonly atEnd?: 'release' | 'keep';
}

/** The functions of a step. None may return a promise or read a clock. */
export interface StepBody<K, V, T = unknown> {
  /**
   * Processes a record; its key is the current key.
   * @param now time of the step, ms UTC, for judging lateness: older records may be late; -Infinity
   * for a step without stores
   * @param old on the edges of a table: the previous row; undefined if there was none
   */
  record(key: K, value: V, timestamp: number, now: number, old?: V): void;
  /** Work that is due when time passes; it runs before the record that advances time. */
  readonly due?: DueWork<K, T>;
  /** The wall clock has passed a multiple of `wallClockMs`; `now` is ms UTC. */
  readonly tick?: (now: number) => void;
}

export interface StepDefinition<K, V, R, S extends StepStores> {
  /** Kind of the step, for `describe`, such as 'every-nth'. Compared when a new version starts. */
  readonly kind: string;
  /** Unique in the topology if the step has stores. */
  readonly name: string;
  /** Settings shown by `describe` and compared when a new version starts. */
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Stores, each with a name unique in the topology; the first one keeps the step's time. */
  readonly stores?: (input: StepInput<K, V>) => S;
  /** Serde of the results; default MessagePack. */
  readonly value?: (input: StepInput<K, V>) => Serde<R> | undefined;
  /**
   * False: the step also receives records with a null key, for which stores cannot be used.
   * Default: true with stores; such records are dropped and counted as null_key.
   */
  readonly keyed?: boolean;
  /**
   * True: the step also receives null values (a table's deletions); 'made': only those created by
   * earlier steps, not those of a topic. Default: they are dropped and counted as null_value.
   */
  readonly nulls?: boolean | 'made';
  /** Topics that `task.emit` writes. */
  readonly topics?: readonly Sink<never, never>[];
  /** How often `tick` is called, ms of the wall clock. */
  readonly wallClockMs?: number;
  /** Called once for each task. */
  build(parts: StepParts<K, R, S>): StepBody<K, V>;
}

const nullsRule: Rule = (value) =>
  value === undefined || value === true || value === false || value === 'made'
    ? undefined
    : "true, false or 'made'";

/**
 * Creates an operator from its definition.
 * @throws CONFIG_INVALID for an invalid definition
 */
export function defineStep<K, V, R, S extends StepStores = Readonly<Record<never, never>>>(
  definition: StepDefinition<K, V, R, S>,
): StepOf<K, V, R> {
  checkSettings('step', definition, {
    kind: text,
    name: text,
    detail: optional(anObject),
    stores: optional(aFunction),
    value: optional(aFunction),
    keyed: optional(flag),
    nulls: nullsRule,
    topics: optional(list),
    wallClockMs: optional(ms(1, longestTimerMs)),
    build: aFunction,
  });
  const { kind, name, detail, topics, wallClockMs, nulls = false } = definition;
  const at = (input: StepInput<K, V>): Step => {
    const specs = definition.stores?.(input) ?? ({} as S);
    return {
      kind,
      name,
      stores: Object.values(specs),
      ...(detail === undefined ? {} : { detail }),
      ...(topics === undefined ? {} : { sinks: topics }),
      ...(wallClockMs === undefined ? {} : { wallClockMs }),
      ...(nulls === true ? { nulls } : {}),
      build: (context) => [built(definition, specs, context)],
    };
  };
  return { at, valueAt: (input) => definition.value?.(input) };
}

/**
 * Creates the step after an input.
 * @throws CONFIG_INVALID if it was not created by `defineStep`
 */
export function stepAt<K, V, R>(step: StepOf<K, V, R>, input: StepInput<K, V>): Step {
  const { at, valueAt } = (step ?? {}) as Partial<StepOf<K, V, R>>;
  if (typeof at !== 'function' || typeof valueAt !== 'function') {
    refuseSetting('apply.step', 'must be what defineStep of millrace/steps returns');
  }
  return step.at(input);
}

function built<K, V, R, S extends StepStores>(
  definition: StepDefinition<K, V, R, S>,
  specs: S,
  context: BuildContext,
): AnyReceiver {
  const { name, nulls = false } = definition;
  const { task } = context;
  const stores = Object.fromEntries(
    Object.entries(specs).map(([field, spec]) => [
      field,
      new KeyedStore(spec, context.cells(spec), task),
    ]),
  );
  const next = context.output(0);
  const body = definition.build({
    stores: stores as KeyedStores<S>,
    forward: (key, value, timestamp, old) => next.receive(key, value, timestamp, old),
    task,
    context,
  });
  if (body?.due !== undefined) checkDue(`step ${name}.due`, body.due);
  checkSettings(`step ${name}`, body, {
    record: aFunction,
    due: optional(anObject),
    tick: optional(aFunction),
  });
  const all = Object.values(stores);
  const due = body.due as DueWork<unknown, unknown> | undefined;
  const timed = due === undefined ? undefined : new Timed(due, task);
  if (timed !== undefined) context.onTime(timed);
  if (body.tick !== undefined) {
    if (definition.wallClockMs === undefined) {
      refuseSetting(`step ${name}.wallClockMs`, 'says how often tick is called, in ms');
    }
    context.onWallClock(body.tick);
  }
  const time = (due?.store ?? all[0])?.time;
  const keyed = definition.keyed ?? all.length > 0;
  return {
    receive: (key, value, timestamp, old) => {
      if (keyed && (key === null || key === undefined)) {
        task.drop(name, 'null_key');
        return;
      }
      if (nulls === false && (value === null || value === undefined)) {
        task.drop(name, 'null_value');
        return;
      }
      const now = time === undefined ? Number.NEGATIVE_INFINITY : time.advance(timestamp);
      if (timed !== undefined) timed.before(now);
      const result: unknown = body.record(key as K, value as V, timestamp, now, old as V);
      if (typeof result === 'object') refusePromise(result, `record of ${name}`);
    },
  };
}

function checkDue<K, T>(field: string, due: DueWork<K, T>): void {
  checkSettings(field, due, {
    store: anObject,
    take: aFunction,
    forward: optional(aFunction),
    dueAt: due.forward === undefined ? optional(aFunction) : aFunction,
    headersOf: optional(aFunction),
    atEnd: optional(choice('release', 'keep')),
  });
}

/** The time-driven side of a step. */
class Timed implements TimedStep {
  readonly #due: DueWork<unknown, unknown>;
  readonly #store: KeyedStore<unknown>;
  readonly #task: TaskContext;

  constructor(due: DueWork<unknown, unknown>, task: TaskContext) {
    this.#due = due;
    this.#store = due.store;
    this.#task = task;
  }

  /** Call before a record at `now`: if time follows records, the record advances it. */
  before(now: number): void {
    if (!this.#store.time.bySource) this.#release(now);
  }

  nextDue(): number {
    return this.#store.cells.nextDue();
  }

  pass(until: number): void {
    this.#release(this.#store.time.pass(until));
  }

  end(): void {
    const { forward, atEnd = forward === undefined ? 'keep' : 'release' } = this.#due;
    if (atEnd === 'release') this.#release(Number.MAX_VALUE);
  }

  #release(until: number): void {
    const { cells, time, spec } = this.#store;
    if (cells.nextDue() > until) return;
    if (until < Number.MAX_VALUE) time.keep();
    const due = this.#due;
    if (due.forward === undefined) {
      visitDue(this.#task, cells, until, () => due.take(until));
      return;
    }
    const dueAt = (one: unknown) => due.dueAt?.(one) ?? until;
    releaseDue<unknown, unknown>(this.#task, spec, cells, until, {
      take: (at) => due.take(at),
      compare: (a, b) => dueAt(a) - dueAt(b),
      forward: (key, one) => due.forward?.(key, one),
      standOf: time.bySource ? (one) => standOfDue(dueAt(one)) : undefined,
      ...(due.headersOf === undefined
        ? {}
        : { headersOf: (one) => due.headersOf?.(one) as Uint8Array }),
    });
  }
}
