/** The companions of the score, from the same counts: recency, active days, frequencies, money. */

import { hourMs } from '../time-units.ts';
import { type Counts, itemsIn } from './counts.ts';
import type { EngagementConfig } from './engagement-config.ts';
import { moneyIn, type Orders, type RepeatBuying, repeatBuying } from './orders.ts';

export interface Companions {
  /** Hours since the last hour with a human event; absent when there was none. */
  readonly recencyHours?: number;
  /** Days of the configured zone with a human event, among the last 168 and 720 hours. */
  readonly activeDays7: number;
  readonly activeDays30: number;
  /** By class: distinct items of each hour, summed over 168 and 720 hours. */
  readonly counts7: Readonly<Record<string, number>>;
  readonly counts30: Readonly<Record<string, number>>;
  /** By currency: order values of 720 and 8,760 hours in minor units. */
  readonly money30: Readonly<Record<string, number>>;
  readonly money365: Readonly<Record<string, number>>;
  readonly repeatBuying?: RepeatBuying;
}

/** @param hour since 1970; all windows are whole hours and include this one */
export function companionsAt(
  config: EngagementConfig,
  counts: Counts,
  orders: Orders,
  hour: number,
): Companions {
  const human = new Set<number>();
  const counts7 = new Map<string, number>();
  const counts30 = new Map<string, number>();
  for (const [name, hours] of counts.hours) {
    for (const [text, items] of Object.entries(hours)) {
      const h = Number(text);
      if (h > hour) continue;
      const n = itemsIn(items, Number.POSITIVE_INFINITY);
      if (h > hour - 168) counts7.set(name, (counts7.get(name) ?? 0) + n);
      if (h > hour - 720) counts30.set(name, (counts30.get(name) ?? 0) + n);
      if (config.classes[name]?.machine !== true) human.add(h);
    }
  }
  const last = Math.max(counts.lastForgotten, ...human);
  const buying = repeatBuying(orders, hour);
  return {
    ...(last < 0 ? {} : { recencyHours: hour - last }),
    activeDays7: activeDays(config.zone, human, hour - 168),
    activeDays30: activeDays(config.zone, human, hour - 720),
    counts7: Object.fromEntries(counts7),
    counts30: Object.fromEntries(counts30),
    money30: moneyIn(orders, hour, 720),
    money365: moneyIn(orders, hour, 8_760),
    ...(buying === undefined ? {} : { repeatBuying: buying }),
  };
}

/** An hour belongs to the day on which it begins. */
function activeDays(zone: string, hours: ReadonlySet<number>, after: number): number {
  const days = new Set<string>();
  for (const hour of hours) if (hour > after) days.add(dayOf(zone, hour));
  return days.size;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function dayOf(zone: string, hour: number): string {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-CA', { timeZone: zone });
    formats.set(zone, format);
  }
  return format.format(hour * hourMs);
}
