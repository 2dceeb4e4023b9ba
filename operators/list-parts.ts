/** Cells that are made of lists (entry-list.ts) and a little more: how they are kept in parts. */
import type { Scratch } from '../engine/base/scratch.ts';
import type { CellParts } from '../engine/graph/store-spec.ts';
import type { EntryKey, EntryList } from './entry-list.ts';

/** A part is a leaf of a list: its number is the leaf's id times this, and the list's number. */
const listsMost = 256;

export type AnyList = Pick<
  EntryList<EntryKey>,
  'cut' | 'takeChanges' | 'partIds' | 'partBytes' | 'setPart' | 'byteLength'
>;

export interface ListCell<C> {
  /** Each at its number, of which there may be some without a list. */
  lists(cell: C): readonly AnyList[];
  /** The list of a number when it is restored. Default: it is there. */
  listAt?(cell: C, number: number): AnyList;
  /** Its lists are in parts. */
  empty(): C;
  /** What is not in the lists. Default: nothing. */
  writeHead?(cell: C, to: Scratch): void;
  readHead?(cell: C, head: Buffer): void;
  /** Whether it has changed since it was asked last. Default: it has, if there is a head. */
  headChanged?(cell: C): boolean;
}

export function listParts<C>(of: ListCell<C>): CellParts<C> {
  const listOf = (cell: C, part: number) => of.lists(cell)[part % listsMost] as AnyList;
  const each = (cell: C, ids: (list: AnyList) => readonly number[]): number[] =>
    of.lists(cell).flatMap((list, i) => ids(list).map((id) => id * listsMost + i));
  /** Of cells that were cut just now: their head was never logged. */
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
