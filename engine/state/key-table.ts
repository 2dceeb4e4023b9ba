/**
 * Interns keys: each distinct byte string gets a dense row number, and callers keep per-key data in
 * arrays indexed by row. All keys share one buffer and two columns: no object per key, and no
 * string to look one up.
 *
 *   slots   at the key's hash or the next free slot, two numbers each: hash, row + 1 (0: free)
 *    places  by row: offset and length of the key, -1 for a free row
 *   bytes   key · key · ...   some of them removed
 *
 * A lookup misses the cache in each of the three. So the keys of a batch are looked up in three
 * passes (hashes, slots, keys); within a pass no key depends on another, so the misses overlap.
 *
 * The hash has two random multipliers per thread, so a sender cannot craft colliding keys. The
 * order of rows does not depend on the hash.
 */
import { randomFillSync } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { latin1 } from '../base/bytes.ts';
import { grown } from '../base/grown.ts';
import { Scratch } from '../base/scratch.ts';

const [hashAt, rowAt, slotBits] = [0, 1, 1];
const slotWidth = 1 << slotBits;
const firstSlots = 64;
const firstRows = 32;
const firstBytes = 1_024;
/**
 * Keys that are looked up together; few enough that the data of the passes stays in the nearest
 * cache.
 */
const together = 1_024;

/** Odd, so that no bit of a key is lost. */
export const hashFactors: Int32Array = randomFillSync(new Int32Array(2)).map((n) => n | 1);
const [firstFactor = 1, secondFactor = 1] = hashFactors;

/** Positions of the keys of a batch: offsets and lengths; a negative length means no key. */
export interface KeyColumns {
  /** The bytes that `starts` refer to. */
  readonly view: DataView;
  readonly starts: Int32Array;
  readonly keyLengths: Int32Array;
}

/**
 * The columns of a table, for code that adds keys directly; valid until keys are added in another
 * way.
 */
export interface KeyTableColumns {
  readonly slots: Int32Array;
  readonly places: Int32Array;
  readonly bytes: Buffer;
  /** Rows in use in `places`. */
  readonly rows: number;
  /** Bytes in use in `bytes`. */
  readonly byteLength: number;
}

/** For the keys of the current pass: hashes, and candidate rows, -1 for none. */
const hashes = new Int32Array(together);
const candidates = new Int32Array(together);
/** Bytes of a key that was given as a string. */
const spelt = new Scratch(256);

function spell(keyText: string): DataView {
  spelt.length = 0;
  spelt.latin1(keyText);
  return spelt.view;
}

function hashOf(view: DataView, start: number, length: number): number {
  let hash = length;
  let at = start;
  for (const end = start + length - 3; at < end; at += 4) {
    const mixed = hash ^ view.getInt32(at, true);
    hash = (Math.imul(mixed, firstFactor) + Math.imul(mixed >>> 16, secondFactor)) | 0;
  }
  for (const end = start + length; at < end; at++) {
    const mixed = hash ^ view.getUint8(at);
    hash = (Math.imul(mixed, firstFactor) + Math.imul(mixed >>> 16, secondFactor)) | 0;
  }
  // The low bits name the slot.
  return hash ^ (hash >>> 15);
}

function areSame(
  left: DataView,
  leftStart: number,
  right: DataView,
  rightStart: number,
  length: number,
): boolean {
  let i = 0;
  for (; i < length - 3; i += 4) {
    if (left.getInt32(leftStart + i, true) !== right.getInt32(rightStart + i, true)) return false;
  }
  for (; i < length; i++) {
    if (left.getUint8(leftStart + i) !== right.getUint8(rightStart + i)) return false;
  }
  return true;
}

/**
 * Adds the keys of records [from, to) to each table, if they are not in it.
 * @param rows by table and record, to be filled: the key's row, -1 for a record without a key
 * @param skip number of bytes at the start of a record's key that are not part of the table's key
 */
export function addKeys(
  tables: readonly KeyTable[],
  keys: KeyColumns,
  from: number,
  to: number,
  rows: readonly Int32Array[],
  skip = 0,
): void {
  for (let first = from; first < to; first += together) {
    const end = Math.min(first + together, to);
    hashKeys(keys, first, end, skip);
    for (let t = 0; t < tables.length; t++) {
      (tables[t] as KeyTable).addHashed(keys, first, end, rows[t] as Int32Array, skip);
    }
  }
}

/** Rows of the records of the current batch. */
let rowsAtHand = new Int32Array(0);

/**
 * Returns the rows of the keys of records [from, to), new ones if needed; -1 without a key. Valid
 * until the next call.
 * @param skip as in `addKeys`
 */
export function rowsIn(
  table: KeyTable,
  keys: KeyColumns,
  from: number,
  to: number,
  skip: number,
): Int32Array {
  if (rowsAtHand.length < to) rowsAtHand = new Int32Array(2 * to);
  addKeys([table], keys, from, to, [rowsAtHand], skip);
  return rowsAtHand;
}

function hashKeys(keys: KeyColumns, from: number, to: number, skip: number): void {
  const { view, starts, keyLengths } = keys;
  for (let i = from; i < to; i++) {
    const length = (keyLengths[i] as number) - skip;
    hashes[i - from] = hashOf(view, (starts[i] as number) + skip, length);
  }
}

export class KeyTable {
  #slots = new Int32Array(slotWidth * firstSlots);
  #bytes = new Scratch(firstBytes);
  #places = new Int32Array(2 * firstRows);
  /** Bytes of removed keys. */
  #removed = 0;
  #rows = 0;
  /** Free rows, for reuse. */
  readonly #free: number[] = [];

  /** Upper bound (exclusive) of all rows. */
  get rowsEnd(): number {
    return this.#rows;
  }

  get #size(): number {
    return this.#rows - this.#free.length;
  }

  /** Bytes in use. */
  get byteLength(): number {
    return this.#bytes.length + Int32Array.BYTES_PER_ELEMENT * (2 + 3 * slotWidth) * this.#rows;
  }

  /** The key's row, -1 when it has none. */
  rowOf(keyText: string): number {
    const view = spell(keyText);
    const { length } = keyText;
    return this.#rowAt(this.#slotOf(view, 0, length, hashOf(view, 0, length)));
  }

  /** The key's row, a new one when it has none. */
  add(keyText: string): number {
    const view = spell(keyText);
    return this.#add(view, 0, keyText.length, hashOf(view, 0, keyText.length));
  }

  /** The key's bytes, valid until more keys are added. */
  keyOf(row: number): Buffer {
    const start = this.#places[2 * row] as number;
    return this.#bytes.bytes.subarray(start, start + (this.#places[2 * row + 1] as number));
  }

  keyTextOf(row: number): string {
    const start = this.#places[2 * row] as number;
    return latin1(this.#bytes.bytes, start, start + (this.#places[2 * row + 1] as number));
  }

  /** Removes the key; another key may get the row. */
  remove(row: number): void {
    const start = this.#places[2 * row] as number;
    if (start < 0) return;
    const length = this.#places[2 * row + 1] as number;
    this.#freeSlot(row, hashOf(this.#bytes.view, start, length));
    this.#places[2 * row] = -1;
    this.#free.push(row);
    this.#removed += length;
    if (this.#removed > firstBytes && 2 * this.#removed > this.#bytes.length) this.#compact();
  }

  clear(): void {
    this.#slots = new Int32Array(slotWidth * firstSlots);
    this.#bytes = new Scratch(firstBytes);
    this.#places = new Int32Array(2 * firstRows);
    this.#removed = 0;
    this.#rows = 0;
    this.#free.length = 0;
  }

  /**
   * Returns the columns, with room for `keys` more keys of `bytes` bytes in total. Requires that no
   * key was ever removed.
   */
  columnsFor(keys: number, bytes: number): KeyTableColumns {
    assert(this.#free.length === 0, 'rows follow one another');
    let enough = this.#slots.length;
    while (2 * slotWidth * (this.#rows + keys) > enough) enough *= 2;
    if (enough > this.#slots.length) this.#spread(enough);
    while (2 * (this.#rows + keys) > this.#places.length) this.#places = grown(this.#places);
    const [slots, places, rows] = [this.#slots, this.#places, this.#rows];
    return { slots, places, rows, bytes: this.#bytes.room(bytes), byteLength: this.#bytes.length };
  }

  /** Call after adding keys to the columns directly, with the new number of rows and bytes. */
  grown(rows: number, byteLength: number): void {
    this.#rows = rows;
    this.#bytes.length = byteLength;
  }

  /** `addKeys` for one table: records [from, to), whose hashes are computed. */
  addHashed(keys: KeyColumns, from: number, to: number, rows: Int32Array, skip: number): void {
    const { view, starts, keyLengths } = keys;
    this.#findCandidates(to - from);
    for (let i = from; i < to; i++) {
      const length = (keyLengths[i] as number) - skip;
      if (length < 0) {
        rows[i] = -1;
        continue;
      }
      const start = (starts[i] as number) + skip;
      const row = candidates[i - from] as number;
      rows[i] =
        row >= 0 && this.#isKey(row, view, start, length)
          ? row
          : this.#add(view, start, length, hashes[i - from] as number);
    }
  }

  /** Finds the first row with each hash of the pass. */
  #findCandidates(count: number): void {
    const slots = this.#slots;
    const last = slots.length - 1;
    for (let i = 0; i < count; i++) {
      const hash = hashes[i] as number;
      let slot = (hash << slotBits) & last;
      while (slots[slot + rowAt] !== 0 && slots[slot + hashAt] !== hash) {
        slot = (slot + slotWidth) & last;
      }
      candidates[i] = (slots[slot + rowAt] as number) - 1;
    }
  }

  #isKey(row: number, view: DataView, start: number, length: number): boolean {
    const places = this.#places;
    return (
      places[2 * row + 1] === length &&
      areSame(this.#bytes.view, places[2 * row] as number, view, start, length)
    );
  }

  #add(view: DataView, start: number, length: number, hash: number): number {
    const slot = this.#slotOf(view, start, length, hash);
    const known = this.#rowAt(slot);
    if (known >= 0) return known;
    const row = this.#free.pop() ?? this.#rows++;
    if (2 * row === this.#places.length) this.#places = grown(this.#places);
    this.#places[2 * row] = this.#bytes.length;
    this.#places[2 * row + 1] = length;
    this.#bytes.appendView(view, start, length);
    const slots = this.#slots;
    slots[slot + hashAt] = hash;
    slots[slot + rowAt] = row + 1;
    if (2 * slotWidth * this.#size > slots.length) this.#spread(2 * slots.length);
    return row;
  }

  #rowAt(slot: number): number {
    return (this.#slots[slot + rowAt] as number) - 1;
  }

  /** The key's slot, or the free slot for it. */
  #slotOf(view: DataView, start: number, length: number, hash: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    for (let slot = (hash << slotBits) & last; ; slot = (slot + slotWidth) & last) {
      const row = this.#rowAt(slot);
      if (row < 0) return slot;
      if (slots[slot + hashAt] === hash && this.#isKey(row, view, start, length)) return slot;
    }
  }

  /** Frees the row's slot and moves the slots after it closer to their hash positions. */
  #freeSlot(row: number, hash: number): void {
    const slots = this.#slots;
    const last = slots.length - 1;
    let hole = (hash << slotBits) & last;
    while (slots[hole + rowAt] !== row + 1) hole = (hole + slotWidth) & last;
    for (let slot = (hole + slotWidth) & last; slots[slot + rowAt] !== 0; ) {
      const home = ((slots[slot + hashAt] as number) << slotBits) & last;
      if (((slot - home) & last) >= ((slot - hole) & last)) {
        slots[hole + hashAt] = slots[slot + hashAt] as number;
        slots[hole + rowAt] = slots[slot + rowAt] as number;
        hole = slot;
      }
      slot = (slot + slotWidth) & last;
    }
    slots[hole + rowAt] = 0;
  }

  /** Rehashes into new slots. @param length of the new column */
  #spread(length: number): void {
    const from = this.#slots;
    const to = new Int32Array(length);
    const last = to.length - 1;
    for (let old = 0; old < from.length; old += slotWidth) {
      if (from[old + rowAt] === 0) continue;
      let slot = ((from[old + hashAt] as number) << slotBits) & last;
      while (to[slot + rowAt] !== 0) slot = (slot + slotWidth) & last;
      to[slot + hashAt] = from[old + hashAt] as number;
      to[slot + rowAt] = from[old + rowAt] as number;
    }
    this.#slots = to;
  }

  /** Closes the gaps of removed keys in the bytes and the slots. */
  #compact(): void {
    const { view, length } = this.#bytes;
    const kept = new Scratch(Math.max(firstBytes, 2 * (length - this.#removed)));
    const places = this.#places;
    for (let row = 0; row < this.#rows; row++) {
      const start = places[2 * row] as number;
      if (start < 0) continue;
      places[2 * row] = kept.length;
      kept.appendView(view, start, places[2 * row + 1] as number);
    }
    this.#bytes = kept;
    this.#removed = 0;
    let enough = slotWidth * firstSlots;
    while (enough < 4 * slotWidth * this.#size) enough *= 2;
    if (enough < this.#slots.length) this.#spread(enough);
  }
}
