/**
 * Encoded cells of many keys: restored cells that have not been used yet. They share one buffer and
 * one column, while a cache entry with its cell is a dozen objects.
 *
 *   keys   rows in the order of first appearance (key-table.ts)
 *   cells  by row, four numbers each
 *   body   cell · cell · ...   with room for the longest cell that a key had
 */
import { assert } from '../base/assert.ts';
import { grown } from '../base/grown.ts';
import { Scratch } from '../base/scratch.ts';
import type { PackedBatch } from '../record/batch.ts';
import { hashFactors, KeyTable } from './key-table.ts';

const firstBytes = 16_384;
const firstRows = 256;
/** Numbers of a row: offset of its cell, length, reserved length, and whether the cell is taken. */
const [cellAt, cellLength, cellRoom, takenAt, width] = [0, 1, 2, 3, 4];
/** Length of a deleted cell. */
const gone = -1;

/**
 * native/cells.cc: works on the columns described here and in key-table.ts, which must have enough
 * room.
 */
export interface CellsHelper {
  /**
   * As `putCells` (put-cells.ts).
   * @param image of a batch
   * @param numbers rows, bytes of keys, bytes of the body (in use; updated by the call); the
   * factors of the hash
   */
  putCells(
    image: ArrayBuffer,
    from: number,
    numbers: Int32Array,
    slots: Int32Array,
    places: Int32Array,
    keys: Buffer,
    cells: Int32Array,
    body: Buffer,
  ): number;
}

export class PackedCells {
  /** True if the backend has all cells. */
  isSaved = false;
  /** The keys. */
  readonly keys = new KeyTable();
  readonly #body = new Scratch(firstBytes);
  #cells = new Int32Array(width * firstRows);
  #count = 0;

  /** Number of rows, including keys whose cell is deleted or taken. */
  get count(): number {
    return this.#count;
  }

  /** Of what is in it. */
  get byteLength(): number {
    const { BYTES_PER_ELEMENT } = this.#cells;
    return this.#body.length + BYTES_PER_ELEMENT * width * this.#count + this.keys.byteLength;
  }

  /**
   * Sets the cell of the row's key: `length` bytes of the view from `start` on.
   * @param length negative for a deletion
   */
  put(row: number, view: DataView, start: number, length: number): void {
    while (row >= this.#count) this.#newRow();
    const at = width * row;
    const cells = this.#cells;
    const isFirst = cells[at + cellRoom] === gone;
    cells[at + cellLength] = Math.max(length, gone);
    const most = Math.max(length, 0);
    if (!isFirst && most <= (cells[at + cellRoom] as number)) {
      this.#body.putViewAt(cells[at + cellAt] as number, view, start, most);
      return;
    }
    // A cell that has grown will probably grow again.
    const room = isFirst ? most : 2 * most;
    cells[at + cellAt] = this.#body.length;
    cells[at + cellRoom] = room;
    this.#body.appendView(view, start, most);
    this.#body.skip(room - most);
  }

  /**
   * Lets the native helper put the cells of records from `from` on; as `putCells` (put-cells.ts).
   */
  putBatch(helper: CellsHelper, batch: PackedBatch, from: number): number {
    const keys = this.keys.columnsFor(batch.count - from, batch.bytes.byteLength);
    // Worst case: each key is new and each cell has grown.
    while (width * (keys.rows + batch.count - from) > this.#cells.length) {
      this.#cells = grown(this.#cells);
    }
    assert(this.#count === keys.rows, 'every key has a cell');
    const body = this.#body.room(2 * batch.bytes.byteLength);
    const numbers = Int32Array.of(keys.rows, keys.byteLength, this.#body.length, ...hashFactors);
    const { slots, places, bytes } = keys;
    const next = helper.putCells(
      batch.image,
      from,
      numbers,
      slots,
      places,
      bytes,
      this.#cells,
      body,
    );
    const [rows = 0, keyBytes = 0, bodyBytes = 0] = numbers;
    this.keys.grown(rows, keyBytes);
    this.#count = rows;
    this.#body.length = bodyBytes;
    return next;
  }

  /** The row of a key whose cell has not been taken; undefined if there is none. */
  rowOf(keyText: string): number | undefined {
    const row = this.keys.rowOf(keyText);
    // A refused record leaves a key without a cell.
    if (row < 0 || row >= this.#count) return undefined;
    return this.#cells[width * row + takenAt] === 1 ? undefined : row;
  }

  /** Hands the row's cell over to the caller; its bytes stay until all cells are saved. */
  take(row: number): void {
    this.#cells[width * row + takenAt] = 1;
  }

  /** The encoded cell; undefined if it was deleted. Valid until more cells are put. */
  cellOf(row: number): Buffer | undefined {
    const at = width * row;
    const length = this.#cells[at + cellLength] as number;
    if (length < 0) return undefined;
    const start = this.#cells[at + cellAt] as number;
    return this.#body.bytes.subarray(start, start + length);
  }

  #newRow(): void {
    const at = width * this.#count++;
    if (at === this.#cells.length) this.#cells = grown(this.#cells);
    this.#cells[at + cellLength] = gone;
    this.#cells[at + cellRoom] = gone;
  }
}
