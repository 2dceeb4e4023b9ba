/**
 * Rows of tables without a store: mapped, filtered, joined. They are computed when they are read.
 */
import { keyTextOf } from '../engine/base/bytes.ts';
import type { StoreRow } from '../engine/graph/store-spec.ts';
import type { TableView } from '../engine/graph/view.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { JoinKind } from './join-streams-store.ts';
import type { RowJoiner } from './join-tables.ts';
import { present } from './present.ts';

/**
 * Rows derived one by one.
 * @param derive returns the row; null or undefined: no row. For a windowed table the key is the
 * window
 */
export function derivedView(
  name: string,
  of: string,
  derive: (value: unknown, key: unknown) => unknown,
): TableView {
  const made = (row: StoreRow): StoreRow[] => {
    const key = row.window === undefined ? row.key : { key: row.key, ...row.window };
    const value = derive(row.value, key);
    return present(value) ? [{ ...row, value }] : [];
  };
  return { name, of: [of], newestOnly: false, rows: ([rows = []]) => rows.flatMap(made) };
}

/** Rows of two tables of the same keys. */
export function joinedView(
  name: string,
  of: readonly [left: string, right: string],
  kind: JoinKind,
  joiner: RowJoiner,
  key: Serde<unknown>,
): TableView {
  const idOf = (row: StoreRow) => keyTextOf(key.encode(row.key));
  const byId = (rows: readonly StoreRow[]) => new Map(rows.map((row) => [idOf(row), row]));
  const rows: TableView['rows'] = ([lefts = [], rights = []]) => {
    const [left, right] = [byId(lefts), byId(rights)];
    const ids =
      kind === 'outer' ? [...new Set([...left.keys(), ...right.keys()])] : [...left.keys()];
    return ids.sort().flatMap((id): StoreRow[] => {
      const [l, r] = [left.get(id), right.get(id)];
      if (kind === 'inner' && r === undefined) return [];
      const value = joiner(l?.value, r?.value);
      if (!present(value)) return [];
      const timestamp = Math.max(l?.timestamp ?? 0, r?.timestamp ?? 0);
      return [{ key: (l ?? r)?.key, value, timestamp }];
    });
  };
  return { name, of, newestOnly: true, rows };
}

/** A table that emits changes and keeps no rows. */
export function notKeptView(name: string, of: string, why: string): TableView {
  return { name, of: [of], newestOnly: false, rows: why };
}
