/** What the author of a `process` step writes, and what it may ask for. */
import type { DropReason } from '../engine/base/events.ts';
import type { Sink } from '../engine/graph/topic.ts';
import type { Headers } from '../engine/record/headers.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { CollectionsOf } from './keyed-collections.ts';
import type { Unawaited } from './synchronous.ts';
import type { RowsOf } from './table-getter.ts';

export interface ProcessContext<K, S, R, C = NoCollections> {
  readonly key: K;
  /**
   * The key's state; undefined before the first. Assign to store, also after a change in place.
   * undefined and null remove it; a key without state, timers and entries of collections is
   * forgotten, with its `now`.
   */
  state: S | undefined;
  /** The key's lists and maps, which the spec must name in `collections`. */
  readonly collections: CollectionsOf<C>;
  /** The greatest event time the key has seen, ms UTC. */
  readonly now: number;
  /**
   * The machine's time, ms UTC: for timers on the wall clock. Results that depend on it are not
   * repeatable.
   */
  readonly wallNow: number;
  /** Headers of the record at hand; a timer has none. */
  headers(): Headers;
  /**
   * The row of the key in a table, which the spec must name in `tables`; undefined when there is
   * none.
   */
  row<W>(table: RowsOf<K, W>): W | undefined;
  /** Sends a result on; the timestamp is that of the record or timer unless given, ms UTC. */
  emit(value: R, timestamp?: number): void;
  /** Writes a record to a topic, which the spec must name in `topics`. */
  emitTo<K2, V2>(
    topic: Sink<K2, V2>,
    key: K2,
    value: V2 | null,
    timestamp?: number,
    /** Default: those of the record at hand. */
    headers?: Headers,
  ): void;
  /** Sets the timer of that name to fire at `at` (ms UTC), in place of the one before. */
  setTimer(name: string, at: number): void;
  cancelTimer(name: string): void;
  /** Counts the record as without effect. */
  drop(reason: DropReason): void;
}

export type ProcessClock = 'stream' | 'key' | 'wall';

/** None are asked for. */
export type NoCollections = Readonly<Record<never, never>>;

export interface ProcessSpec<K, V, S, R, C = NoCollections> {
  /** How the state of a key is written; default MessagePack. */
  readonly state?: Serde<S>;
  /** Lists and maps to keep for each key, by name: `keyedList()` and `keyedMap()`. */
  readonly collections?: C;
  /**
   * What is kept of a key ends so many ms after its last record or timer, by the step's clock:
   * state, timers and collections. Default: never.
   */
  readonly ttlMs?: number;
  /** Topics that `emitTo` writes. */
  readonly topics?: readonly Sink<never, never>[];
  /** Tables of the same keys whose rows `row` reads; their changes call nothing here. */
  readonly tables?: readonly RowsOf<K, unknown>[];
  /**
   * What makes time pass for a key's timers: any record, the key's own, or the machine; default
   * 'stream'.
   */
  readonly clock?: ProcessClock;
  /** On the wall clock: how often it is looked at, ms; default 1000. */
  readonly resolutionMs?: number;
  record(context: ProcessContext<K, S, R, C>, value: V, timestamp: number): Unawaited;
  timer?(context: ProcessContext<K, S, R, C>, name: string, at: number): Unawaited;
}
