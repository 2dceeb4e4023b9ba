/**
 * Points of a class by hour, as columns for fast reading. A layout is cached beside the counts
 * while they are in memory; when the items of an hour change, only that hour is laid out again.
 */
import type { EventClass } from './engagement-config.ts';

/** Item -> the instants of its events, ascending; or only the number of items. */
export type Hour = Map<string, number[]> | number;

/** Points of one class in one hour. */
export interface Points {
  readonly hour: number;
  readonly points: number;
  readonly weight: number;
  /**
   * Instants of the first event of each item that counts, ascending; only for hours not settled.
   */
  readonly firsts: readonly number[] | undefined;
}

type Hours = Readonly<Record<string, Hour>>;

interface Layout {
  readonly scoring: EventClass;
  readonly list: Points[];
  /** The place of each hour in the list. */
  readonly placeOf: Map<string, number>;
  readonly stale: Set<string>;
}

const layouts = new WeakMap<Hours, Layout>();

/** Must be called when the items of an hour have changed. */
export function hourChanged(hours: Hours, hour: string): void {
  layouts.get(hours)?.stale.add(hour);
}

/** The points of all hours of a class, in no order. */
export function pointsOf(hours: Hours, scoring: EventClass): readonly Points[] {
  let layout = layouts.get(hours);
  if (layout === undefined || layout.scoring !== scoring) {
    layout = { scoring, list: [], placeOf: new Map(), stale: new Set(Object.keys(hours)) };
    layouts.set(hours, layout);
  }
  for (const hour of layout.stale) put(layout, hour, hours[hour]);
  layout.stale.clear();
  return layout.list;
}

function put({ list, placeOf, scoring }: Layout, hour: string, items: Hour | undefined): void {
  const place = placeOf.get(hour);
  if (items !== undefined) {
    placeOf.set(hour, place ?? list.length);
    list[place ?? list.length] = layOut(Number(hour), items, scoring);
    return;
  }
  if (place === undefined) return;
  placeOf.delete(hour);
  const last = list.pop() as Points;
  if (place === list.length) return;
  list[place] = last;
  placeOf.set(String(last.hour), place);
}

function layOut(hour: number, items: Hour, { weight, perHour }: EventClass): Points {
  if (typeof items === 'number') {
    return { hour, points: Math.min(items, perHour) * weight, weight, firsts: undefined };
  }
  const firsts: number[] = [];
  for (const instants of items.values()) firsts.push(instants[0] as number);
  if (firsts.length > 1) firsts.sort((a, b) => a - b);
  if (firsts.length > perHour) firsts.length = perHour;
  return { hour, points: firsts.length * weight, weight, firsts };
}

/** The items of an hour whose first event is at or before `until` (ms UTC), ordered by it. */
export function itemsUntil(items: ReadonlyMap<string, number[]>, until: number): string[] {
  return [...items]
    .map(([item, instants]) => ({ item, first: instants[0] as number }))
    .filter(({ first }) => first <= until)
    .sort((a, b) => a.first - b.first)
    .map(({ item }) => item);
}
