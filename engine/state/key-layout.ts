/**
 * Keys in a task's backend:
 *
 *   [0]                                 the task: commit id
 *   [n][store name, n bytes][0]         the store: numbers, changelog position
 *   [n][store name][1][key bytes]       a cell: CRC-32C, encoded cell
 *   [n][store name][2][instant 8][key]  due index; the value is empty
 *
 * Values are sealed (base/sealed.ts).
 */
import { orderedTimeBytes, readOrderedTime, writeLatin1, writeOrderedTime } from '../base/bytes.ts';

const cellTag = 1;
const dueTag = 2;

export const taskKey: Buffer = Buffer.from([0]);

export interface StoreKeys {
  readonly meta: Buffer;
  readonly cells: Buffer;
  /** Cells and due index. */
  readonly content: { readonly from: Buffer; readonly to: Buffer };
  cell(keyId: string): Buffer;
  /** The same, for who has the bytes of the key. */
  cellOf(key: Buffer): Buffer;
  due(instant: number, keyId: string): Buffer;
  /** The first possible index key of an instant. */
  dueFrom(instant: number): Buffer;
  readonly dueEnd: Buffer;
  keyIdOfCell(key: Buffer): string;
  entryOfDue(key: Buffer): { readonly due: number; readonly keyId: string };
}

export function storeKeys(store: string): StoreKeys {
  const name = Buffer.from(store);
  const prefix = (tag: number) =>
    Buffer.concat([Buffer.from([name.byteLength]), name, Buffer.from([tag])]);
  const cells = prefix(cellTag);
  const due = prefix(dueTag);
  const cellsText = cells.toString('latin1');
  const dueText = due.toString('latin1');
  const dueOf = (instant: number, keyId: string) => {
    const at = due.byteLength + orderedTimeBytes;
    const key = Buffer.allocUnsafe(at + keyId.length);
    writeLatin1(key, dueText, 0);
    writeOrderedTime(key, due.byteLength, instant);
    writeLatin1(key, keyId, at);
    return key;
  };
  return {
    meta: prefix(0),
    cells,
    content: { from: cells, to: prefix(dueTag + 1) },
    cell: (keyId) => {
      const key = Buffer.allocUnsafe(cells.byteLength + keyId.length);
      writeLatin1(key, cellsText, 0);
      writeLatin1(key, keyId, cells.byteLength);
      return key;
    },
    cellOf: (key) => Buffer.concat([cells, key]),
    due: dueOf,
    dueFrom: (instant) => dueOf(instant, ''),
    dueEnd: prefix(dueTag + 1),
    keyIdOfCell: (key) => key.toString('latin1', cells.byteLength),
    entryOfDue: (key) => ({
      due: readOrderedTime(key, due.byteLength),
      keyId: key.toString('latin1', due.byteLength + orderedTimeBytes),
    }),
  };
}
