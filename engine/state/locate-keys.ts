/** Finds the keys of records in the stores of a task. */
import { addKeys, type KeyColumns, type KeyTable } from './key-table.ts';
import type { StoreState } from './store-state.ts';

/**
 * Finds the keys of records [from, to) in every store, and creates empty entries for keys that are
 * known not to be on disk.
 * @param rows by store and record, to be filled
 * @param wanted gets the keys that must be prefetched, some more than once
 */
export function locateKeys(
  states: readonly StoreState[],
  tables: readonly KeyTable[],
  keys: KeyColumns,
  from: number,
  to: number,
  rows: readonly Int32Array[],
  wanted: string[],
): void {
  addKeys(tables, keys, from, to, rows);
  for (const state of states) state.table.makeRoom();
  const first = rows[0] as Int32Array;
  for (let i = from; i < to; i++) {
    if ((first[i] as number) < 0) continue;
    for (let s = 0; s < states.length; s++) {
      const row = (rows[s] as Int32Array)[i] as number;
      if ((states[s] as StoreState).table.at(row) !== undefined) continue;
      makeEntries(states, rows, i, wanted);
      break;
    }
  }
}

/**
 * Creates missing entries of record `i`'s key; if there may be a cell on disk, adds the key to
 * `wanted`.
 */
function makeEntries(
  states: readonly StoreState[],
  rows: readonly Int32Array[],
  i: number,
  wanted: string[],
): void {
  const first = states[0] as StoreState;
  const rowInFirst = (rows[0] as Int32Array)[i] as number;
  // One string for all stores.
  const keyText = first.table.at(rowInFirst)?.keyText ?? first.table.keys.keyTextOf(rowInFirst);
  for (const [s, state] of states.entries()) {
    const row = (rows[s] as Int32Array)[i] as number;
    if (state.table.at(row) !== undefined) continue;
    if (state.isWhole) state.loadAt(row, keyText, undefined, 0);
    else wanted.push(keyText);
  }
}
