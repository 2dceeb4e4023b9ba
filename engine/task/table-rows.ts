/** Rows of a task's tables, as of the moment between two cycles. */
import { MillraceError } from '../base/errors.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { TaskState } from '../state/task-state.ts';

/**
 * Rows of a store, or of a table derived from stores, in key order.
 * @param keyText text of one key; undefined: of all
 * @param newestOnly of a store that keeps a history, the newest row of each key
 * @throws STORE_UNKNOWN
 */
export async function rowsOf(
  topology: Topology,
  open: { readonly part: SubTopology; readonly state: TaskState },
  table: string,
  keyText: string | undefined,
  limit: number | undefined,
  newestOnly: boolean,
): Promise<StoreRow[]> {
  const { part, state } = open;
  const view = topology.views.get(table);
  if (view === undefined || typeof view.rows === 'string') {
    if (part.stores.some((spec) => spec.name === table)) {
      return state.rows(table, keyText, limit, newestOnly);
    }
    const stores = part.stores.map((spec) => spec.name).join(', ');
    throw new MillraceError('STORE_UNKNOWN', { store: table, stores });
  }
  const inputs: StoreRow[][] = [];
  for (const one of view.of) {
    inputs.push(
      await rowsOf(topology, open, one, keyText, undefined, newestOnly || view.newestOnly),
    );
  }
  const rows = view.rows(inputs);
  return limit === undefined ? rows : rows.slice(0, limit);
}
