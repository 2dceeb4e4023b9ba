/**
 * Keys in a task's backend:
 *
 *   [0]                                 the task: commit id
 *   [n][store name, n bytes][0]         the store: numbers, changelog position
 *   [n][store name][1][key bytes]       a cell: CRC-32C, encoded cell
 *   [n][store name][2][instant 8][key]  due index; the value is empty
 *
 * Values are a CRC-32C (4 bytes, big-endian) and the content.
 */
import { asBuffer, orderedTimeBytes, readOrderedTime, writeOrderedTime } from '../base/bytes.ts';
import { crc32c } from '../base/crc32c.ts';

const cellTag = 1;
const dueTag = 2;

export const taskKey: Buffer = Buffer.from([0]);

export interface StoreKeys {
  readonly meta: Buffer;
  readonly cells: Buffer;
  cell(keyId: string): Buffer;
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
  const dueFrom = (instant: number) => {
    const key = Buffer.allocUnsafe(due.byteLength + orderedTimeBytes);
    due.copy(key);
    writeOrderedTime(key, due.byteLength, instant);
    return key;
  };
  return {
    meta: prefix(0),
    cells,
    cell: (keyId) => Buffer.concat([cells, Buffer.from(keyId, 'latin1')]),
    due: (instant, keyId) => Buffer.concat([dueFrom(instant), Buffer.from(keyId, 'latin1')]),
    dueFrom,
    dueEnd: prefix(dueTag + 1),
    keyIdOfCell: (key) => key.toString('latin1', cells.byteLength),
    entryOfDue: (key) => ({
      due: readOrderedTime(key, due.byteLength),
      keyId: key.toString('latin1', due.byteLength + orderedTimeBytes),
    }),
  };
}

export function sealed(content: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(4 + content.byteLength);
  asBuffer(content).copy(value, 4);
  value.writeUInt32BE(crc32c(content), 0);
  return value;
}

/** The content of a sealed value; undefined when its checksum is wrong. */
export function unsealed(value: Buffer): Buffer | undefined {
  if (value.byteLength < 4) return undefined;
  const content = value.subarray(4);
  return crc32c(content) === value.readUInt32BE(0) ? content : undefined;
}
