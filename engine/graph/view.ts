/**
 * Tables without a store of their own (mapped, filtered, joined): their rows are derived from
 * stores.
 */
import { isMillraceError, MillraceError } from '../base/errors.ts';
import type { Topology } from './graph.ts';
import type { StoreHandle, StoreRow, StoreSpec } from './store-spec.ts';

export interface TableView {
  /** Contains a '/', which store names cannot. */
  readonly name: string;
  /** Stores and views that its rows derive from; all in one sub-topology. */
  readonly of: readonly string[];
  /** True if a store with a history shows only the newest row of each key. */
  readonly newestOnly: boolean;
  /** Derives its rows from the rows of each in `of`; a string: why its rows cannot be read. */
  readonly rows: ((inputs: readonly (readonly StoreRow[])[]) => StoreRow[]) | string;
}

export interface Readable {
  /** A store or a view. */
  readonly table: string;
  /** A store that it derives from: its tasks have the rows, and its keys are the rows' keys. */
  readonly store: string;
}

/** Formats a row as plain data; undefined skips the row. `args` is unchanged from the request. */
export type ShowRow = (row: StoreRow, args: unknown) => unknown;

/**
 * The author's function for formatting the rows of an exported table: `show` beside the handle. It
 * is called in the thread that has the rows, so that only its result is sent.
 */
export function shownBy({ exports }: Topology, name: string): ShowRow | undefined {
  const value = (exports as Readonly<Record<string, unknown>> | null | undefined)?.[name];
  const { show } = (value ?? {}) as { readonly show?: unknown };
  return typeof show === 'function' ? (show as ShowRow) : undefined;
}

/** A table that can be queried. */
export interface ListedTable extends Readable {
  readonly name: string;
  readonly kind: string;
  readonly keyFormat: string;
  readonly valueFormat: string;
}

/** All stores, and the tables among the topology's exports, by name. */
export function listedTables(topology: Topology): ListedTable[] {
  const specs = new Map<string, StoreSpec<unknown, unknown>>();
  for (const node of topology.nodes) {
    if (node.type !== 'step') continue;
    for (const spec of node.step.stores) specs.set(spec.name, spec);
  }
  const names = new Set([...specs.keys(), ...exportedTables(topology).keys()]);
  return [...names].sort().flatMap((name) => {
    const readable = readableOrNot(topology, name);
    const spec = readable && specs.get(readable.store);
    if (readable === undefined || spec === undefined) return [];
    const isOwn = readable.table === readable.store && shownBy(topology, name) === undefined;
    const kind = isOwn ? spec.kind : 'derived';
    const [keyFormat, valueFormat] = [spec.key.format, isOwn ? spec.format : 'json'];
    return [{ name, ...readable, kind, keyFormat, valueFormat }];
  });
}

function readableOrNot(topology: Topology, name: string): Readable | undefined {
  try {
    return readableTable(topology, name);
  } catch (error) {
    if (isMillraceError(error, 'TABLE_NOT_KEPT')) return undefined;
    throw error;
  }
}

/** The stores that the rows of a table derive from. */
export function storesOf(topology: Topology, table: string): readonly string[] {
  const view = topology.views.get(table);
  if (view === undefined) return [table];
  return [...new Set(view.of.flatMap((one) => storesOf(topology, one)))];
}

/**
 * Finds a table by name: of a store, a view, or an export of the topology.
 * @throws STORE_UNKNOWN if there is none, TABLE_NOT_KEPT if its rows cannot be read
 */
export function readableTable(topology: Topology, name: string): Readable {
  const stores = new Set(
    topology.nodes
      .flatMap((node) => (node.type === 'step' ? node.step.stores : []))
      .map((s) => s.name),
  );
  const exported = exportedTables(topology);
  const table = stores.has(name) || topology.views.has(name) ? name : (exported.get(name) ?? name);
  let store = table;
  for (let view = topology.views.get(store); view !== undefined; view = topology.views.get(store)) {
    if (typeof view.rows === 'string') {
      throw new MillraceError('TABLE_NOT_KEPT', { table: name, problem: view.rows });
    }
    store = view.of[0] as string;
  }
  if (stores.has(store)) return { table, store };
  const known = [...new Set([...stores, ...exported.keys()])].sort();
  throw new MillraceError('STORE_UNKNOWN', { store: name, stores: known.join(', ') });
}

/** Tables that `define` returned, by their names there. */
function exportedTables({ exports }: Topology): ReadonlyMap<string, string> {
  if (typeof exports !== 'object' || exports === null) return new Map();
  return new Map(
    Object.entries(exports).flatMap(([name, value]) => {
      const { store, view = store } = (value ?? {}) as Partial<StoreHandle>;
      return typeof view === 'string' ? [[name, view] as const] : [];
    }),
  );
}
