/**
 * The step of every windowed aggregate. A window family says which windows a record updates and
 * which are closed; this file does what all families share: stream time, drops, late output,
 * emission.
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
 * What steps read of the windows that a record changed: their results; only which windows they
 * were, as those that expire before they close are known so; or nothing, as final results come
 * anyway.
 */
export type UpdatesWanted = 'results' | 'windows' | 'nothing';

export interface WindowUpdate<A> {
  readonly start: number;
  readonly end: number;
  /** null = the window is no more (a session that grew). */
  readonly value: A | null;
  readonly timestamp: number;
  readonly old: A | undefined;
}

/** For a record that was accepted, where no step reads what it changed. */
export const acceptedOnly: WindowUpdate<never>[] = [withoutResult<never>(0)];

/**
 * A change whose result nobody asked for; it only tells that the record was taken in, up to where.
 */
export function withoutResult<A>(start: number): WindowUpdate<A> {
  return { start, end: start, value: null, timestamp: 0, old: undefined };
}

export interface WindowFamily<K, V, A, C extends WindowCell<A> = WindowCell<A>> {
  readonly store: StoreSpec<K, C>;
  /**
   * Records are judged by how far their source stood, and windows closed by the watermark, which
   * may be behind.
   */
  bySource?: boolean;
  emptyCell(): C;
  /**
   * Takes a record into the current key's windows and answers the updates in the order they are
   * emitted; `timeBefore` is the stream time before it; by source, how far the watermark has
   * passed. Calls `late` for each window (hopping) or record (others) that is closed already.
   * Windows that start before `oldestStart` are not looked at any more.
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
  /** Order of results that become final together; the key decides what it leaves open. */
  readonly order: (a: Closed<A>, b: Closed<A>) => number;
  /** Takes what is closed out of the current key's cell, ascending by start. */
  takeClosed(cells: Cells<C>, streamTime: number): Closed<A>[];
}

export interface WindowStepOptions<K, V> {
  /** 'update': every change of a window; 'close': one final result a window. Default 'update'. */
  readonly emit?: 'update' | 'close';
  /** Gets the records that no window takes in any more. */
  readonly late?: Sink<K, V>;
  /**
   * A window that starts so many ms before the newest one, or more, is forgotten. With emission on
   * close it has no result, and is counted as expired; a sliding window is no longer what newer
   * ones begin with. Kafka Streams does so (its store keeps size + grace; sliding: 2 size + grace)
   * and thereby loses results when time jumps. Default: nothing expires.
   */
  readonly retentionMs?: number;
  /**
   * Whose records make time pass for a key's windows: 'stream' (default): those of all keys of the
   * partition; 'key': only the key's own, so that what happens to a key does not depend on when
   * other keys' records arrive; then a key's last windows wait for its next record or the idle
   * clock.
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
  /** Windows that refused the record at hand. */
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
    // What the watermark has closed is closed, however far the key itself has come.
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

  /** Closes windows of the current key, whose time alone has passed. */
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
    // Each is a unit of its own: one that fails is its own dead letter, not that of the record at
    // hand, which would leave the window to fail at the key's next record.
    const { task } = this.#context;
    for (const one of closed) task.enterUndecoded(task.keyText, () => this.#final(key, one));
  }

  /** Time of the current key: that of its records, and of the idle clock, which is everybody's. */
  get #keyTime(): number {
    return Math.max(this.#cells.get()?.now ?? Number.NEGATIVE_INFINITY, this.#time.now);
  }

  #noteNewest(updates: readonly WindowUpdate<A>[]): void {
    const newest = Math.max(this.#newestStart, ...updates.map(({ start }) => start));
    if (newest > this.#newestStart) this.#cells.setNumber('newestStart', newest);
  }

  /**
   * Windows that start before it have expired. Without a retention there is no number to look up.
   */
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
    // An aggregate that answers null has no result.
    if (!present(value)) return;
    if (this.#time.bySource) this.#context.task.stand = standOfDue(closesAt(this.#spec, end));
    if (start < this.#expiredBefore) {
      this.#context.task.drop(this.#name, 'expired');
    } else {
      this.#next.receive({ key, start, end }, value, timestamp);
    }
  }

  #forward(key: K, { start, end, value, timestamp, old }: WindowUpdate<A>): void {
    // A window whose aggregate answers null is no row, and nothing is told of one that was none.
    if (!present(value) && !present(old)) return;
    this.#next.receive({ key, start, end }, value ?? null, timestamp, old ?? undefined);
  }
}
