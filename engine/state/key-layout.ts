/**
 * Keys in a task's backend:
 *
 *   [0]                                 the task: commit id
 *   [n][store name, n bytes][0]         the store: numbers, changelog position
 *   [n][store name][1][key bytes]       a cell: CRC-32C, encoded cell; of a cell in parts its head (stored-cells.ts)
 *   [n][store name][2][instant 8][key]  due index; the value is empty
 *   [n][store name][3][u32 length of the key][key][part 8]    a part of a cell
 *
 * Values have a checksum (base/checksummed.ts).
 */
import { orderedTimeBytes, readOrderedTime, writeLatin1, writeOrderedTime } from '../base/bytes.ts';

const cellTag = 1;
const dueTag = 2;
const partTag = 3;

export const taskKey: Buffer = Buffer.from([0]);

export interface StoreKeys {
  readonly meta: Buffer;
  readonly cells: Buffer;
  /** Cells, due index and parts. */
  readonly content: { readonly from: Buffer; readonly to: Buffer };
  cell(keyText: string): Buffer;
  /** The same, from the bytes of the key. */
  cellOf(key: Buffer): Buffer;
  due(instant: number, keyText: string): Buffer;
  /** The first possible index key of an instant. */
  dueFrom(instant: number): Buffer;
  readonly dueEnd: Buffer;
  part(keyText: string, part: number): Buffer;
  /** All parts of a key. */
  partsOf(keyText: string): { readonly from: Buffer; readonly to: Buffer };
  partOf(key: Buffer): number;
  keyTextOfCell(key: Buffer): string;
  entryOfDue(key: Buffer): { readonly due: number; readonly keyText: string };
}

export function storeKeys(store: string): StoreKeys {
  const name = Buffer.from(store);
  const prefix = (tag: number) =>
    Buffer.concat([Buffer.from([name.byteLength]), name, Buffer.from([tag])]);
  const cells = prefix(cellTag);
  const due = prefix(dueTag);
  const parts = prefix(partTag);
  const partsText = parts.toString('latin1');
  const partOf = (keyText: string, part: number) => {
    const at = parts.byteLength + 4;
    const key = Buffer.allocUnsafe(at + keyText.length + orderedTimeBytes);
    writeLatin1(key, partsText, 0);
    key.writeUInt32BE(keyText.length, parts.byteLength);
    writeLatin1(key, keyText, at);
    writeOrderedTime(key, at + keyText.length, part);
    return key;
  };
  const cellsText = cells.toString('latin1');
  const dueText = due.toString('latin1');
  const dueOf = (instant: number, keyText: string) => {
    const at = due.byteLength + orderedTimeBytes;
    const key = Buffer.allocUnsafe(at + keyText.length);
    writeLatin1(key, dueText, 0);
    writeOrderedTime(key, due.byteLength, instant);
    writeLatin1(key, keyText, at);
    return key;
  };
  return {
    meta: prefix(0),
    cells,
    content: { from: cells, to: prefix(partTag + 1) },
    cell: (keyText) => {
      const key = Buffer.allocUnsafe(cells.byteLength + keyText.length);
      writeLatin1(key, cellsText, 0);
      writeLatin1(key, keyText, cells.byteLength);
      return key;
    },
    cellOf: (key) => Buffer.concat([cells, key]),
    due: dueOf,
    dueFrom: (instant) => dueOf(instant, ''),
    dueEnd: prefix(dueTag + 1),
    part: partOf,
    partsOf: (keyText) => ({
      from: partOf(keyText, 0),
      to: partOf(keyText, Number.MAX_SAFE_INTEGER),
    }),
    partOf: (key) => readOrderedTime(key, key.byteLength - orderedTimeBytes),
    keyTextOfCell: (key) => key.toString('latin1', cells.byteLength),
    entryOfDue: (key) => ({
      due: readOrderedTime(key, due.byteLength),
      keyText: key.toString('latin1', due.byteLength + orderedTimeBytes),
    }),
  };
}
