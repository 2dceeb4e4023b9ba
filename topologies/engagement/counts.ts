/**
 * How many distinct items of each class a subject had in each hour: all that a score is made of. An
 * hour that events may still join or leave keeps its items with their instants; a settled one keeps
 * the number alone.
 */
import type { Event } from '../event.ts';
import type { EngagementConfig } from './engagement-config.ts';
import { type Hour, hourChanged } from './points.ts';

export const hourMs = 3_600_000;

/** Companions look back this far, hours, whatever the half-lives are. */
const companionHours = 720;

export interface Counts {
  /** Class -> hour since 1970 -> its items. */
  hours: Map<string, Record<string, Hour>>;
  /** The newest hour with a human event among those forgotten; -1 for none. */
  lastForgotten: number;
}

export function noCounts(): Counts {
  return { hours: new Map(), lastForgotten: -1 };
}

export function hourOf(at: number): number {
  return Math.floor(at / hourMs);
}

/** What of an event is counted once an hour. */
export function itemOf(config: EngagementConfig, event: Event): string {
  const { key = 'item' } = config.classes[event.class] ?? {};
  if (key === 'id') return event.id;
  const item = event.item ?? event.id;
  return key === 'item-link' && event.link !== undefined ? `${item}\n${event.link}` : item;
}

/**
 * Adds an event, or takes one out again. Classes without points in the configuration count nothing.
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
  // A settled hour is older than anything that may still be accepted or taken back.
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

/** For how many hours an event of a class matters to any number shown. */
function horizonOf(config: EngagementConfig, eventClass: string): number {
  const channel = config.channels[config.classes[eventClass]?.channel ?? ''];
  return Math.max(8 * (channel?.halfLifeHours ?? 0), companionHours);
}

/**
 * Settles the hours before `settled` (an hour since 1970), and forgets those that give nothing to
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
