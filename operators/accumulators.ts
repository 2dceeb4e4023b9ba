/**
 * The accumulators of a window cell and their operations: stored as values, or as numbers beside
 * the times of their window.
 */

import { must } from '../engine/base/assert.ts';
import type { Scratch } from '../engine/base/scratch.ts';
import { faithful } from '../engine/serde/faithful.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { Aggregate } from './aggregate-value.ts';
import { type NumberForm, numberFormOf } from './aggregates/number-form.ts';
import { decodeColumns, writeColumns } from './cell-codec.ts';
import {
  compactWindowsMax,
  emptyValues,
  insertRow,
  removeWindows,
  setTimes,
  setTimestamp,
  timestampAt,
  timesWidth,
  type WindowCell,
} from './window-cell.ts';

/** The windows of a cell. */
export interface WindowRows<A> {
  readonly rows: number[];
  readonly values: A[];
}

/** If the aggregate throws for a record, the windows stay unchanged. */
export interface Accumulators<in V, A> {
  /** Numbers of a window in the cell's rows. */
  readonly width: number;
  /** Format of the windows' bytes. */
  readonly format: string;
  /** Adds a new window at `i` with one record; `at` is the record's timestamp. */
  begin(cell: WindowCell<A>, i: number, start: number, end: number, added: V, at: number): void;
  /** Adds a record to window `i`, whose timestamp is that of its newest record. */
  add(cell: WindowCell<A>, i: number, added: V, at: number): void;
  /**
   * Merges windows [from, to) (at least one) and a record into the first window, which keeps its
   * times.
   */
  join(cell: WindowCell<A>, from: number, to: number, added: V, at: number): void;
  valueAt(cell: WindowCell<A>, i: number): A;
  /** The merge of windows [from, to); at least one. */
  mergeOf(cell: WindowCell<A>, from: number, to: number): A;
  /** Windows [from, to). */
  write(to: Scratch, cell: WindowCell<A>, from: number, end: number): void;
  decode(bytes: Buffer, start: number, end: number): WindowRows<A>;
}

/** Stores numbers if the aggregate has a number form, otherwise values. */
export function accumulatorsOf<V, A>(
  aggregate: Aggregate<V, A>,
  value: Serde<A>,
): Accumulators<V, A> {
  const form = numberFormOf(aggregate);
  return form === undefined
    ? new ValueAccumulators(aggregate, value)
    : new NumberAccumulators(form, aggregate.name ?? 'own');
}

function blankOf(width: number): number[] {
  const blank: number[] = [];
  // A fraction makes it an array of doubles for V8, and so are its copies.
  for (let i = 0; i < width; i++) blank.push(0.5);
  return blank;
}

/** Accumulators of any type. */
export class ValueAccumulators<V, A> implements Accumulators<V, A> {
  readonly width = timesWidth;
  readonly format: string;
  readonly #aggregate: Aggregate<V, A>;
  readonly #value: Serde<A>;
  readonly #blank = blankOf(timesWidth);

  /** @param value serde of the accumulators */
  constructor(aggregate: Aggregate<V, A>, value: Serde<A>) {
    this.#aggregate = aggregate;
    this.#value = faithful(value);
    this.format = value.format;
  }

  begin(cell: WindowCell<A>, i: number, start: number, end: number, added: V, at: number): void {
    const value = this.#aggregate.add(this.#aggregate.init(), added, at);
    this.insert(cell, i, { start, end, timestamp: at, value });
  }

  insert(
    cell: WindowCell<A>,
    i: number,
    window: { start: number; end: number; timestamp: number; value: A },
  ): void {
    const { values } = cell;
    insertRow(cell, i, this.#blank);
    setTimes(cell, i, window.start, window.end, window.timestamp);
    if (i < values.length) values.splice(i, 0, window.value);
    else if (i === 0) cell.values = [window.value];
    else if (i < compactWindowsMax) cell.values = values.concat([window.value]);
    else values.push(window.value);
  }

  add(cell: WindowCell<A>, i: number, added: V, at: number): void {
    cell.values[i] = this.#aggregate.add(cell.values[i] as A, added, at);
    if (at > (timestampAt(cell, i) as number)) setTimestamp(cell, i, at);
  }

  valueAt(cell: WindowCell<A>, i: number): A {
    return cell.values[i] as A;
  }

  mergeOf(cell: WindowCell<A>, from: number, to: number): A {
    let merged = cell.values[from] as A;
    for (let i = from + 1; i < to; i++) merged = this.#merge(merged, cell.values[i] as A);
    return merged;
  }

  join(cell: WindowCell<A>, from: number, to: number, added: V, at: number): void {
    cell.values[from] = this.#aggregate.add(this.mergeOf(cell, from, to), added, at);
    removeWindows(cell, from + 1, to - from - 1);
  }

  write(to: Scratch, { rows, values }: WindowCell<A>, from: number, end: number): void {
    writeColumns(to, [rows], values, this.#value, from, end, timesWidth);
  }

  decode(bytes: Buffer, start: number, end: number): WindowRows<A> {
    const { columns, values } = decodeColumns(bytes, start, end, 1, this.#value, timesWidth);
    return { rows: columns[0] as number[], values };
  }

  #merge(left: A, right: A): A {
    return must(this.#aggregate.merge, 'its windows are merged').call(this.#aggregate, left, right);
  }
}

/** Bytes of windows: f64[width] each. */
class NumberAccumulators<V, A> implements Accumulators<V, A> {
  readonly width: number;
  readonly format: string;
  readonly #form: NumberForm<V, A>;
  readonly #blank: readonly number[];
  /** Scratch in which an accumulator is built before it is stored in a cell. */
  readonly #made: number[];

  constructor(form: NumberForm<V, A>, name: string) {
    this.#form = form;
    this.width = timesWidth + form.width;
    this.format = `numbers(${name})`;
    this.#blank = blankOf(this.width);
    this.#made = blankOf(form.width);
  }

  begin(cell: WindowCell<A>, i: number, start: number, end: number, added: V, at: number): void {
    this.#form.begin(this.#made, 0, added, at);
    insertRow(cell, i, this.#blank);
    setTimes(cell, i, start, end, at);
    this.#place(cell, i);
  }

  add(cell: WindowCell<A>, i: number, added: V, at: number): void {
    this.#take(cell, i, i + 1);
    this.#form.add(this.#made, 0, added, at);
    this.#place(cell, i);
    if (at > (timestampAt(cell, i) as number)) setTimestamp(cell, i, at);
  }

  valueAt(cell: WindowCell<A>, i: number): A {
    return this.#form.result(cell.rows, this.#at(i));
  }

  mergeOf(cell: WindowCell<A>, from: number, to: number): A {
    this.#take(cell, from, to);
    return this.#form.result(this.#made, 0);
  }

  join(cell: WindowCell<A>, from: number, to: number, added: V, at: number): void {
    this.#take(cell, from, to);
    this.#form.add(this.#made, 0, added, at);
    this.#place(cell, from);
    removeWindows(cell, from + 1, to - from - 1);
  }

  write(to: Scratch, { rows }: WindowCell<A>, from: number, end: number): void {
    to.float64s(rows, this.width * from, this.width * end);
  }

  decode(bytes: Buffer, start: number, end: number): WindowRows<A> {
    const numbers = (end - start) / 8;
    if (numbers % this.width !== 0) throw new RangeError('cell has the wrong length');
    const rows = new Array<number>(numbers);
    for (let i = 0; i < numbers; i++) rows[i] = bytes.readDoubleLE(start + 8 * i);
    return { rows, values: emptyValues };
  }

  /** The merge of windows [from, to). */
  #take({ rows }: WindowCell<A>, from: number, to: number): void {
    const made = this.#made;
    const first = this.#at(from);
    for (let k = 0; k < made.length; k++) made[k] = rows[first + k] as number;
    for (let i = from + 1; i < to; i++) this.#form.merge(made, 0, rows, this.#at(i));
  }

  #place({ rows }: WindowCell<A>, i: number): void {
    const made = this.#made;
    const at = this.#at(i);
    for (let k = 0; k < made.length; k++) rows[at + k] = made[k] as number;
  }

  #at(i: number): number {
    return this.width * i + timesWidth;
  }
}
