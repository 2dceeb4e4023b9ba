/**
 * State, as a step sees it. Every store keeps one *cell* a key: whatever the step wants to know of
 * that key (a value, its windows, its sessions, its timers), decoded once and held as an object.
 *
 * A cell may be due at an instant (a window to close, a timer to fire). The engine keeps the due
 * instants in an index ordered by (instant, key bytes), so nobody ever scans keys. The index
 * follows from the cells; a restore rebuilds it.
 *
 * Laws: all access is for the *current key* of the task (the record's key, or the key entered with
 * `TaskContext.enter`), whose cell was prefetched. A cell that was changed in place counts only
 * after `put`. What is read after `put` in the same or a later record is what was put. A crash
 * forgets everything since the last commit, together with the outputs and offsets of that time.
 */
import { type Scratch, written } from '../base/scratch.ts';
import type { Serde } from '../serde/serde.ts';
import type { Windowed } from '../serde/windowed.ts';

/** What a query shows of a cell: one row a value. */
export interface StoreRow<out K = unknown, out V = unknown> {
  readonly key: K;
  readonly value: V;
  /** ms UTC; when the row is a window's. */
  readonly window?: { readonly start: number; readonly end: number };
  /** ms UTC of the newest record in the value, when known. */
  readonly timestamp?: number;
}

export interface StoreSpec<K = unknown, C = unknown> {
  /** Unique in the topology; names the changelog. */
  readonly name: string;
  /** What it is, for `describe`: 'key-value', 'window', 'session', 'timers', ... */
  readonly kind: string;
  readonly key: Serde<K>;
  /** Form of the encoded cell; raised when it changes, part of the fingerprint. */
  readonly format: string;
  /** Encodes a cell, after what the scratch holds already. */
  write(cell: C, to: Scratch): void;
  /** Decodes bytes [start, end); throws when they are damaged. */
  decode(bytes: Buffer, start: number, end: number): C;
  /**
   * Reads what of the cell lies deepest and an operator is about to read, and answers any number.
   * It is called for many cells before their records come, so that the processor waits for their
   * memory at once.
   */
  peek?(cell: C): number;
  /**
   * True of a cell that nobody changes in place, not even what it holds: `put` replaces it. So a
   * record that only read it has left no trace. Default: cells are changed in place.
   */
  isFixed?(cell: C): boolean;
  /** The next instant at which the cell wants attention; +Infinity for never. */
  due?(cell: C): number;
  /**
   * Whose clock makes a cell due. 'stream' (default): the operator's stream time, moved by any key.
   * 'key': only the key's own records and the idle clock; so what happens to a key does not depend
   * on when other keys' records arrive. 'wall': only ticks of the wall clock; what is due by then
   * is loaded. 'tick': the same, but every cell with any instant is loaded at a tick, be it due or
   * not.
   */
  readonly clock?: 'stream' | 'key' | 'wall' | 'tick';
  /**
   * All cells stay in memory, so that the earliest due one may be entered at any time; must be
   * bounded.
   */
  readonly resident?: boolean;
  /** Has no changelog of its own: the records of a topic that the step reads are its changes. */
  readonly source?: StoreSource<C>;
  /** Large cells are kept in parts. */
  readonly parts?: CellParts<C>;
  /** Rows shown to a query. */
  rows(cell: C, key: K): Iterable<StoreRow>;
  /** Of a store that keeps a history: the rows as they are now; default: `rows`. */
  newestRows?(cell: C, key: K): Iterable<StoreRow>;
}

/** What has keys of a type: all that is needed of a store to enter one of its keys. */
export type KeyedBy<K> = Pick<StoreSpec<K>, 'key'>;

/** A cell's bytes. */
export function encodedCell<C>(spec: Pick<StoreSpec<unknown, C>, 'write'>, cell: C): Buffer {
  return written((scratch) => spec.write(cell, scratch));
}

/**
 * How a cell is cut into parts. A commit logs the parts that changed, and a save writes those, so a
 * large cell costs in proportion to what changed, and none of its records exceeds what a log takes.
 * Parts are named by whole numbers from 0 on; what belongs to none is the head.
 *
 * A cell begins whole: it is logged and saved as `write` writes it. When that exceeds
 * `wholeBytesMost`, it is cut, and stays so until it is removed. Parts are independent of one
 * another: a restore may meet them in any order, and parts of different commits together, until it
 * has read all of them.
 */
export interface CellParts<C> {
  /**
   * The changelog never has the cell whole; its head is logged under the cell's own name. On disk
   * small ones lie whole.
   */
  readonly always?: boolean;
  /** The changelog has none of the cell's parts: all of it is a change. */
  cut(cell: C): void;
  /**
   * What changed since it was asked last. Adds the parts to `parts`, also those that went, each
   * once; answers whether the head changed.
   */
  takeChanges(cell: C, parts: number[]): boolean;
  /** The parts that hold something, and those that went since `takeChanges` was called last. */
  partsOf(cell: C): readonly number[];
  writeHead(cell: C, to: Scratch): void;
  /** False, and nothing written, when there is nothing in it. */
  writePart(cell: C, part: number, to: Scratch): boolean;
  /** The cell, or a new one, with this head; with its own when none is given. */
  withHead(cell: C | undefined, head: Buffer | undefined): C;
  /**
   * Takes a part over from the changelog or from disk; null = it is gone. `bytes` are good until
   * the call returns.
   */
  setPart(cell: C, part: number, bytes: Buffer | null): void;
  /** About as many bytes as `write` would write; for budgets. */
  bytesOf(cell: C): number;
}

/** A cell that takes more bytes is cut into parts, where its store has them. */
export const wholeBytesMost = 16_384;

/**
 * The topic that stands for a store's changelog: every record of it is put, and nothing else is.
 */
export interface StoreSource<C> {
  readonly topic: string;
  /**
   * The cell that a record's value makes; undefined when it says that there is none. Throws for a
   * value that the step never saw.
   */
  cell(value: Buffer, timestamp: number): C | undefined;
}

/**
 * The number under which a step keeps its stream time, if it does. What is due by then is loaded
 * with every batch: a record that failed may have moved the time and closed nothing.
 */
export const streamTimeNumber = 'streamTime';

/** The store behind a spec, as a processor holds it. */
export interface Cells<C> {
  /** Cell of the current key. */
  get(): C | undefined;
  /** Stores the current key's cell, new or changed in place, and indexes its next due instant. */
  put(cell: C): void;
  /** Forgets the current key's cell. */
  remove(): void;
  /** The earliest due instant of any key; +Infinity when there is none. */
  nextDue(): number;
  /**
   * Ids of the keys due at or before `until`, ordered by (instant, key); a copy, safe to `put`
   * during.
   */
  dueKeys(until: number): readonly string[];
  /** A number of the operator itself, kept with the state, e.g. its stream time. */
  number(name: string): number | undefined;
  setNumber(name: string, value: number): void;
}

/**
 * A handle by which a table is read from outside: the driver, the query client, the command line.
 */
export interface StoreHandle<out K = unknown, out V = unknown> {
  /** The store that holds the table, or the one of the table that it is derived from. */
  readonly store: string;
  /** Of a derived table, which keeps no rows: the name by which its own rows are read. */
  readonly view?: string;
  /** Phantom: the types of the rows. Never present at run time. */
  readonly rowType?: { readonly key: K; readonly value: V };
}

/** The key of a row: that of the record, also where the row is a window's. */
type RowKey<K> = K extends Windowed<infer Base> ? Base : K;

/** A row of a table, by the table's handle. */
export type RowOf<H extends StoreHandle> =
  H extends StoreHandle<infer K, infer V> ? StoreRow<RowKey<K>, V> : never;
