/**
 * The parts of a score at an instant: what was counted hour by hour, and what decay has left of it.
 */
import { ownOf } from '../dictionary.ts';
import { hourMs } from '../time-units.ts';
import { hourOf } from './counts.ts';
import { decayTable, decayUnit } from './decay.ts';
import { curveOf, type Engagement } from './engagement.ts';
import type { EngagementConfig, EventClass } from './engagement-config.ts';
import { gateChangesAt, gateIsShut } from './gates.ts';
import { type Hour, itemsUntil } from './points.ts';

/** The points of one class in one hour, in thousandths. */
export interface HourShare {
  readonly class: string;
  /** Begin of the hour, ms UTC. */
  readonly hour: number;
  /** Distinct items up to the instant; those beyond the cap of the class do not count. */
  readonly items: number;
  readonly counted: number;
  readonly points: number;
  /** What is left after decay; not rounded. */
  readonly left: number;
  /** The items, in the order of their first events. A settled hour has only their number. */
  readonly which?: readonly string[];
}

export interface ChannelShare {
  readonly channel: string;
  /** 0..99. */
  readonly sub: number;
  /** Share in the score; 0 while the gate shuts the channel. */
  readonly share: number;
  readonly saturation: number;
  /**
   * Thousandths of points after decay, rounded down: sub = floor(100 left / (left + saturation)).
   */
  readonly left: number;
  /** Newest first. */
  readonly hours: readonly HourShare[];
}

export interface ScoreExplanation {
  readonly score: number;
  readonly channels: readonly ChannelShare[];
  readonly gateIsShut: boolean;
  /** The next instant at which time alone changes the gate, ms UTC; absent for never. */
  readonly gateChangesAt?: number;
  /** Whether no open counts, because too many are a machine's. */
  readonly opensCountNothing: boolean;
  /** The next instant at which the score changes if nothing arrives, ms UTC; absent for never. */
  readonly changesAt?: number;
}

/** @param at ms UTC; not before the settled past */
export function explainScore(
  config: EngagementConfig,
  state: Engagement,
  at: number,
): ScoreExplanation {
  const curve = curveOf(config, state);
  const { score, subs } = curve.at(at);
  const isShut = gateIsShut(state.gates, at);
  const opensCountNothing = curve.openSignalIsUnreliable(at);
  const mute = opensCountNothing ? config.openSignal.human : undefined;
  const channels = Object.entries(config.channels).map(([channel, scoring]) => {
    const hours = Object.entries(config.classes)
      .filter(([name, one]) => one.channel === channel && one.weight > 0 && name !== mute)
      .flatMap(([name, one]) =>
        sharesOf(name, one, state.counts.hours.get(name) ?? {}, at, scoring),
      )
      .sort((a, b) => b.hour - a.hour || (a.class < b.class ? -1 : 1));
    return {
      channel,
      sub: ownOf(subs, channel) ?? 0,
      share: isShut && channel === config.gatedChannel ? 0 : scoring.share,
      saturation: scoring.saturation,
      left: Math.floor(hours.reduce((sum, { left }) => sum + left * decayUnit, 0) / decayUnit),
      hours,
    };
  });
  const gateChanges = gateChangesAt(state.gates, at);
  const changes = Math.min(curve.fallsBelow('total', score, at), curve.opensAt(at));
  return {
    score,
    channels,
    gateIsShut: isShut,
    ...(Number.isFinite(gateChanges) ? { gateChangesAt: gateChanges } : {}),
    opensCountNothing,
    ...(Number.isFinite(changes) ? { changesAt: changes } : {}),
  };
}

function sharesOf(
  name: string,
  { weight, perHour }: EventClass,
  hours: Readonly<Record<string, Hour>>,
  at: number,
  { halfLifeHours }: { readonly halfLifeHours: number },
): HourShare[] {
  const decay = decayTable(halfLifeHours);
  return Object.entries(hours).flatMap(([text, held]) => {
    const age = hourOf(at) - Number(text);
    if (age < 0 || age >= decay.length) return [];
    const which = typeof held === 'number' ? undefined : itemsUntil(held, at);
    const items = which?.length ?? (held as number);
    if (items === 0) return [];
    const counted = Math.min(items, perHour);
    const points = counted * weight;
    const left = (points * (decay[age] as number)) / decayUnit;
    const share = { class: name, hour: Number(text) * hourMs, items, counted, points, left };
    return which === undefined ? share : { ...share, which };
  });
}
