/**
 * Merges two subjects that are one person: the result is the union of their events. An event that
 * both had, by its id, counts once.
 */
import type { Accepted } from '../accepted/accepted.ts';
import type { ConsentEntry, Consents } from '../accepted/consent.ts';
import { listOf } from '../dictionary.ts';
import type { Counts } from '../engagement/counts.ts';
import type { Engagement } from '../engagement/engagement.ts';
import type { GateKind } from '../engagement/gates.ts';
import type { Orders } from '../engagement/orders.ts';
import type { Hour } from '../engagement/points.ts';
import { type History, inOrder } from '../segments/history.ts';

export function mergeAccepted(into: Accepted, from: Accepted): void {
  into.held.push(...from.held.filter(({ event }) => !into.recent.has(event.id)));
  into.held.sort((a, b) => a.at - b.at);
  for (const [id, at] of from.recent) if (!into.recent.has(id)) into.recent.set(id, at);
  mergeInstants(into.refunds, from.refunds);
  mergeInstants(into.delivered, from.delivered);
  mergeConsents(into.consents, from.consents);
}

/** Up to `now` (ms UTC) the bands stay those of the subject that goes on. */
export function mergeEngagement(
  into: Engagement,
  from: Engagement,
  now: number,
  band: number,
): void {
  mergeCounts(into.counts, from.counts);
  for (const [kind, instants] of Object.entries(from.gates.events)) {
    const own = into.gates.events[kind as GateKind];
    own.splice(0, own.length, ...union(own, instants));
  }
  mergeEntriesOfConsent(into.gates.consent, from.gates.consent);
  mergeOrders(into.orders, from.orders);
  into.start = { at: now, band };
  into.instants = [];
}

/** Nothing at or before the later of the two settled instants can change any more. */
export function mergeHistory(into: History, from: History): void {
  into.from = Math.max(into.from, from.from);
  into.firsts = union(into.firsts, from.firsts);
  mergeEntries(into.events, from.events);
  mergeEntries(into.traits, from.traits);
  mergeConsents(into.consents, from.consents);
}

function mergeCounts(into: Counts, from: Counts): void {
  into.lastForgotten = Math.max(into.lastForgotten, from.lastForgotten);
  for (const [name, hours] of from.hours) {
    // A new object, because cached results belong to the old one.
    const own = { ...into.hours.get(name) };
    into.hours.set(name, own);
    for (const [hour, items] of Object.entries(hours)) {
      own[hour] = mergedHour(own[hour] ?? new Map(), items);
    }
  }
}

/** If the hour is settled on one side, only the number of its items is known. */
function mergedHour(a: Hour, b: Hour): Hour {
  if (typeof a === 'number' || typeof b === 'number') return sizeOf(a) + sizeOf(b);
  const items = new Map(a);
  for (const [item, instants] of b) items.set(item, union(items.get(item) ?? [], instants));
  return items;
}

function sizeOf(hour: Hour): number {
  return typeof hour === 'number' ? hour : hour.size;
}

function mergeOrders(into: Orders, from: Orders): void {
  for (const [id, lines] of from.lines) if (!into.lines.has(id)) into.lines.set(id, lines);
  const [a, b] = [into.forgotten, from.forgotten];
  if (b.orders === 0) return;
  into.forgotten = {
    orders: a.orders + b.orders,
    first: a.orders === 0 ? b.first : Math.min(a.first, b.first),
    last: Math.max(a.last, b.last),
  };
}

function mergeConsents(into: Consents, from: Consents): void {
  for (const [purpose, entries] of from) mergeEntriesOfConsent(listOf(into, purpose), entries);
}

function mergeEntriesOfConsent(own: ConsentEntry[], entries: readonly ConsentEntry[]): void {
  own.push(...entries.filter((entry) => !own.some((one) => same(one, entry))));
  own.sort((a, b) => a[0] - b[0] || Number(b[1]) - Number(a[1]));
}

function mergeEntries<E extends readonly [at: number, id: string, ...unknown[]]>(
  into: Map<string, E[]>,
  from: ReadonlyMap<string, E[]>,
): void {
  for (const [name, entries] of from) {
    const own = into.get(name) ?? [];
    const known = new Set(own.map(([at, id]) => `${at} ${id}`));
    const more = entries.filter(([at, id]) => !known.has(`${at} ${id}`));
    into.set(name, [...own, ...more].sort(inOrder));
  }
}

function mergeInstants(into: Map<string, number[]>, from: ReadonlyMap<string, number[]>): void {
  for (const [item, instants] of from) into.set(item, union(into.get(item) ?? [], instants));
}

/** Ascending, without duplicates. */
function union(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.every((one, i) => one === b[i]);
}
