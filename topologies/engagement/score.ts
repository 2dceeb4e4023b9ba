/**
 * The score of a subject at an hour: a closed form over hourly counts of distinct items, so that it
 * depends on the set of events alone, never on the order in which they came.
 */
import type { EngagementConfig, OpenSignal } from './config.ts';
import { type Counts, hourMs, hourOf, itemsIn } from './counts.ts';
import { decayTable, decayUnit } from './decay.ts';
import { type Gates, gateChangesAt, gateIsShut } from './gates.ts';

export interface Score {
  readonly score: number;
  /** 0..99, by channel, without gates. */
  readonly subs: Readonly<Record<string, number>>;
}

const never = Number.POSITIVE_INFINITY;

/** Points of one class in one hour. */
interface Points {
  readonly hour: number;
  readonly points: number;
  readonly weight: number;
  /** Instants at which the items that count came first, ascending; only of hours not settled. */
  readonly firsts: readonly number[] | undefined;
  readonly isOpen: boolean;
}

interface ChannelCurve {
  readonly name: string;
  readonly decay: readonly number[];
  readonly saturation: number;
  readonly share: number;
  readonly points: Points[];
}

/** The score over time: what has been counted, laid out for reading. */
export class ScoreCurve {
  readonly #channels: readonly ChannelCurve[];
  readonly #config: EngagementConfig;
  readonly #counts: Counts;
  readonly #gates: Gates;
  readonly #shares: number;
  readonly #longest: number;
  readonly #hasMachineOpens: boolean;

  constructor(config: EngagementConfig, counts: Counts, gates: Gates) {
    this.#config = config;
    this.#counts = counts;
    this.#gates = gates;
    const channels = Object.entries(config.channels);
    this.#channels = channels.map(([name, { halfLifeHours, saturation, share }]) => {
      return { name, decay: decayTable(halfLifeHours), saturation, share, points: [] };
    });
    this.#shares = channels.reduce((sum, [, { share }]) => sum + share, 0);
    this.#longest = Math.max(...channels.map(([, channel]) => channel.halfLifeHours));
    this.#hasMachineOpens = counts.hours[config.openSignal.machine] !== undefined;
    for (const eventClass of Object.keys(counts.hours)) this.#layOut(eventClass);
  }

  /** Score and sub-scores at an instant, ms UTC, of the events up to it. */
  at(at: number): Score {
    const unreliable = this.openSignalIsUnreliable(at);
    const subs: Record<string, number> = {};
    for (const channel of this.#channels) {
      subs[channel.name] = subScore(channel, hourOf(at), at, unreliable);
    }
    const shut = gateIsShut(this.#gates, at);
    return { score: this.#total(hourOf(at), at, unreliable, shut), subs };
  }

  /** The score, of 'total', or a channel's sub-score. */
  valueAt(of: string, at: number): number {
    const unreliable = this.openSignalIsUnreliable(at);
    return this.#value(of, hourOf(at), at, unreliable, gateIsShut(this.#gates, at));
  }

  /**
   * The first instant after `at` at which a value is below `threshold` if nothing happens after `at`;
   * +Infinity when it is below already, or never. It does not look beyond `opensAt(at)`: until then no
   * value rises without an event, so a binary search over hours finds it.
   */
  fallsBelow(of: string, threshold: number, at: number): number {
    const unreliable = this.openSignalIsUnreliable(at);
    const shut = gateIsShut(this.#gates, at);
    const below = (hour: number) => this.#value(of, hour, at, unreliable, shut) < threshold;
    const hour = hourOf(at);
    if (threshold <= 0 || below(hour)) return never;
    let [high, low] = [hour + 8 * this.#longest, hour];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (below(middle)) high = middle;
      else low = middle;
    }
    const found = high * hourMs;
    return found < this.opensAt(at) ? found : never;
  }

  /** The next instant after `at` at which the gate opens, or the open signal changes, by itself. */
  opensAt(at: number): number {
    return Math.min(gateChangesAt(this.#gates, at), this.#signalChangesAt(at));
  }

  /** Whether so many opens of the last days are a machine's that opens tell nothing. */
  openSignalIsUnreliable(at: number): boolean {
    return this.#hasMachineOpens && this.#signalAt(hourOf(at), at);
  }

  #layOut(eventClass: string): void {
    const { channel, weight, perHour } = this.#config.classes[eventClass] ?? {};
    const curve = this.#channels.find(({ name }) => name === channel);
    if (curve === undefined || weight === undefined || perHour === undefined) return;
    if (weight === 0) return;
    const isOpen = eventClass === this.#config.openSignal.human;
    for (const [hour, items] of Object.entries(this.#counts.hours[eventClass] ?? {})) {
      const firsts =
        typeof items === 'number'
          ? undefined
          : Object.values(items)
              .map((instants) => instants[0] as number)
              .sort((a, b) => a - b)
              .slice(0, perHour);
      const n = typeof items === 'number' ? Math.min(items, perHour) : (firsts?.length ?? 0);
      curve.points.push({ hour: Number(hour), points: n * weight, weight, firsts, isOpen });
    }
  }

  #value(of: string, hour: number, until: number, unreliable: boolean, shut: boolean): number {
    if (of === 'total') return this.#total(hour, until, unreliable, shut);
    const channel = this.#channels.find(({ name }) => name === of);
    return channel === undefined ? 0 : subScore(channel, hour, until, unreliable);
  }

  #total(hour: number, until: number, unreliable: boolean, shut: boolean): number {
    let total = 0;
    for (const channel of this.#channels) {
      if (shut && channel.name === this.#config.gatedChannel) continue;
      total += channel.share * subScore(channel, hour, until, unreliable);
    }
    return Math.floor(total / this.#shares);
  }

  #signalAt(hour: number, until: number): boolean {
    const { human, machine, percent, hours } = this.#config.openSignal;
    const count = (eventClass: string) => this.countIn(eventClass, hour - hours, hour, until);
    const machines = count(machine);
    return machines > 0 && 100 * machines >= percent * (machines + count(human));
  }

  /** Opens leave the window hour by hour: the first such hour at which the answer is another. */
  #signalChangesAt(at: number): number {
    if (!this.#hasMachineOpens) return never;
    const { human, machine, hours } = this.#config.openSignal satisfies OpenSignal;
    const now = this.openSignalIsUnreliable(at);
    const from = hourOf(at);
    const leaving = [human, machine]
      .flatMap((name) => Object.keys(this.#counts.hours[name] ?? {}))
      .map((hour) => Number(hour) + hours)
      .filter((hour) => hour > from && hour <= from + hours)
      .sort((a, b) => a - b);
    const hour = leaving.find((one) => this.#signalAt(one, at) !== now);
    return hour === undefined ? never : hour * hourMs;
  }

  /** Distinct items of a class in the hours (after, upTo], of events not after `until`. */
  countIn(eventClass: string, after: number, upTo: number, until: number): number {
    let n = 0;
    for (const [hour, items] of Object.entries(this.#counts.hours[eventClass] ?? {})) {
      const h = Number(hour);
      if (h > after && h <= upTo && h <= hourOf(until)) n += itemsIn(items, until);
    }
    return n;
  }
}

function subScore(
  { decay, saturation, points }: ChannelCurve,
  hour: number,
  until: number,
  withoutOpens: boolean,
): number {
  const last = hourOf(until);
  let raw = 0;
  for (const one of points) {
    const age = hour - one.hour;
    if (age < 0 || age >= decay.length || one.hour > last || (withoutOpens && one.isOpen)) continue;
    raw += (one.hour === last ? pointsUntil(one, until) : one.points) * (decay[age] as number);
  }
  const decayed = Math.floor(raw / decayUnit);
  return Math.floor((100 * decayed) / (decayed + saturation));
}

function pointsUntil({ firsts, points, weight }: Points, until: number): number {
  if (firsts === undefined) return points;
  let n = 0;
  for (const first of firsts) if (first <= until) n++;
  return n * weight;
}
