/**
 * Adds the cells of a changelog batch to packed cells: with the native helper (native/cells.cc) if
 * it was built, otherwise record by record.
 */
import { nativeHelper } from '../base/native-helper.ts';
import type { PackedBatch } from '../record/batch.ts';
import { cellKeyStart, isCell } from './changelog.ts';
import { rowsIn } from './key-table.ts';
import type { CellsHelper, PackedCells } from './packed-cells.ts';

let loaded: { readonly helper: CellsHelper | undefined } | undefined;

/** The native helper; undefined if it was not built. */
export function cellsHelper(): CellsHelper | undefined {
  loaded ??= { helper: loadHelper() };
  return loaded.helper;
}

function loadHelper(): CellsHelper | undefined {
  try {
    return nativeHelper<CellsHelper>('engine/state/native', 'cells');
  } catch {
    return undefined;
  }
}

/**
 * Adds records from `from` on, up to the first without a cell. Returns its number, or the number of
 * records.
 * @param helper `cellsHelper()`
 */
export function putCells(
  packed: PackedCells,
  batch: PackedBatch,
  from: number,
  helper: CellsHelper | undefined,
): number {
  if (helper !== undefined) return packed.putBatch(helper, batch, from);
  let to = from;
  while (to < batch.count && isCell(batch, to)) to++;
  const rows = rowsIn(packed.keys, batch, from, to, cellKeyStart);
  for (let i = from; i < to; i++) {
    const length = batch.valueLengths[i] as number;
    packed.put(rows[i] as number, batch.view, batch.valueStart(i), length);
  }
  return to;
}
