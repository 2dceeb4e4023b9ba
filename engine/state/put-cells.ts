/**
 * Takes the cells of a changelog's batch into packed cells: by the native helper (native/cells.cc)
 * where it was built, a record at a time where it was not.
 */
import { nativeHelper } from '../base/native-helper.ts';
import type { PackedBatch } from '../record/batch.ts';
import { cellKeyStart, isCell } from './changelog.ts';
import { rowsIn } from './key-table.ts';
import type { CellsHelper, PackedCells } from './packed-cells.ts';

let loaded: { readonly helper: CellsHelper | undefined } | undefined;

/** Undefined where it was not built. */
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
 * Takes in records from `from` on, up to one that holds no cell; answers its number, or how many
 * there are.
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
