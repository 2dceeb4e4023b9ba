/**
 * Expiry of rows after their last change. The expiry instants are indexed by time, so nothing is
 * scanned. When stream time reaches one, the row is deleted as by a tombstone of its topic: a
 * change is forwarded with that instant as timestamp, and the changelog gets a tombstone.
 */
import { ms, optional } from '../engine/base/settings.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { enterDue } from './kit/release.ts';
import { type TableGetter, type TableRow, tableGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

/** The part of a cell that decides when its row expires. */
export interface TimedCell {
  /** ms UTC of its newest change. */
  readonly timestamp: number;
}

export interface TtlOption {
  /**
   * A row is deleted, downstream as well, this many ms of stream time after its last change.
   * Default: never.
   */
  readonly ttlMs?: number;
}

export const ttlRule = optional(ms(1));

export function expiringStore<K, C extends TimedCell>(
  store: StoreSpec<K, C>,
  ttlMs: number,
): StoreSpec<K, C> {
  return { ...store, due: ({ timestamp }) => timestamp + ttlMs };
}

/** A getter that hides expired rows: a stream may be ahead of the table's own time. */
export function livingGetter<V>(getter: TableGetter<V>, ttlMs: number): TableGetter<V> {
  return tableGetter(getter.stores, (context) => {
    const read = getter(context);
    return (asOf, isAhead) => {
      const row = read(undefined, isAhead);
      return row === undefined || asOf === undefined || asOf < row.timestamp + ttlMs
        ? row
        : undefined;
    };
  });
}

interface RowExpiryParts<C extends TimedCell> {
  readonly ttlMs: number;
  readonly store: StoreSpec<never, C>;
  readonly context: BuildContext;
  /** The row of a cell, which may have none. */
  readonly rowOf: (cell: C) => TableRow<unknown> | undefined;
}

export class RowExpiry<C extends TimedCell> implements TimedStep {
  readonly cells: Cells<C>;
  readonly #parts: RowExpiryParts<C>;
  readonly #time: OperatorTime;
  /** Receives deletions; a failed one leaves only its dead letter. */
  readonly #expired: AnyReceiver;
  readonly #underWay: UnderWay;

  constructor(parts: RowExpiryParts<C>) {
    const { store, context } = parts;
    this.#parts = parts;
    this.cells = context.cells(store);
    this.#time = new OperatorTime(this.cells, context.task);
    this.#expired = context.timer(context.output(0));
    this.#underWay = underWay(this.cells);
    context.onTime(this);
  }

  /**
   * Advances time by a record's timestamp and expires rows. Returns the time by which the record is
   * judged.
   */
  advance(timestamp: number): number {
    const now = this.#time.advance(timestamp);
    if (!this.#time.bySource) this.#expire(now);
    return now;
  }

  /** True if a change at that time has already expired. */
  isOver(timestamp: number, now: number): boolean {
    return timestamp + this.#parts.ttlMs <= now;
  }

  /**
   * The current key's cell; a cell that has expired by `now`, which may be ahead of the watermark,
   * is deleted first.
   */
  living(key: unknown, now: number): C | undefined {
    const cell = this.cells.get();
    if (cell === undefined || !this.isOver(cell.timestamp, now)) return cell;
    const { task } = this.#parts.context;
    const { stand } = task;
    this.#end(key, cell);
    task.stand = stand;
    return undefined;
  }

  nextDue(): number {
    return this.cells.nextDue();
  }

  pass(until: number): void {
    this.#expire(this.#time.pass(until));
  }

  /** Rows stay when the input ends. */
  end(): void {}

  #expire(now: number): void {
    if (this.cells.nextDue() > now) return;
    this.#time.keep();
    const { context, store } = this.#parts;
    const { task } = context;
    const { stand } = task;
    enterDue(task, store, this.cells, now, (key) => {
      const cell = this.cells.get();
      if (cell !== undefined) this.#end(key, cell);
    });
    task.stand = stand;
  }

  #end(key: unknown, cell: C): void {
    const { ttlMs, rowOf, context } = this.#parts;
    this.cells.remove();
    const row = rowOf(cell);
    if (row === undefined) return;
    const at = cell.timestamp + ttlMs;
    context.task.stand = at;
    this.#underWay.tell(row, this.#expired, key, null, at);
  }
}
