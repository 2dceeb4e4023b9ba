/**
 * The step of every windowed aggregate. A window family decides which windows a record updates and
 * which are closed; this file has the common parts: stream time, drops, late output, emission.
 */
import { refuseSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Sink } from '../engine/graph/topic.ts';
import { closesAt } from '../engine/time/closed.ts';
import { standOfDue } from '../engine/time/watermark.ts';
import type { TimedWindow } from '../engine/time/windows/window-spec.ts';
import { dropUnusable } from './aggregate.ts';
import { type Closed, closeDue, FailedResult } from './closing.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { present } from './present.ts';
import { keyTimedCells, keyTimedStore, type WindowCell } from './window-cell.ts';

/**
 * What steps read about the windows changed by a record: their results; only their identity, to
 * detect windows that expire before they close; or nothing, because final results follow anyway.
 */
export type UpdatesWanted = 'results' | 'windows' | 'nothing';

export interface WindowUpdate<A> {
  readonly start: number;
  readonly end: number;
  /** null: the window was withdrawn (a session that grew). */
  readonly value: A | null;
  readonly timestamp: number;
  readonly old: A | undefined;
}

/** Update of an accepted record whose changes no step needs. */
export const acceptedOnly: WindowUpdate<never>[] = [withoutResult<never>(0)];

/**
 * An update without a result: it only says that the record was accepted, and from which start on.
 */
export function withoutResult<A>(start: number): WindowUpdate<A> {
  return { start, end: start, value: null, timestamp: 0, old: undefined };
}

export interface WindowFamily<K, V, A, C extends WindowCell<A> = WindowCell<A>> {
  readonly store: StoreSpec<K, C>;
  /**
   * True if records are judged by their stand and windows are closed by the watermark, which may be
   * behind.
   */
  bySource?: boolean;
  emptyCell(): C;
  /**
   * Adds a record to the current key's windows and returns the updates in the order of emission.
   * `timeBefore` is the previous stream time; by source, how far the watermark has passed. Calls
   * `late` for each closed window (hopping) or once for the record (others). Windows that start
   * before `oldestStart` are ignored.
   */
  update(
    cells: Cells<C>,
    value: V,
    timestamp: number,
    streamTime: number,
    late: () => void,
    timeBefore: number,
    oldestStart: number,
  ): WindowUpdate<A>[];
  /** Order of results that become final together; ties are ordered by key. */
  readonly order: (a: Closed<A>, b: Closed<A>) => number;
  /**
   * Removes the closed windows from the current key's cell and returns them, ascending by start.
   */
  takeClosed(cells: Cells<C>, streamTime: number): Closed<A>[];
}

export interface WindowStepOptions<K, V> {
  /** 'update' (default): emits every change of a window; 'close': one final result per window. */
  readonly emit?: 'update' | 'close';
  /** Topic for late records, which no window accepts. */
  readonly late?: Sink<K, V>;
  /**
   * Drops a window that starts at least this many ms before the newest one. With emission on close
   * it has no result, and is counted as expired; a sliding window is no longer the base of newer
   * ones. Kafka Streams does this (its store keeps size + grace; sliding: 2 size + grace), and so
   * loses results when time jumps. Default: nothing expires.
   */
  readonly retentionMs?: number;
  /**
   * Whose records advance time for a key's windows. 'stream' (default): those of all keys of the
   * partition. 'key': only the key's own, so that its results do not depend on when other keys'
   * records arrive; the key's last windows then wait for its next record or the idle clock.
   */
  readonly clock?: 'stream' | 'key';
}

export function windowedStep<K, V, A>(
  name: string,
  spec: TimedWindow,
  family: WindowFamily<K, V, A>,
  options: WindowStepOptions<K, V>,
  aggregateName: string | undefined,
): Step {
  const { emit = 'update', late, retentionMs, clock = 'stream' } = options;
  if (clock === 'key' && retentionMs !== undefined) {
    const problem = "windows expire by the stream's time only: leave it out, or the clock 'key'";
    refuseSetting(`${name}.retentionMs`, problem);
  }
  const store = clock === 'key' ? keyTimedStore(family.store) : family.store;
  return {
    kind: 'aggregate-window',
    name,
    detail: {
      aggregate: aggregateName ?? 'own',
      emit,
      ...(retentionMs === undefined ? {} : { retentionMs }),
      ...(clock === 'key' ? { clock } : {}),
      ...spec,
    },
    stores: [store],
    ...(late === undefined ? {} : { sinks: [late as Sink<never, never>] }),
    build: (context) => {
      const aggregate = new WindowedAggregate(name, spec, family, store, options, context);
      context.onTime(aggregate);
      return [aggregate as AnyReceiver];
    },
  };
}

class WindowedAggregate<K, V, A> implements TimedStep {
  readonly #name: string;
  readonly #spec: TimedWindow;
  readonly #family: WindowFamily<K, V, A>;
  readonly #store: StoreSpec<K, WindowCell<A>>;
  readonly #keyTimed: boolean;
  readonly #closing: boolean;
  readonly #late: Sink<K, V> | undefined;
  readonly #retentionMs: number;
  readonly #context: BuildContext;
  readonly #cells: Cells<WindowCell<A>>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  /** Number of windows that refused the current record. */
  #refusals = 0;
  readonly #refuse = () => {
    this.#refusals++;
    this.#context.task.drop(this.#name, 'late');
  };

  constructor(
    name: string,
    spec: TimedWindow,
    family: WindowFamily<K, V, A>,
    store: StoreSpec<K, WindowCell<A>>,
    options: WindowStepOptions<K, V>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#spec = spec;
    this.#family = family;
    this.#store = store;
    this.#keyTimed = options.clock === 'key';
    this.#closing = options.emit === 'close';
    this.#late = options.late;
    this.#retentionMs = options.retentionMs ?? Number.POSITIVE_INFINITY;
    this.#context = context;
    const cells = context.cells<WindowCell<A>>(store);
    this.#cells = this.#keyTimed ? keyTimedCells(cells) : cells;
    this.#time = new OperatorTime(this.#cells, context.task);
    family.bySource = this.#time.bySource;
    this.#next = context.output(0);
  }

  receive(key: K, value: V, timestamp: number): void {
    if (dropUnusable(this.#context, this.#name, key, value)) return;
    const { bySource } = this.#time;
    const timeBefore = this.#keyTimed && !bySource ? this.#keyTime : this.#time.now;
    let streamTime = this.#keyTimed
      ? Math.max(this.#keyTime, timestamp)
      : this.#time.advance(timestamp);
    // Windows that the watermark has closed are closed, whatever the key's own time.
    if (this.#keyTimed && bySource)
      streamTime = Math.max(streamTime, this.#time.advance(timestamp));
    this.#refusals = 0;
    const updates = this.#family.update(
      this.#cells,
      value,
      timestamp,
      streamTime,
      this.#refuse,
      timeBefore,
      this.#expiredBefore + 1,
    );
    if (this.#refusals > 0 && updates.length === 0 && this.#late !== undefined) {
      this.#context.task.emit(this.#late, key, value, timestamp);
    }
    if (this.#retentionMs !== Number.POSITIVE_INFINITY) this.#noteNewest(updates);
    if (!this.#closing) for (const update of updates) this.#forward(key, update);
    if (this.#keyTimed) this.#closeKey(key, Math.max(this.#keyTime, timestamp));
    else if (!bySource) this.#close(streamTime);
  }

  nextDue(): number {
    return this.#cells.nextDue();
  }

  pass(until: number): void {
    this.#close(this.#time.pass(until));
  }

  end(): void {
    this.#close(Number.MAX_VALUE);
  }

  #close(streamTime: number): void {
    if (this.#cells.nextDue() > streamTime) return;
    if (streamTime < Number.MAX_VALUE) this.#time.keep();
    const { task } = this.#context;
    const { stand } = task;
    closeDue<A>(
      this.#context,
      this.#store,
      this.#cells,
      streamTime,
      () => this.#family.takeClosed(this.#cells, streamTime),
      this.#family.order,
      this.#closing ? (key, closed) => this.#final(key as K, closed) : undefined,
    );
    task.stand = stand;
  }

  /** Closes windows of the current key by its own time. */
  #closeKey(key: K, keyTime: number): void {
    const cell = this.#cells.get() ?? this.#family.emptyCell();
    if (cell.now !== keyTime) {
      cell.now = keyTime;
      this.#cells.put(cell);
    }
    if (this.#time.bySource) return;
    if ((this.#store.due?.(cell) ?? Number.POSITIVE_INFINITY) > keyTime) return;
    const closed = [...this.#family.takeClosed(this.#cells, keyTime)].sort(this.#family.order);
    if (!this.#closing) return;
    // Each window is a unit of its own: a failed one becomes its own dead letter. As a failure of
    // the record, the window would stay and fail again at the key's next record.
    const { task } = this.#context;
    for (const one of closed) task.enterUndecoded(task.keyText, () => this.#final(key, one));
  }

  /**
   * Time of the current key: that of its records, or of the idle clock, which applies to all keys.
   */
  get #keyTime(): number {
    return Math.max(this.#cells.get()?.now ?? Number.NEGATIVE_INFINITY, this.#time.now);
  }

  #noteNewest(updates: readonly WindowUpdate<A>[]): void {
    const newest = Math.max(this.#newestStart, ...updates.map(({ start }) => start));
    if (newest > this.#newestStart) this.#cells.setNumber('newestStart', newest);
  }

  /** Windows that start before this have expired. Without a retention no lookup is needed. */
  get #expiredBefore(): number {
    return this.#retentionMs === Number.POSITIVE_INFINITY
      ? Number.NEGATIVE_INFINITY
      : this.#newestStart - this.#retentionMs;
  }

  get #newestStart(): number {
    return this.#cells.number('newestStart') ?? Number.NEGATIVE_INFINITY;
  }

  #final(key: K, closed: Closed<A>): void {
    const { start, end, value, timestamp } = closed;
    if (value instanceof FailedResult) throw value.error;
    // If the aggregate returned null, there is no result.
    if (!present(value)) return;
    if (this.#time.bySource) this.#context.task.stand = standOfDue(closesAt(this.#spec, end));
    if (start < this.#expiredBefore) {
      this.#context.task.drop(this.#name, 'expired');
    } else {
      this.#next.receive({ key, start, end }, value, timestamp);
    }
  }

  #forward(key: K, { start, end, value, timestamp, old }: WindowUpdate<A>): void {
    // A window whose aggregate returned null is not a row; if it was none before, nothing is
    // emitted.
    if (!present(value) && !present(old)) return;
    this.#next.receive({ key, start, end }, value ?? null, timestamp, old ?? undefined);
  }
}
