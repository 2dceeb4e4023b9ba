/**
 * What is kept of a subject for its segments. It depends on the set of events, and not on their
 * order.
 */
import {
  addConsent,
  type Consents,
  forgetConsents,
  isConsent,
  purposeOf,
} from '../accepted/consent.ts';
import { listOf, ownOf } from '../dictionary.ts';
import type { Event, Trait } from '../event.ts';

/** An event as far as segments read it: its fields, by the paths that definitions name. */
export type Kept = readonly [at: number, id: string, fields: ReadonlyMap<string, Trait>];
export type TraitEntry = readonly [at: number, id: string, value: Trait | null];

export interface History {
  /** Nothing at or before this instant can change any more; -Infinity before the first settling. */
  from: number;
  /** Instants of events until the first one is settled, ascending; the first is `firstSeen`. */
  firsts: number[];
  /** By class, ordered by instant and id. */
  events: Map<string, Kept[]>;
  /** By name, ordered by instant and id. */
  traits: Map<string, TraitEntry[]>;
  consents: Consents;
}

/** What must be kept of an event, by class and name. */
export interface Wanted {
  /** Class -> the paths that some node reads. */
  readonly events: ReadonlyMap<string, readonly string[]>;
  readonly traits: ReadonlySet<string>;
  readonly purposes: ReadonlySet<string>;
  /** A field that events do not have themselves: see categories.ts. */
  readonly derived?: DerivedField | undefined;
}

export interface DerivedField {
  readonly path: string;
  of(event: Event): Trait | undefined;
}

export function noHistory(): History {
  return {
    from: Number.NEGATIVE_INFINITY,
    firsts: [],
    events: new Map(),
    traits: new Map(),
    consents: new Map(),
  };
}

/** ms UTC of the first event; +Infinity when there is none. */
export function firstSeen({ firsts }: History): number {
  return firsts[0] ?? Number.POSITIVE_INFINITY;
}

/**
 * A field of an event: `item`, `link`, `numbers.amount`, `traits.plan`, or the bare name of a
 * number or trait.
 */
export function fieldOf(event: Event, path: string): Trait | undefined {
  if (path === 'id' || path === 'class') return event[path];
  if (path === 'item') return event.item ?? event.id;
  if (path === 'link' || path === 'currency' || path === 'purpose') return event[path];
  const [part, name] = split(path);
  if (part === 'numbers') return ownOf(event.numbers, name);
  if (part === 'traits') return ownOf(event.traits, name) ?? undefined;
  return ownOf(event.numbers, path) ?? ownOf(event.traits, path) ?? undefined;
}

function split(path: string): [string, string] {
  const dot = path.indexOf('.');
  return dot < 0 ? ['', path] : [path.slice(0, dot), path.slice(dot + 1)];
}

/**
 * Records an event that joins the set or leaves it. Returns the names of what changed; see
 * `Program.concerned`.
 */
export function record(
  history: History,
  wanted: Wanted,
  event: Event,
  at: number,
  add: boolean,
): string[] {
  const changed: string[] = [];
  const before = firstSeen(history);
  seen(history, at, add);
  if (firstSeen(history) !== before) changed.push('firstSeen');
  const paths = wanted.events.get(event.class);
  if (paths !== undefined) {
    const known = listOf(history.events, event.class);
    if (add) insert(known, [at, event.id, project(event, paths, wanted.derived)]);
    else remove(known, at, event.id);
    changed.push(`event ${event.class}`);
  }
  for (const [name, value] of Object.entries(event.traits ?? {})) {
    if (!wanted.traits.has(name)) continue;
    const known = listOf(history.traits, name);
    if (add) insert(known, [at, event.id, value]);
    else remove(known, at, event.id);
    changed.push(`trait ${name}`);
  }
  if (isConsent(event) && wanted.purposes.has(purposeOf(event))) {
    const purpose = purposeOf(event);
    addConsent(listOf(history.consents, purpose), event, at, add);
    changed.push(`consent ${purpose}`);
  }
  return changed;
}

function seen({ firsts, from }: History, at: number, add: boolean): void {
  // When the first event is settled, no event can come before it, and it cannot be removed.
  const settled = firsts[0] !== undefined && firsts[0] <= from;
  if (settled) return;
  if (!add) {
    const i = firsts.indexOf(at);
    if (i >= 0) firsts.splice(i, 1);
    return;
  }
  firsts.push(at);
  for (let i = firsts.length - 1; i > 0 && (firsts[i - 1] as number) > at; i--) {
    [firsts[i - 1], firsts[i]] = [at, firsts[i - 1] as number];
  }
}

/** The fields of events of which no field is read. */
export const noFields: ReadonlyMap<string, Trait> = new Map();

function project(
  event: Event,
  paths: readonly string[],
  derived: DerivedField | undefined,
): ReadonlyMap<string, Trait> {
  if (paths.length === 0) return noFields;
  const fields = new Map<string, Trait>();
  for (const path of paths) {
    const value = path === derived?.path ? derived.of(event) : fieldOf(event, path);
    if (value !== undefined) fields.set(path, value);
  }
  return fields;
}

type Entry = readonly [at: number, id: string, ...unknown[]];

export function inOrder(a: Entry, b: Entry): number {
  return a[0] - b[0] || (a[1] === b[1] ? 0 : a[1] < b[1] ? -1 : 1);
}

function insert<E extends Entry>(entries: E[], entry: E): void {
  let i = entries.length;
  while (i > 0 && inOrder(entries[i - 1] as E, entry) > 0) i--;
  entries.splice(i, 0, entry);
}

function remove(entries: Entry[], at: number, id: string): void {
  const i = entries.findLastIndex((entry) => entry[0] === at && entry[1] === id);
  if (i >= 0) entries.splice(i, 1);
}

/**
 * Forgets what says nothing about any instant after `from`.
 * @param keeps by class, see `neededEvents`
 */
export function settleHistory(
  history: History,
  from: number,
  keeps: ReadonlyMap<string, (events: readonly Kept[], from: number) => Kept[]>,
): void {
  history.from = from;
  const { firsts } = history;
  if ((firsts[0] ?? from + 1) <= from) firsts.splice(1);
  for (const [name, events] of history.events) {
    const kept = keeps.get(name)?.(events, from) ?? [];
    if (kept.length === 0) history.events.delete(name);
    else history.events.set(name, kept);
  }
  for (const entries of history.traits.values()) {
    const last = entries.findLastIndex(([at]) => at <= from);
    if (last > 0) entries.splice(0, last);
  }
  for (const entries of history.consents.values()) forgetConsents(entries, from);
}
