/**
 * State, as a step sees it. Every store keeps one *cell* per key: the step's data of that key (a
 * value, windows, sessions, timers), decoded once and kept as an object.
 *
 * A cell may be due at an instant (a window to close, a timer to fire). The engine keeps the due
 * instants in an index ordered by (instant, key bytes), so keys are never scanned. The index is
 * derived from the cells; a restore rebuilds it.
 *
 * Laws: all access is for the *current key* of the task (the record's key, or the key entered with
 * `TaskContext.enter`), whose cell was prefetched. A change in place takes effect only with `put`.
 * A read after `put`, in the same or a later record, returns the cell that was put. A crash loses
 * everything since the last commit, together with its outputs and offsets.
 */
import { type Scratch, written } from '../base/scratch.ts';
import type { Serde } from '../serde/serde.ts';
import type { Windowed } from '../serde/windowed.ts';

/** A row that a query returns for a cell; a cell may have several. */
export interface StoreRow<out K = unknown, out V = unknown> {
  readonly key: K;
  readonly value: V;
  /** The window of the row, ms UTC, if it has one. */
  readonly window?: { readonly start: number; readonly end: number };
  /** Time of the newest record in the value, ms UTC, if known. */
  readonly timestamp?: number;
}

export interface StoreSpec<K = unknown, C = unknown> {
  /** Unique in the topology; names the changelog. */
  readonly name: string;
  /** Kind of the store, for `describe`: 'key-value', 'window', 'session', 'timers', ... */
  readonly kind: string;
  readonly key: Serde<K>;
  /** Format of the encoded cell; part of the fingerprint. A new format needs a new value. */
  readonly format: string;
  /** Encodes a cell, appending to the scratch. */
  write(cell: C, to: Scratch): void;
  /** Decodes bytes [start, end); throws if they are damaged. */
  decode(bytes: Buffer, start: number, end: number): C;
  /**
   * Warms a cell: reads a deep part that the operator will read, and returns any number. It is
   * called for many cells before their records, so that their cache misses overlap.
   */
  peek?(cell: C): number;
  /**
   * True for a cell that is never changed in place, including nested values: `put` replaces it. So
   * a record that only reads it changes nothing. Default: cells are changed in place.
   */
  isFixed?(cell: C): boolean;
  /** The next due instant of the cell, ms UTC; +Infinity for never. */
  due?(cell: C): number;
  /**
   * The clock that makes a cell due. 'stream' (default): the operator's stream time, advanced by
   * any key. 'key': only the key's own records and the idle clock, so results of a key do not
   * depend on when other keys' records arrive. 'wall': only ticks of the wall clock; due cells are
   * loaded. 'tick': the same, but every cell with a due instant is loaded at a tick, due or not.
   */
  readonly clock?: 'stream' | 'key' | 'wall' | 'tick';
  /**
   * Keeps all cells in memory, so that the earliest due one can be entered at any time; the store
   * must be bounded.
   */
  readonly resident?: boolean;
  /**
   * Set if the store has no changelog of its own: the records of a source topic are its changes.
   */
  readonly source?: StoreSource<C>;
  /** Large cells are kept in parts. */
  readonly parts?: CellParts<C>;
  /** Rows shown to a query. */
  rows(cell: C, key: K): Iterable<StoreRow>;
  /** For a store with a history: the current rows; default: `rows`. */
  newestRows?(cell: C, key: K): Iterable<StoreRow>;
}

/** The part of a store spec that is needed to enter one of its keys. */
export type KeyedBy<K> = Pick<StoreSpec<K>, 'key'>;

/** A cell's bytes. */
export function encodedCell<C>(spec: Pick<StoreSpec<unknown, C>, 'write'>, cell: C): Buffer {
  return written((scratch) => spec.write(cell, scratch));
}

/**
 * How a cell is cut into parts. A commit logs, and a save writes, only the changed parts. So the
 * cost of a large cell is proportional to its changes, and no record exceeds the log's limit. Parts
 * are numbered from 0; the rest of the cell is the head.
 *
 * A cell is whole at first: it is logged and saved in the format of `write`. If that exceeds
 * `wholeBytesMost`, it is cut, and stays cut until it is removed. Parts are independent: until a
 * restore has read all of them, it may see them in any order, and parts of different commits
 * together.
 */
export interface CellParts<C> {
  /**
   * True if the changelog never has the cell whole; its head is logged under the cell's own name.
   * On disk, small cells are whole.
   */
  readonly always?: boolean;
  /** Cuts the cell; the changelog has none of its parts yet, so all are changes. */
  cut(cell: C): void;
  /**
   * Adds the parts that changed or were removed since the last call to `parts`, each once. Returns
   * true if the head changed.
   */
  takeChanges(cell: C, parts: number[]): boolean;
  /** The non-empty parts, and those removed since the last `takeChanges`. */
  partsOf(cell: C): readonly number[];
  writeHead(cell: C, to: Scratch): void;
  /** Encodes a part; returns false, without writing, if it is empty. */
  writePart(cell: C, part: number, to: Scratch): boolean;
  /** Sets the head of the cell, or of a new one; without a head, the cell keeps its own. */
  withHead(cell: C | undefined, head: Buffer | undefined): C;
  /**
   * Sets a part from the changelog or disk; null removes it. `bytes` are valid until the call
   * returns.
   */
  setPart(cell: C, part: number, bytes: Buffer | null): void;
  /** Approximate size of `write`'s output, bytes; for budgets. */
  bytesOf(cell: C): number;
}

/** A larger cell is cut into parts, if its store supports them; bytes. */
export const wholeBytesMost = 16_384;

/** A source topic used as changelog: every record of it is put, and nothing else. */
export interface StoreSource<C> {
  readonly topic: string;
  /**
   * The cell of a record's value; undefined if the value means no cell. Throws for a value that the
   * step never received.
   */
  cell(value: Buffer, timestamp: number): C | undefined;
}

/**
 * The name of a step's stream time among the store's numbers. Cells due by then are loaded with
 * every batch, because a failed record may have advanced time without closing anything.
 */
export const streamTimeNumber = 'streamTime';

/** A store, as a processor uses it. */
export interface Cells<C> {
  /** Cell of the current key. */
  get(): C | undefined;
  /** Stores the current key's cell, new or changed in place, and indexes its next due instant. */
  put(cell: C): void;
  /** Removes the current key's cell. */
  remove(): void;
  /** The earliest due instant of any key; +Infinity when there is none. */
  nextDue(): number;
  /**
   * Key texts of the keys due at or before `until`, ordered by (instant, key); a copy, so `put` is
   * safe meanwhile.
   */
  dueKeys(until: number): readonly string[];
  /** A number of the operator, stored with the state, e.g. its stream time. */
  number(name: string): number | undefined;
  setNumber(name: string, value: number): void;
}

/** A handle for reading a table from outside: the driver, the query client, the command line. */
export interface StoreHandle<out K = unknown, out V = unknown> {
  /** The table's store, or that of the table that it is derived from. */
  readonly store: string;
  /** For a derived table, which keeps no rows: the name of its view. */
  readonly view?: string;
  /** Phantom: the types of the rows. Never present at run time. */
  readonly rowType?: { readonly key: K; readonly value: V };
}

/** The key of a row: the record's key, also for a row of a window. */
type RowKey<K> = K extends Windowed<infer Base> ? Base : K;

/** A row of a table, by the table's handle. */
export type RowOf<H extends StoreHandle> =
  H extends StoreHandle<infer K, infer V> ? StoreRow<RowKey<K>, V> : never;
