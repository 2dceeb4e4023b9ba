/**
 * Cells of many keys, as bytes: what a restore has brought and nobody has asked for yet. One buffer
 * and a column for all of them, where an entry of the cache and its cell are a dozen objects.
 *
 *   keys   rows in the order in which keys came first (key-table.ts)
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
/**
 * Numbers of a row: where its cell begins, its length, the room for one, and whether the cell is
 * taken.
 */
const [cellAt, cellLength, cellRoom, takenAt, width] = [0, 1, 2, 3, 4];
/** Length of a cell that is gone. */
const gone = -1;

/**
 * native/cells.cc: works on the columns as they are described here and in key-table.ts, in which
 * there must be room.
 */
export interface CellsHelper {
  /**
   * As `putCells` (put-cells.ts).
   * @param image of a batch
   * @param numbers rows, bytes of the keys and of the body in use, to be brought up to date; the
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
  /** The backend has all of it. */
  isSaved = false;
  /** Whose cells may be put. */
  readonly keys = new KeyTable();
  readonly #body = new Scratch(firstBytes);
  #cells = new Int32Array(width * firstRows);
  #count = 0;

  /** Rows, also those of keys whose cell is gone or taken. */
  get count(): number {
    return this.#count;
  }

  /** Of what is in it. */
  get byteLength(): number {
    const { BYTES_PER_ELEMENT } = this.#cells;
    return this.#body.length + BYTES_PER_ELEMENT * width * this.#count + this.keys.byteLength;
  }

  /**
   * The row's key has this cell now: so many bytes of the view from `start` on.
   * @param length negative when the cell is gone
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
    // A cell that grows does so again.
    const room = isFirst ? most : 2 * most;
    cells[at + cellAt] = this.#body.length;
    cells[at + cellRoom] = room;
    this.#body.appendView(view, start, most);
    this.#body.skip(room - most);
  }

  /**
   * Has the native helper put the cells of records from `from` on; as `putCells` (put-cells.ts).
   */
  putBatch(helper: CellsHelper, batch: PackedBatch, from: number): number {
    const keys = this.keys.columnsFor(batch.count - from, batch.bytes.byteLength);
    // Each key may be new, and each cell may have grown.
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

  /** The row of a key, whose cell nobody has taken; undefined when there is none. */
  rowOf(keyText: string): number | undefined {
    const row = this.keys.rowOf(keyText);
    // A record that was refused leaves a key without a cell.
    if (row < 0 || row >= this.#count) return undefined;
    return this.#cells[width * row + takenAt] === 1 ? undefined : row;
  }

  /** The row's cell is someone else's to keep; its bytes stay until all are saved. */
  take(row: number): void {
    this.#cells[width * row + takenAt] = 1;
  }

  /** undefined when it is gone. Good until more is put. */
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
