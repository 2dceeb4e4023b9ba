/** Tables that keep no rows of their own (mapped, filtered, joined): their rows follow from stores. */
import { MillraceError } from '../base/errors.ts';
import type { Topology } from './graph.ts';
import type { StoreHandle, StoreRow } from './store-spec.ts';

export interface TableView {
  /** Has a '/', as no store has. */
  readonly name: string;
  /** Stores and views that its rows are made of; all in one sub-topology. */
  readonly of: readonly string[];
  /** A store that keeps a history shows only the newest row of each key. */
  readonly newestOnly: boolean;
  /** Its rows, of the rows of each in `of`; a text: why there are none that could be read. */
  readonly rows: ((inputs: readonly (readonly StoreRow[])[]) => StoreRow[]) | string;
}

export interface Readable {
  /** A store or a view. */
  readonly table: string;
  /** A store that it comes from: its tasks hold the rows, and its keys are the rows' keys. */
  readonly store: string;
}

/**
 * The table of a name: that of a store, of a view, or of a table among the topology's exports.
 * @throws STORE_UNKNOWN when there is none, TABLE_NOT_KEPT when its rows cannot be read
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

/** Tables that the author returned from `topology()`, by the name they have there. */
function exportedTables({ exports }: Topology): ReadonlyMap<string, string> {
  if (typeof exports !== 'object' || exports === null) return new Map();
  return new Map(
    Object.entries(exports).flatMap(([name, value]) => {
      const { store, view = store } = (value ?? {}) as Partial<StoreHandle>;
      return typeof view === 'string' ? [[name, view] as const] : [];
    }),
  );
}
