/**
 * Lists and maps per key as state of `process`. They may become very long; only their changes are
 * logged and saved. Values are encoded on write and decoded on read, so each read returns a new
 * value, and a value that cannot be encoded is an error of the current record.
 */
import { synchronous } from '../engine/base/promises.ts';
import { aSerde, checkSetting } from '../engine/base/settings.ts';
import { faithful } from '../engine/serde/faithful.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import { raw } from '../engine/serde/raw.ts';
import { decodeAll, type Serde } from '../engine/serde/serde.ts';
import { columnLayout } from './cell-codec.ts';
import type { EntryKey, EntryLayout, EntryList, Place } from './entry-list.ts';

/** A list that `process` keeps for each key; created by `keyedList`. */
export interface KeyedListSpec<V> {
  readonly type: 'list';
  readonly value: Serde<V>;
}

/** A map that `process` keeps for each key; created by `keyedMap`. */
export interface KeyedMapSpec<V> {
  readonly type: 'map';
  readonly value: Serde<V>;
}

export interface CollectionSpec {
  readonly type: 'list' | 'map';
}

/** By name. */
export type Collections = Readonly<Record<string, CollectionSpec>>;

/** The step's view of its collections. */
export type CollectionsOf<C> = {
  readonly [N in keyof C]: C[N] extends KeyedListSpec<infer V>
    ? KeyedList<V>
    : C[N] extends KeyedMapSpec<infer V>
      ? KeyedMap<V>
      : never;
};

export interface ListEntry<V> {
  /** ms UTC. */
  readonly at: number;
  readonly value: V;
}

/** Values of the current key, by time, then in order of insertion. */
export interface KeyedList<V> extends Iterable<ListEntry<V>> {
  readonly size: number;
  readonly first: ListEntry<V> | undefined;
  readonly last: ListEntry<V> | undefined;
  /**
   * Adds a value.
   * @param at ms UTC; default: the time of the current record or timer
   * @throws TypeError for null and undefined, RangeError for a time that is not an integer ≥ 0
   */
  add(value: V, at?: number): void;
  /**
   * Entries with times in [from, to], ms UTC, ascending; both bounds are optional. The list must
   * not change meanwhile.
   */
  range(from?: number, to?: number): Iterable<ListEntry<V>>;
  /** Removes the entries before an instant, ms UTC. */
  removeBefore(at: number): void;
  /** Removes the entries in [from, to], ms UTC, for which the predicate is true; default: all. */
  remove(from: number, to: number, predicate?: (entry: ListEntry<V>) => boolean): void;
  clear(): void;
}

/** Values of the current key, by name, sorted by UTF-16 units. */
export interface KeyedMap<V> extends Iterable<readonly [name: string, value: V]> {
  readonly size: number;
  get(name: string): V | undefined;
  has(name: string): boolean;
  /** Sets a value; null or undefined removes it. */
  set(name: string, value: V | null | undefined): void;
  /** Removes a value; returns true if there was one. */
  delete(name: string): boolean;
  /**
   * Entries with names in [from, to]; both bounds are optional. The map must not change meanwhile.
   */
  range(from?: string, to?: string): Iterable<readonly [name: string, value: V]>;
  clear(): void;
}

/**
 * A list for each key, for the `collections` of `process`.
 * @param value serde of its values; default MessagePack
 */
export function keyedList<V>(value: Serde<V> = msgpack<V>()): KeyedListSpec<V> {
  checkSetting('keyedList.value', value, aSerde);
  return { type: 'list', value: faithful(value) };
}

/**
 * A map for each key, with string names, for the `collections` of `process`.
 * @param value serde of its values; default MessagePack
 */
export function keyedMap<V>(value: Serde<V> = msgpack<V>()): KeyedMapSpec<V> {
  checkSetting('keyedMap.value', value, aSerde);
  return { type: 'map', value: faithful(value) };
}

/** Layout of the entries in the cell, with values as bytes. */
export const listLayout: EntryLayout<number> = columnLayout<number, Uint8Array>(false, 0, raw);
export const mapLayout: EntryLayout<string> = columnLayout<string, Uint8Array>(true, 0, raw);

/** What a handle needs from the step: its list in the current key's cell, and the current time. */
export interface Current<K extends EntryKey> {
  list(): EntryList<K>;
  readonly timestamp: number;
}

const latest = 8_640_000_000_000_000;

export class ListHandle<V> implements KeyedList<V> {
  readonly #value: Serde<V>;
  readonly #current: Current<number>;

  constructor(value: Serde<V>, current: Current<number>) {
    this.#value = value;
    this.#current = current;
  }

  get size(): number {
    return this.#current.list().size;
  }

  get first(): ListEntry<V> | undefined {
    for (const entry of this.range()) return entry;
    return undefined;
  }

  get last(): ListEntry<V> | undefined {
    const { last } = this.#current.list();
    return last && this.#entry(last, last.i);
  }

  add(value: V, at = this.#current.timestamp): void {
    if (value === null || value === undefined) {
      throw new TypeError(`a keyed list holds values, not ${String(value)}`);
    }
    if (!Number.isInteger(at) || at < 0 || at > latest) {
      throw new RangeError(`${String(at)} is no time: give whole ms UTC from 0 to 8.64e15`);
    }
    this.#current.list().insert(at, bytesOf(this.#value, value));
  }

  *range(from?: number, to?: number): Generator<ListEntry<V>> {
    for (const place of this.#current.list().range(from, to)) yield this.#entry(place, place.i);
  }

  removeBefore(at: number): void {
    const list = this.#current.list();
    // Drop whole leaves first, without decoding them.
    list.dropFirst(at - 1);
    list.scan(undefined, at - 1, () => 2);
  }

  remove(from: number, to: number, predicate?: (entry: ListEntry<V>) => boolean): void {
    const isToGo = predicate && synchronous(predicate, 'the predicate of remove');
    this.#current
      .list()
      .scan(from, to, (entries, i) =>
        isToGo === undefined || isToGo(this.#entry(entries, i)) ? 2 : 0,
      );
  }

  clear(): void {
    this.#current.list().clear();
  }

  [Symbol.iterator](): Iterator<ListEntry<V>> {
    return this.range();
  }

  #entry({ keys, columns }: Pick<Place<number>, 'keys' | 'columns'>, i: number): ListEntry<V> {
    const bytes = columns[0]?.[i] as Uint8Array;
    return { at: keys[i] as number, value: decodeAll(this.#value, bytes) };
  }
}

export class MapHandle<V> implements KeyedMap<V> {
  readonly #value: Serde<V>;
  readonly #current: Current<string>;

  constructor(value: Serde<V>, current: Current<string>) {
    this.#value = value;
    this.#current = current;
  }

  get size(): number {
    return this.#current.list().size;
  }

  get(name: string): V | undefined {
    const place = this.#current.list().find(name);
    return place && this.#valueAt(place);
  }

  has(name: string): boolean {
    return this.#current.list().find(name) !== undefined;
  }

  set(name: string, value: V | null | undefined): void {
    if (typeof name !== 'string') {
      throw new TypeError(`a keyed map has texts for names, not ${typeof name}`);
    }
    if (value === null || value === undefined) {
      this.delete(name);
      return;
    }
    const bytes = bytesOf(this.#value, value);
    const list = this.#current.list();
    const place = list.find(name);
    if (place === undefined) list.insert(name, bytes);
    else {
      (place.columns[0] as Uint8Array[])[place.i] = bytes;
      list.change(place);
    }
  }

  delete(name: string): boolean {
    const list = this.#current.list();
    const place = list.find(name);
    if (place !== undefined) list.remove(place);
    return place !== undefined;
  }

  *range(from?: string, to?: string): Generator<readonly [name: string, value: V]> {
    for (const place of this.#current.list().range(from, to)) {
      yield [place.keys[place.i] as string, this.#valueAt(place)];
    }
  }

  clear(): void {
    this.#current.list().clear();
  }

  [Symbol.iterator](): Iterator<readonly [name: string, value: V]> {
    return this.range();
  }

  #valueAt({ columns, i }: Place<string>): V {
    return decodeAll(this.#value, columns[0]?.[i] as Uint8Array);
  }
}

/** A copy, because a serde may reuse its bytes. */
function bytesOf<V>(serde: Serde<V>, value: V): Buffer {
  return Buffer.from(serde.encode(value));
}
