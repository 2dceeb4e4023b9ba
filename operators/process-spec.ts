/** The specification of a `process` step, and its context. */
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
   * The key's state; undefined at first. Assign it to store it, also after a change in place.
   * undefined and null remove it; a key without state, timers and collection entries is removed,
   * with its `now`.
   */
  state: S | undefined;
  /** The key's lists and maps, as listed in the spec's `collections`. */
  readonly collections: CollectionsOf<C>;
  /** The greatest event time the key has seen, ms UTC. */
  readonly now: number;
  /**
   * The machine's time, ms UTC, for timers on the wall clock. Results that depend on it are not
   * repeatable.
   */
  readonly wallNow: number;
  /** Headers of the current record; a timer has none. */
  headers(): Headers;
  /** The key's row of a table that the spec lists in `tables`; undefined if there is none. */
  row<W>(table: RowsOf<K, W>): W | undefined;
  /** Emits a result. @param timestamp ms UTC; default: that of the record or timer */
  emit(value: R, timestamp?: number): void;
  /** Writes a record to a topic that the spec lists in `topics`. */
  emitTo<K2, V2>(
    topic: Sink<K2, V2>,
    key: K2,
    value: V2 | null,
    timestamp?: number,
    /** Default: those of the current record. */
    headers?: Headers,
  ): void;
  /** Sets the timer `name` to fire at `at` (ms UTC); replaces an earlier one with this name. */
  setTimer(name: string, at: number): void;
  cancelTimer(name: string): void;
  /** Counts the record as dropped. */
  drop(reason: DropReason): void;
}

export type ProcessClock = 'stream' | 'key' | 'wall';

/** No collections. */
export type NoCollections = Readonly<Record<never, never>>;

export interface ProcessSpec<K, V, S, R, C = NoCollections> {
  /** Serde of a key's state; default MessagePack. */
  readonly state?: Serde<S>;
  /** Lists and maps to keep for each key, by name: `keyedList()` and `keyedMap()`. */
  readonly collections?: C;
  /**
   * Deletes a key's state, timers and collections this many ms after its last record or timer, by
   * the step's clock. Default: never.
   */
  readonly ttlMs?: number;
  /** Topics that `emitTo` writes. */
  readonly topics?: readonly Sink<never, never>[];
  /** Tables with the same keys whose rows `row` reads; their changes do not call the step. */
  readonly tables?: readonly RowsOf<K, unknown>[];
  /**
   * What advances time for a key's timers: any record, the key's own records, or the wall clock;
   * default 'stream'.
   */
  readonly clock?: ProcessClock;
  /** With the wall clock: interval between reads, ms; default 1000. */
  readonly resolutionMs?: number;
  record(context: ProcessContext<K, S, R, C>, value: V, timestamp: number): Unawaited;
  timer?(context: ProcessContext<K, S, R, C>, name: string, at: number): Unawaited;
}
