/**
 * The orders of a subject with their values, for money by currency and for models of repeat buying.
 */
import { ownOf } from '../dictionary.ts';
import type { Event } from '../event.ts';
import { dayMs, hourMs } from '../time-units.ts';
import { hourOf } from './counts.ts';
import type { EngagementConfig } from './engagement-config.ts';

/** One event of an order: its instant (ms UTC), value in minor units, and currency. */
type Line = readonly [at: number, amount: number, currency: string];

export interface Orders {
  /** By order id, which is the item of the event. */
  lines: Map<string, Line[]>;
  /** Forgotten orders: their number, and the instants of the first and the last; -1 for none. */
  forgotten: { orders: number; first: number; last: number };
}

/** Money is summed over a year, in hours. */
const yearHours = 8_760;

export function noOrders(): Orders {
  return { lines: new Map(), forgotten: { orders: 0, first: -1, last: -1 } };
}

/** Adds an order, or removes it again. Events of other classes are ignored. */
export function orderEvent(
  { money }: EngagementConfig,
  orders: Orders,
  event: Event,
  at: number,
  add: boolean,
): void {
  if (!money.classes.includes(event.class)) return;
  const id = event.item ?? event.id;
  const amount = ownOf(event.numbers, money.number) ?? 0;
  const line: Line = [at, amount, event.currency ?? money.currency];
  const lines = orders.lines.get(id) ?? [];
  if (add) orders.lines.set(id, [...lines, line]);
  else {
    const text = JSON.stringify(line);
    const i = lines.findIndex((one) => JSON.stringify(one) === text);
    if (i >= 0) lines.splice(i, 1);
    if (lines.length === 0) orders.lines.delete(id);
  }
}

/**
 * Forgets orders that add no money to any hour from `settled` (since 1970) on; they are still
 * counted.
 */
export function forgetOrders(orders: Orders, settled: number): void {
  const { forgotten, lines } = orders;
  for (const [id, all] of lines) {
    const instants = all.map(([at]) => at);
    if (hourOf(Math.max(...instants)) > settled - yearHours) continue;
    const first = Math.min(...instants);
    forgotten.first = forgotten.orders === 0 ? first : Math.min(forgotten.first, first);
    forgotten.last = Math.max(forgotten.last, first);
    forgotten.orders++;
    lines.delete(id);
  }
}

/**
 * Sums of the order values of the hours (hour - hours, hour], by currency. Currencies are never
 * added up.
 */
export function moneyIn(orders: Orders, hour: number, hours: number): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [at, amount, currency] of [...orders.lines.values()].flat()) {
    const h = hourOf(at);
    if (h > hour || h <= hour - hours) continue;
    sums.set(currency, (sums.get(currency) ?? 0) + amount);
  }
  return Object.fromEntries(sums);
}

/** The input of BG/NBD and related models, in whole days. */
export interface RepeatBuying {
  /** Orders after the first. */
  readonly x: number;
  /** From the first order to the last, days. */
  readonly tx: number;
  /** From the first order to the hour asked for, days. */
  readonly age: number;
}

/** Undefined before the first order. An order is placed at its first event. */
export function repeatBuying(orders: Orders, hour: number): RepeatBuying | undefined {
  const { forgotten } = orders;
  const firsts = [...orders.lines.values()]
    .map((all) => Math.min(...all.map(([at]) => at)))
    .filter((at) => hourOf(at) <= hour);
  const count = firsts.length + forgotten.orders;
  if (count === 0) return undefined;
  const known = forgotten.orders > 0;
  const first = known ? Math.min(forgotten.first, ...firsts) : Math.min(...firsts);
  const last = Math.max(forgotten.last, ...firsts);
  return {
    x: count - 1,
    tx: Math.floor((last - first) / dayMs),
    age: Math.floor(((hour + 1) * hourMs - 1 - first) / dayMs),
  };
}
