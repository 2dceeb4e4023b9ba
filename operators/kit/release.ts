/**
 * The release loop: what a step does when time passes. The due index lists the keys with due work.
 * Each key is entered and its due results are taken; all results are forwarded in one order,
 * independent of the keys. Each key is a separate unit of work: a failure becomes a dead letter of
 * that key.
 */
import type { TaskContext } from '../../engine/graph/processor.ts';
import type { Cells, KeyedBy } from '../../engine/graph/store-spec.ts';
import type { SourcePlace } from '../../engine/record/marks.ts';
import { byKeyText } from './order.ts';

/** How due results are taken and forwarded. */
export interface Release<K, T> {
  /**
   * Removes the results due at `until` (ms UTC) from the current key's cell, stores the rest, and
   * returns them.
   */
  take(until: number): readonly T[];
  /** Order of results that are released together; ties by key, then in the order of removal. */
  compare(a: T, b: T): number;
  /** The stand of a result, ms UTC; absent: that of the current record. */
  standOf?: ((one: T) => number) | undefined;
  /** Where its record was first read. */
  placeOf?: (one: T) => SourcePlace;
  /** Headers stored with it; absent: none. */
  headersOf?: (one: T) => Uint8Array;
  /** Forwards a result; its key is the current key. */
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
  // One function for all keys, not one per key.
  let at = '';
  const visitOne = () => visit(at);
  for (const keyText of cells.dueKeys(until)) {
    at = keyText;
    task.enterUndecoded(keyText, visitOne);
  }
}

/** The same with the decoded key. */
export function enterDue<K>(
  task: TaskContext,
  spec: KeyedBy<K>,
  cells: Cells<unknown>,
  until: number,
  body: (key: K) => void,
): void {
  for (const keyText of cells.dueKeys(until)) task.enter(keyText, spec, body);
}

/** Releases the results due at `until`, ms UTC. */
export function releaseDue<K, T>(
  task: TaskContext,
  spec: KeyedBy<K>,
  cells: Cells<unknown>,
  until: number,
  how: Release<K, T>,
): void {
  const all: Pending<T>[] = [];
  // One function for all keys, not one per key.
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
  // Keys are ordered by their first due instant, so the results are mostly sorted.
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
