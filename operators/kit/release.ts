/**
 * The release loop: what a step does when time has passed. The due index names the keys that have
 * something due. Each is entered, gives up what is due, and all of it goes on in one order,
 * whatever the order of the keys. Each key is a unit of work of its own: what fails in it is a dead
 * letter of that key.
 */
import type { TaskContext } from '../../engine/graph/processor.ts';
import type { Cells, KeyedBy } from '../../engine/graph/store-spec.ts';
import type { SourcePlace } from '../../engine/record/marks.ts';
import { byKeyText } from './order.ts';

/** What becomes of what is due. */
export interface Release<K, T> {
  /**
   * Takes what is due at `until` (ms UTC) out of the cell of the current key, stores what is left,
   * and returns what was taken.
   */
  take(until: number): readonly T[];
  /** Order of what is released together; what is equal goes by key, then as it was taken. */
  compare(a: T, b: T): number;
  /** How far time stood where it fell due, ms UTC; absent: as for the record at hand. */
  standOf?: ((one: T) => number) | undefined;
  /** Where its record was read first. */
  placeOf?: (one: T) => SourcePlace;
  /** Headers that state has kept with it; absent: none. */
  headersOf?: (one: T) => Uint8Array;
  /** Sends it on; its key is the current one. */
  forward(key: K, one: T): void;
}

interface Pending<T> {
  readonly keyText: string;
  readonly one: T;
}

/**
 * Enters each key that is due at `until`, ms UTC.
 * @param visit may change the cell of the current key
 */
export function visitDue(
  task: TaskContext,
  cells: Cells<unknown>,
  until: number,
  visit: (keyText: string) => void,
): void {
  // One function for all keys, not one a key.
  let at = '';
  const visitOne = () => visit(at);
  for (const keyText of cells.dueKeys(until)) {
    at = keyText;
    task.enterUndecoded(keyText, visitOne);
  }
}

/** The same for who needs the key itself. */
export function enterDue<K>(
  task: TaskContext,
  spec: KeyedBy<K>,
  cells: Cells<unknown>,
  until: number,
  body: (key: K) => void,
): void {
  for (const keyText of cells.dueKeys(until)) task.enter(keyText, spec, body);
}

/** Releases what is due at `until`, ms UTC. */
export function releaseDue<K, T>(
  task: TaskContext,
  spec: KeyedBy<K>,
  cells: Cells<unknown>,
  until: number,
  how: Release<K, T>,
): void {
  const all: Pending<T>[] = [];
  // One function for all keys, not one a key.
  let at = '';
  const takeAll = () => {
    for (const one of how.take(until)) all.push({ keyText: at, one });
  };
  for (const keyText of cells.dueKeys(until)) {
    at = keyText;
    task.enterUndecoded(keyText, takeAll);
  }
  if (all.length === 0) return;
  const inOrder = (a: Pending<T>, b: Pending<T>) => how.compare(a.one, b.one) || byKeyText(a, b);
  // Keys come by what they have due first, so mostly it is in order.
  if (!isSorted(all, inOrder)) all.sort(inOrder);
  const { stand, place } = task;
  const { standOf, placeOf, headersOf } = how;
  let one: T;
  const forwardOne = (key: K) => how.forward(key, one);
  const forwardWithHeaders = (key: K) =>
    task.withHeaders((headersOf as (one: T) => Uint8Array)(one), () => how.forward(key, one));
  const forward = headersOf === undefined ? forwardOne : forwardWithHeaders;
  for (const pending of all) {
    one = pending.one;
    if (standOf !== undefined) task.stand = standOf(one);
    if (placeOf !== undefined) task.place = placeOf(one);
    task.enter(pending.keyText, spec, forward);
  }
  task.stand = stand;
  task.place = place;
}

function isSorted<T>(list: readonly T[], compare: (a: T, b: T) => number): boolean {
  for (let i = 1; i < list.length; i++) {
    if (compare(list[i - 1] as T, list[i] as T) > 0) return false;
  }
  return true;
}
