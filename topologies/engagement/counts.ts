/**
 * The number of distinct items of each class and hour, from which scores are computed. An hour that
 * events may still join or leave keeps its items with their instants; a settled hour keeps only the
 * number.
 */
import type { Event } from '../event.ts';
import { hourMs } from '../time-units.ts';
import type { EngagementConfig } from './engagement-config.ts';
import { type Hour, hourChanged } from './points.ts';

/** Hours that companions look back, whatever the half-lives are. */
const companionHours = 720;

export interface Counts {
  /** Class -> hour since 1970 -> its items. */
  hours: Map<string, Record<string, Hour>>;
  /** The newest forgotten hour with a human event; -1 for none. */
  lastForgotten: number;
}

export function noCounts(): Counts {
  return { hours: new Map(), lastForgotten: -1 };
}

export function hourOf(at: number): number {
  return Math.floor(at / hourMs);
}

/** What is counted at most once an hour. */
export function itemOf(config: EngagementConfig, event: Event): string {
  const { key = 'item' } = config.classes[event.class] ?? {};
  if (key === 'id') return event.id;
  const item = event.item ?? event.id;
  return key === 'item-link' && event.link !== undefined ? `${item}\n${event.link}` : item;
}

/**
 * Adds an event, or removes it again. Classes without points in the configuration are not counted.
 */
export function countEvent(
  config: EngagementConfig,
  counts: Counts,
  event: Event,
  at: number,
  add: boolean,
): void {
  if (config.classes[event.class] === undefined) return;
  const hours = counts.hours.get(event.class) ?? {};
  counts.hours.set(event.class, hours);
  const hour = String(hourOf(at));
  hours[hour] ??= new Map();
  const items = hours[hour];
  // A settled hour is older than any event that may still be accepted or taken back.
  if (typeof items === 'number') return;
  hourChanged(hours, hour);
  const item = itemOf(config, event);
  const instants = items.get(item) ?? [];
  if (add)
    items.set(
      item,
      [...instants, at].sort((a, b) => a - b),
    );
  else {
    instants.splice(instants.indexOf(at), 1);
    if (instants.length === 0) items.delete(item);
    if (items.size === 0) delete hours[hour];
  }
}

/** Distinct items of an hour whose first event is not after `until` (ms UTC). */
export function itemsIn(hour: Hour, until: number): number {
  if (typeof hour === 'number') return hour;
  let n = 0;
  for (const instants of hour.values()) if ((instants[0] as number) <= until) n++;
  return n;
}

/** For how many hours an event of a class affects any number that is shown. */
function horizonOf(config: EngagementConfig, eventClass: string): number {
  const channel = config.channels[config.classes[eventClass]?.channel ?? ''];
  return Math.max(8 * (channel?.halfLifeHours ?? 0), companionHours);
}

/**
 * Settles the hours before `settled` (an hour since 1970), and forgets those that add nothing to
 * any hour from `settled` on.
 */
export function settleHours(config: EngagementConfig, counts: Counts, settled: number): void {
  for (const [name, hours] of counts.hours) {
    const horizon = horizonOf(config, name);
    for (const [hour, items] of Object.entries(hours)) {
      const h = Number(hour);
      if (h >= settled) continue;
      hourChanged(hours, hour);
      if (settled - h < horizon) hours[hour] = itemsIn(items, Number.POSITIVE_INFINITY);
      else {
        if (config.classes[name]?.machine !== true) {
          counts.lastForgotten = Math.max(counts.lastForgotten, h);
        }
        delete hours[hour];
      }
    }
  }
}
