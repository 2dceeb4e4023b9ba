/**
 * Two subjects that are one person: what was kept of the one joins what is kept of the other, as the union
 * of their events. An event that both had, by its id, counts once.
 */
import type { Accepted } from './accepted/accepted.ts';
import type { Consents } from './accepted/consent.ts';
import type { Counts, Hour } from './engagement/counts.ts';
import type { Engagement } from './engagement/engagement.ts';
import type { GateKind } from './engagement/gates.ts';
import type { Orders } from './engagement/orders.ts';
import { type History, inOrder } from './segments/history.ts';

export function mergeAccepted(into: Accepted, from: Accepted): void {
  const known = new Set(Object.keys(into.recent));
  into.held.push(...from.held.filter(({ event }) => !known.has(event.id)));
  into.held.sort((a, b) => a.at - b.at);
  for (const [id, at] of Object.entries(from.recent)) into.recent[id] ??= at;
  mergeInstants(into.refunds, from.refunds);
  mergeInstants(into.delivered, from.delivered);
  mergeConsents(into.consents, from.consents);
}

/** The way of the band up to `now` (ms UTC) stays that of the subject that goes on. */
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
  const consents = { gate: into.gates.consent };
  mergeConsents(consents, { gate: from.gates.consent });
  mergeOrders(into.orders, from.orders);
  into.start = { at: now, band };
  into.instants = [];
}

/** Nothing at or before the later of both settled instants can change any more. */
export function mergeHistory(into: History, from: History): void {
  into.from = Math.max(into.from, from.from);
  into.firsts = union(into.firsts, from.firsts);
  mergeEntries(into.events, from.events);
  mergeEntries(into.traits, from.traits);
  mergeConsents(into.consents, from.consents);
}

function mergeCounts(into: Counts, from: Counts): void {
  into.lastForgotten = Math.max(into.lastForgotten, from.lastForgotten);
  for (const [name, hours] of Object.entries(from.hours)) {
    const own = into.hours[name] ?? {};
    // A new object: what was computed of the old one is known by it.
    into.hours[name] = { ...own };
    for (const [hour, items] of Object.entries(hours)) {
      into.hours[name][hour] = mergedHour(own[hour] ?? {}, items);
    }
  }
}

/** Of an hour that is settled on one side only the number of its items is known. */
function mergedHour(a: Hour, b: Hour): Hour {
  if (typeof a === 'number' || typeof b === 'number') return sizeOf(a) + sizeOf(b);
  const items: Record<string, number[]> = { ...a };
  for (const [item, instants] of Object.entries(b)) {
    items[item] = union(items[item] ?? [], instants);
  }
  return items;
}

function sizeOf(hour: Hour): number {
  return typeof hour === 'number' ? hour : Object.keys(hour).length;
}

function mergeOrders(into: Orders, from: Orders): void {
  for (const [id, lines] of Object.entries(from.lines)) into.lines[id] ??= lines;
  const [a, b] = [into.forgotten, from.forgotten];
  if (b.orders === 0) return;
  into.forgotten = {
    orders: a.orders + b.orders,
    first: a.orders === 0 ? b.first : Math.min(a.first, b.first),
    last: Math.max(a.last, b.last),
  };
}

function mergeConsents(into: Consents, from: Consents): void {
  for (const [purpose, entries] of Object.entries(from)) {
    const own = into[purpose] ?? [];
    into[purpose] = own;
    own.push(...entries.filter((entry) => !own.some((one) => same(one, entry))));
    own.sort((a, b) => a[0] - b[0] || Number(b[1]) - Number(a[1]));
  }
}

function mergeEntries<E extends readonly [at: number, id: string, ...unknown[]]>(
  into: Record<string, E[]>,
  from: Record<string, E[]>,
): void {
  for (const [name, entries] of Object.entries(from)) {
    const own = into[name] ?? [];
    const known = new Set(own.map(([at, id]) => `${at} ${id}`));
    const more = entries.filter(([at, id]) => !known.has(`${at} ${id}`));
    into[name] = [...own, ...more].sort(inOrder);
  }
}

function mergeInstants(into: Record<string, number[]>, from: Record<string, number[]>): void {
  for (const [item, instants] of Object.entries(from)) {
    into[item] = union(into[item] ?? [], instants);
  }
}

/** Ascending, each once. */
function union(a: readonly number[], b: readonly number[]): number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

function same(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.every((one, i) => one === b[i]);
}
