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

/** The score over time of the events known now: what has been counted, laid out for reading. */
export class ScoreCurve {
  readonly #channels: readonly ChannelCurve[];
  readonly #gate: Gate;
  readonly #shares: number;
  readonly #longest: number;

  constructor(config: EngagementConfig, items: HourlyItems, gate: Gate) {
    this.#gate = gate;
    const channels = Object.entries(config.channels);
    this.#channels = channels.map(([name, { halfLifeHours, saturation, share }]) => {
      const decay = decayTable(halfLifeHours);
      return { name, decay, saturation, share, hours: [], points: [] };
    });
    this.#shares = channels.reduce((sum, [, { share }]) => sum + share, 0);
    this.#longest = Math.max(...channels.map(([, channel]) => channel.halfLifeHours));
    for (const [eventClass, hours] of Object.entries(items)) {
      const { channel, weight } = config.classes[eventClass] ?? { channel: '', weight: 0 };
      const curve = this.#channels.find(({ name }) => name === channel);
      if (curve === undefined) continue;
      for (const [hour, counted] of Object.entries(hours)) {
        curve.hours.push(Number(hour));
        curve.points.push(counted.length * weight);
      }
    }
  }

  at(hour: number): Score {
    const subs: Record<string, number> = {};
    for (const channel of this.#channels) subs[channel.name] = subScore(channel, hour);
    return { score: this.#total(hour), subs };
  }

  /** The score, of 'total', or a channel's sub-score. */
  valueAt(of: string, hour: number): number {
    if (of === 'total') return this.#total(hour);
    const channel = this.#channels.find(({ name }) => name === of);
    return channel === undefined ? 0 : subScore(channel, hour);
  }

  /**
   * The first hour after `hour` at which a value is below `threshold` when nothing happens, by binary
   * search: without events no value rises. undefined when it is below already, or never.
   */
  firstHourBelow(of: string, threshold: number, hour: number): number | undefined {
    if (threshold <= 0 || this.valueAt(of, hour) < threshold) return undefined;
    let [high, low] = [hour + 8 * this.#longest, hour];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.valueAt(of, middle) < threshold) high = middle;
      else low = middle;
    }
    return high;
  }

  #total(hour: number): number {
    const shut = gateIsShut(this.#gate, hour * hourMs);
    let total = 0;
    for (const channel of this.#channels) {
      if (!shut || channel.name !== 'email') total += channel.share * subScore(channel, hour);
    }
    return Math.floor(total / this.#shares);
  }
}

interface ChannelCurve {
  readonly name: string;
  readonly decay: readonly number[];
  readonly saturation: number;
  readonly share: number;
  /** Hours with events, and their points at that hour. */
  readonly hours: number[];
  readonly points: number[];
}

function subScore({ decay, saturation, hours, points }: ChannelCurve, hour: number): number {
  let raw = 0;
  for (let i = 0; i < hours.length; i++) {
    const age = hour - (hours[i] as number);
    if (age >= 0 && age < decay.length) raw += (points[i] as number) * (decay[age] as number);
  }
  const decayed = Math.floor(raw / decayUnit);
  return Math.floor((100 * decayed) / (decayed + saturation));
}
