/** Parts of cells that consist of lists (entry-list.ts) and a head. */
import type { Scratch } from '../engine/base/scratch.ts';
import type { CellParts } from '../engine/graph/store-spec.ts';
import type { EntryKey, EntryList } from './entry-list.ts';

/** A part is a leaf of a list: its number is the leaf's id times this, plus the list's number. */
const listsMost = 256;

export type AnyList = Pick<
  EntryList<EntryKey>,
  'cut' | 'takeChanges' | 'partIds' | 'partBytes' | 'setPart' | 'byteLength'
>;

export interface ListCell<C> {
  /** The lists by number; some numbers may have none. */
  lists(cell: C): readonly AnyList[];
  /** The list of a number during a restore. Default: it exists. */
  listAt?(cell: C, number: number): AnyList;
  /** Creates a cell whose lists are in parts. */
  empty(): C;
  /** Writes the cell's content outside of the lists. Default: none. */
  writeHead?(cell: C, to: Scratch): void;
  readHead?(cell: C, head: Buffer): void;
  /** True if the head has changed since the last call. Default: true if there is a head. */
  headChanged?(cell: C): boolean;
}

export function listParts<C>(of: ListCell<C>): CellParts<C> {
  const listOf = (cell: C, part: number) => of.lists(cell)[part % listsMost] as AnyList;
  const each = (cell: C, ids: (list: AnyList) => readonly number[]): number[] =>
    of.lists(cell).flatMap((list, i) => ids(list).map((id) => id * listsMost + i));
  /** Cells that were just cut: their head was never logged. */
  const headless = new WeakSet<object>();
  return {
    cut(cell) {
      of.lists(cell).forEach((list) => {
        list.cut();
      });
      headless.add(cell as object);
    },
    takeChanges(cell, parts) {
      parts.push(...each(cell, (list) => list.takeChanges()));
      const isFirst = headless.delete(cell as object);
      const changed = of.headChanged?.(cell) ?? of.writeHead !== undefined;
      return isFirst || changed;
    },
    partsOf: (cell) => each(cell, (list) => list.partIds()),
    writeHead: (cell, to) => of.writeHead?.(cell, to),
    writePart(cell, part, to) {
      const bytes = listOf(cell, part).partBytes(Math.floor(part / listsMost));
      if (bytes !== undefined) to.append(bytes);
      return bytes !== undefined;
    },
    withHead(cell, head) {
      const made = cell ?? of.empty();
      if (head !== undefined && head.byteLength > 0) of.readHead?.(made, head);
      return made;
    },
    setPart: (cell, part, bytes) => listOf(cell, part).setPart(Math.floor(part / listsMost), bytes),
    bytesOf: (cell) => of.lists(cell).reduce((sum, list) => sum + list.byteLength, 0),
  };
}
