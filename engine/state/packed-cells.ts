/**
 * Cells of many keys, as bytes: what a restore has brought and nobody has asked for yet. One buffer and two columns
 * for all of them, where an entry of the cache and its cell are a dozen objects.
 *
 *   bytes  key, cell · key, cell · ...   with room for the longest cell that a key had
 *   rows   in the order in which their keys came first: six numbers each
 *   slots  by the hash of the key, or the next free one: number of the row + 1, 0 of a free slot
 */
import { Scratch } from '../base/scratch.ts';

const firstBytes = 16_384;
const firstRows = 256;
/** Numbers of a row: where the key begins, its length, that of the cell, the room for one, the key's hash, and whether the cell is taken. */
const [keyAt, keyLength, cellLength, cellRoom, hashAt, takenAt, width] = [0, 1, 2, 3, 4, 5, 6];
/** Length of a cell that is gone. */
const gone = -1;

export class PackedCells {
  /** The backend has all of it. */
  isSaved = false;
  readonly #body = new Scratch(firstBytes);
  #rows = new Int32Array(width * firstRows);
  #count = 0;
  #slots = new Int32Array(2 * firstRows);

  /** Rows, also those of keys whose cell is gone or taken. */
  get count(): number {
    return this.#count;
  }

  /** Of what is in it. */
  get byteLength(): number {
    return this.#body.length + this.#rows.BYTES_PER_ELEMENT * (width + 2) * this.#count;
  }

  /**
   * The key, so many bytes of `keys` from `keyStart` on, has this cell now: so many bytes of `cells`.
   * @param cellBytes negative when the cell is gone
   */
  put(
    keys: Buffer,
    keyStart: number,
    keyBytes: number,
    cells: Buffer,
    cellStart: number,
    cellBytes: number,
  ): void {
    const hash = hashOf(keys, keyStart, keyBytes);
    const slot = this.#slotOf(keys, keyStart, keyBytes, hash);
    const known = (this.#slots[slot] as number) - 1;
    const row = known < 0 ? this.#newRow(slot, hash) : known;
    const at = width * row;
    const rows = this.#rows;
    rows[at + cellLength] = Math.max(cellBytes, gone);
    if (known >= 0 && cellBytes <= (rows[at + cellRoom] as number)) {
      const cellAt = (rows[at + keyAt] as number) + keyBytes;
      this.#body.putAt(cellAt, cells, cellStart, cellStart + Math.max(cellBytes, 0));
      return;
    }
    // A cell that grows does so again.
    const room = known < 0 ? Math.max(cellBytes, 0) : 2 * cellBytes;
    rows[at + keyAt] = this.#body.length;
    rows[at + keyLength] = keyBytes;
    rows[at + cellRoom] = room;
    const keyEnd = keyStart + keyBytes;
    if (cells === keys && cellStart === keyEnd) {
      this.#body.appendRange(keys, keyStart, keyEnd + Math.max(cellBytes, 0));
    } else {
      this.#body.appendRange(keys, keyStart, keyEnd);
      if (cellBytes > 0) this.#body.appendRange(cells, cellStart, cellStart + cellBytes);
    }
    this.#body.skip(room - Math.max(cellBytes, 0));
  }

  /** The row of a key, whose cell nobody has taken; undefined when there is none. */
  rowOf(keyId: string): number | undefined {
    const key = Buffer.from(keyId, 'latin1');
    const slot = this.#slotOf(key, 0, key.byteLength, hashOf(key, 0, key.byteLength));
    const row = (this.#slots[slot] as number) - 1;
    return row < 0 || this.#rows[width * row + takenAt] === 1 ? undefined : row;
  }

  /** The row's cell is someone else's to keep; its bytes stay until all are saved. */
  take(row: number): void {
    this.#rows[width * row + takenAt] = 1;
  }

  keyOf(row: number): Buffer {
    const start = this.#rows[width * row + keyAt] as number;
    return this.#body.bytes.subarray(
      start,
      start + (this.#rows[width * row + keyLength] as number),
    );
  }

  /** undefined when it is gone. Good until more is put. */
  cellOf(row: number): Buffer | undefined {
    const at = width * row;
    const rows = this.#rows;
    const length = rows[at + cellLength] as number;
    if (length < 0) return undefined;
    const start = (rows[at + keyAt] as number) + (rows[at + keyLength] as number);
    return this.#body.bytes.subarray(start, start + length);
  }

  #newRow(slot: number, hash: number): number {
    const row = this.#count++;
    if (width * (row + 1) > this.#rows.length) {
      const longer = new Int32Array(2 * this.#rows.length);
      longer.set(this.#rows);
      this.#rows = longer;
    }
    this.#rows[width * row + hashAt] = hash;
    this.#slots[slot] = row + 1;
    if (2 * this.#count > this.#slots.length) this.#spread();
    return row;
  }

  /** Twice as many slots. */
  #spread(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    for (let row = 0; row < this.#count; row++) {
      let slot = (this.#rows[width * row + hashAt] as number) & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = row + 1;
    }
    this.#slots = slots;
  }

  /** The slot of the key's row, or the free one where it belongs. */
  #slotOf(from: Buffer, start: number, length: number, hash: number): number {
    const slots = this.#slots;
    let slot = hash & (slots.length - 1);
    for (;;) {
      const row = (slots[slot] as number) - 1;
      if (row < 0 || this.#isKey(row, from, start, length, hash)) return slot;
      slot = (slot + 1) & (slots.length - 1);
    }
  }

  #isKey(row: number, from: Buffer, start: number, length: number, hash: number): boolean {
    const rows = this.#rows;
    const at = width * row;
    if (rows[at + hashAt] !== hash || rows[at + keyLength] !== length) return false;
    const { bytes } = this.#body;
    const keyStart = rows[at + keyAt] as number;
    let i = 0;
    while (i < length && bytes[keyStart + i] === from[start + i]) i++;
    return i === length;
  }
}

/** FNV-1a (Fowler, Noll, Vo), 32 bits, mixed once more, as the low bits name the slot. */
function hashOf(bytes: Buffer, start: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < start + length; i++) {
    hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  }
  return hash ^ (hash >>> 15);
}
