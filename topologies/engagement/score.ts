/**
 * The score of a subject at an hour: a closed form over hourly counts of distinct items. It depends
 * on the set of events only, and not on their order.
 */
import { setOwn } from '../dictionary.ts';
import { hourMs } from '../time-units.ts';
import { type Counts, hourOf, itemsIn } from './counts.ts';
import { decayTable, decayUnit } from './decay.ts';
import type { EngagementConfig, EventClass, OpenSignal } from './engagement-config.ts';
import { type Gates, gateChangesAt, gateIsShut } from './gates.ts';
import { type Points, pointsOf } from './points.ts';

export interface Score {
  readonly score: number;
  /** 0..99, by channel, without gates. */
  readonly subs: Readonly<Record<string, number>>;
}

const never = Number.POSITIVE_INFINITY;

interface ChannelCurve {
  readonly name: string;
  readonly decay: readonly number[];
  readonly saturation: number;
  readonly share: number;
  readonly classes: readonly { readonly points: readonly Points[]; readonly isOpen: boolean }[];
}

/** What counts at an instant if nothing arrives after it. */
interface Standing {
  readonly until: number;
  readonly isShut: boolean;
  /** By channel: hours and their points, unordered. */
  readonly counted: readonly { readonly hours: number[]; readonly points: number[] }[];
}

/** The score over time, over counts laid out for reading. */
export class ScoreCurve {
  readonly #channels: readonly ChannelCurve[];
  readonly #config: EngagementConfig;
  readonly #counts: Counts;
  readonly #gates: Gates;
  readonly #shares: number;
  readonly #longest: number;
  readonly #hasMachineOpens: boolean;
  /** The values at the instant asked for last. */
  #standing: Standing | undefined;

  constructor(config: EngagementConfig, counts: Counts, gates: Gates) {
    this.#config = config;
    this.#counts = counts;
    this.#gates = gates;
    this.#channels = scoringOf(config).map((channel) => channelOf(channel, counts));
    this.#shares = this.#channels.reduce((sum, { share }) => sum + share, 0);
    this.#longest = Math.max(...this.#channels.map(({ decay }) => decay.length));
    this.#hasMachineOpens = counts.hours.has(config.openSignal.machine);
  }

  /** Score and sub-scores at an instant (ms UTC), from the events up to it. */
  at(at: number): Score {
    const standing = this.#standingAt(at);
    const subs: Record<string, number> = {};
    for (const { name } of this.#channels) {
      setOwn(subs, name, this.#value(name, hourOf(at), standing));
    }
    return { score: this.#value('total', hourOf(at), standing), subs };
  }

  /** The score for 'total'; otherwise the sub-score of a channel. */
  valueAt(of: string, at: number): number {
    return this.#value(of, hourOf(at), this.#standingAt(at));
  }

  /**
   * The first instant after `at` at which a value is below `threshold` if nothing arrives after
   * `at`; +Infinity when it is below already, or never. The search ends at `opensAt(at)`: until
   * then no value rises without an event, so a binary search over hours finds the instant.
   */
  fallsBelow(of: string, threshold: number, at: number): number {
    const standing = this.#standingAt(at);
    const hour = hourOf(at);
    if (threshold <= 0 || this.#value(of, hour, standing) < threshold) return never;
    let [high, low] = [hour + this.#longest, hour];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#value(of, middle, standing) < threshold) high = middle;
      else low = middle;
    }
    const found = high * hourMs;
    return found < this.opensAt(at) ? found : never;
  }

  /** The next instant after `at` at which time alone opens the gate or changes the open signal. */
  opensAt(at: number): number {
    return Math.min(gateChangesAt(this.#gates, at), this.#signalChangesAt(at));
  }

  /** Whether opens are ignored, because too many in the last days are a machine's. */
  openSignalIsUnreliable(at: number): boolean {
    return this.#hasMachineOpens && this.#signalAt(hourOf(at), at);
  }

  #standingAt(until: number): Standing {
    if (this.#standing?.until !== until) {
      const withoutOpens = this.openSignalIsUnreliable(until);
      this.#standing = {
        until,
        isShut: gateIsShut(this.#gates, until),
        counted: this.#channels.map((channel) => countedUntil(channel, until, withoutOpens)),
      };
    }
    return this.#standing;
  }

  #value(of: string, hour: number, { isShut, counted }: Standing): number {
    const isTotal = of === 'total';
    let total = 0;
    for (let i = 0; i < this.#channels.length; i++) {
      const channel = this.#channels[i] as ChannelCurve;
      if (isTotal ? isShut && channel.name === this.#config.gatedChannel : channel.name !== of) {
        continue;
      }
      const { hours, points } = counted[i] as Standing['counted'][number];
      const sub = subScore(channel, hour, hours, points);
      if (!isTotal) return sub;
      total += channel.share * sub;
    }
    return Math.floor(total / this.#shares);
  }

  #signalAt(hour: number, until: number): boolean {
    const { human, machine, percent, hours } = this.#config.openSignal;
    const count = (eventClass: string) => this.countIn(eventClass, hour - hours, hour, until);
    const machines = count(machine);
    return machines > 0 && 100 * machines >= percent * (machines + count(human));
  }

  /** Opens leave the window hour by hour; returns the first hour at which the signal changes. */
  #signalChangesAt(at: number): number {
    if (!this.#hasMachineOpens) return never;
    const { human, machine, hours } = this.#config.openSignal satisfies OpenSignal;
    const now = this.openSignalIsUnreliable(at);
    const from = hourOf(at);
    const leaving = [human, machine]
      .flatMap((name) => Object.keys(this.#counts.hours.get(name) ?? {}))
      .map((hour) => Number(hour) + hours)
      .filter((hour) => hour > from && hour <= from + hours)
      .sort((a, b) => a - b);
    const hour = leaving.find((one) => this.#signalAt(one, at) !== now);
    return hour === undefined ? never : hour * hourMs;
  }

  /** Distinct items of a class in the hours (after, upTo], from events at or before `until`. */
  countIn(eventClass: string, after: number, upTo: number, until: number): number {
    let n = 0;
    for (const [hour, items] of Object.entries(this.#counts.hours.get(eventClass) ?? {})) {
      const h = Number(hour);
      if (h > after && h <= upTo && h <= hourOf(until)) n += itemsIn(items, until);
    }
    return n;
  }
}

/** A channel as configured, with the classes that give it points. */
type ChannelScoring = Omit<ChannelCurve, 'classes'> & {
  readonly classes: readonly {
    readonly name: string;
    readonly scoring: EventClass;
    readonly isOpen: boolean;
  }[];
};

const scorings = new WeakMap<EngagementConfig, readonly ChannelScoring[]>();

function scoringOf(config: EngagementConfig): readonly ChannelScoring[] {
  let scoring = scorings.get(config);
  if (scoring === undefined) {
    const classes = Object.entries(config.classes).filter(([, { weight }]) => weight > 0);
    scoring = Object.entries(config.channels).map(([channel, { halfLifeHours, ...rest }]) => ({
      ...{ name: channel, decay: decayTable(halfLifeHours), ...rest },
      classes: classes
        .filter(([, one]) => one.channel === channel)
        .map(([name, one]) => ({ name, scoring: one, isOpen: name === config.openSignal.human })),
    }));
    scorings.set(config, scoring);
  }
  return scoring;
}

function channelOf(channel: ChannelScoring, { hours }: Counts): ChannelCurve {
  const classes: { points: readonly Points[]; isOpen: boolean }[] = [];
  for (const { name, scoring, isOpen } of channel.classes) {
    const own = hours.get(name);
    if (own !== undefined) classes.push({ points: pointsOf(own, scoring), isOpen });
  }
  const { name, decay, saturation, share } = channel;
  return { name, decay, saturation, share, classes };
}

function countedUntil(
  { classes, decay }: ChannelCurve,
  until: number,
  withoutOpens: boolean,
): Standing['counted'][number] {
  const last = hourOf(until);
  const counted: Standing['counted'][number] = { hours: [], points: [] };
  for (const { points, isOpen } of classes) {
    if (withoutOpens && isOpen) continue;
    for (const one of points) {
      if (one.hour > last || last - one.hour >= decay.length) continue;
      counted.hours.push(one.hour);
      counted.points.push(one.hour === last ? pointsUntil(one, until) : one.points);
    }
  }
  return counted;
}

/** @param hour not before any of `hours` */
function subScore(
  { decay, saturation }: ChannelCurve,
  hour: number,
  hours: readonly number[],
  points: readonly number[],
): number {
  let raw = 0;
  for (let i = 0; i < hours.length; i++) {
    const age = hour - (hours[i] as number);
    if (age < decay.length) raw += (points[i] as number) * (decay[age] as number);
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
