/**
 * The score of a subject at an hour: a closed form over hourly counts of distinct items, so that it
 * depends on the set of events alone, never on the order in which they came.
 */
import type { EngagementConfig } from './config.ts';
import { decayTable, decayUnit } from './decay.ts';

export const hourMs = 3_600_000;

/** class -> hour -> the distinct items counted in it, at most the class's `perHour`. */
export type HourlyItems = Record<string, Record<string, string[]>>;

/** Instants (ms UTC) of the newest event of each kind that shuts or opens the e-mail gate; 0 = none. */
export interface Gate {
  bounced: number;
  addressChanged: number;
  unsubscribed: number;
  subscribed: number;
  complained: number;
}

export const gateEvents: Readonly<Record<string, keyof Gate>> = {
  email_bounce: 'bounced',
  address_change: 'addressChanged',
  email_unsubscribe: 'unsubscribed',
  email_subscribe: 'subscribed',
  email_complaint: 'complained',
};

const complaintMs = 365 * 24 * hourMs;

export function openGate(): Gate {
  return { bounced: 0, addressChanged: 0, unsubscribed: 0, subscribed: 0, complained: 0 };
}

export function gateIsShut(gate: Gate, at: number): boolean {
  return (
    gate.bounced > gate.addressChanged ||
    gate.unsubscribed > gate.subscribed ||
    (gate.complained > 0 && at < gate.complained + complaintMs)
  );
}

/** When the gate opens by itself; +Infinity when it does not. */
export function gateChangesAt(gate: Gate, at: number): number {
  const until = gate.complained + complaintMs;
  return gate.complained > 0 && at < until ? until : Number.POSITIVE_INFINITY;
}

export interface Score {
  readonly score: number;
  /** 0..99, by channel, without gates. */
  readonly subs: Readonly<Record<string, number>>;
}

/** Takes an event in; false when it does not change any count. */
export function countItem(
  config: EngagementConfig,
  items: HourlyItems,
  eventClass: string,
  item: string,
  at: number,
): boolean {
  const limit = config.classes[eventClass]?.perHour;
  if (limit === undefined) return false;
  const hour = String(Math.floor(at / hourMs));
  items[eventClass] ??= {};
  const hours = items[eventClass];
  hours[hour] ??= [];
  const counted = hours[hour];
  if (counted.length >= limit || counted.includes(item)) return false;
  counted.push(item);
  return true;
}

/** Forgets the hours whose decay is 0 for every hour from `hour` on. */
export function forgetHours(config: EngagementConfig, items: HourlyItems, hour: number): void {
  for (const [name, hours] of Object.entries(items)) {
    const channel = config.channels[config.classes[name]?.channel ?? ''];
    const horizon = 8 * (channel?.halfLifeHours ?? 0);
    for (const b of Object.keys(hours)) if (hour - Number(b) >= horizon) delete hours[b];
  }
}

export function scoreAt(
  config: EngagementConfig,
  items: HourlyItems,
  gate: Gate,
  hour: number,
): Score {
  const raw: Record<string, number> = {};
  for (const [name, hours] of Object.entries(items)) {
    const { channel, weight } = config.classes[name] ?? { channel: '', weight: 0 };
    const decay = decayTable(config.channels[channel]?.halfLifeHours ?? 1);
    for (const [b, counted] of Object.entries(hours)) {
      const age = hour - Number(b);
      if (age >= 0)
        raw[channel] = (raw[channel] ?? 0) + counted.length * weight * (decay[age] ?? 0);
    }
  }
  const subs: Record<string, number> = {};
  let [total, shares] = [0, 0];
  for (const [name, { saturation, share }] of Object.entries(config.channels)) {
    const points = Math.floor((raw[name] ?? 0) / decayUnit);
    const sub = Math.floor((100 * points) / (points + saturation));
    subs[name] = sub;
    shares += share;
    if (name !== 'email' || !gateIsShut(gate, hour * hourMs)) total += share * sub;
  }
  return { score: Math.floor(total / shares), subs };
}

/**
 * The first hour after `hour` at which a value falls below `threshold` when nothing happens, by binary
 * search: without events the score never rises. undefined when it never does.
 */
export function firstHourBelow(
  config: EngagementConfig,
  valueAt: (hour: number) => number,
  threshold: number,
  hour: number,
): number | undefined {
  if (threshold <= 0 || valueAt(hour) < threshold) return undefined;
  const longest = Math.max(...Object.values(config.channels).map((c) => c.halfLifeHours));
  let [high, low] = [hour + 8 * longest, hour];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (valueAt(middle) < threshold) high = middle;
    else low = middle;
  }
  return high;
}
