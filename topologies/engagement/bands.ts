/**
 * Bands of the score. A band is entered at its bound, and left when the score is `hysteresis` below
 * the bound.
 */
import type { EngagementConfig } from './engagement-config.ts';
import type { ScoreCurve } from './score.ts';

/** Shown in place of a band while a gate shuts the e-mail channel. */
export const suppressed = 'suppressed';

/** Index of the band after `score`, coming from band `before`. */
export function bandAfter(config: EngagementConfig, score: number, before: number): number {
  let band = before;
  while (score >= (config.bands[band + 1]?.from ?? Number.POSITIVE_INFINITY)) band++;
  while (band > 0 && score < lowerBound(config, band)) band--;
  return band;
}

/** The band is left when the score falls below this. */
export function lowerBound(config: EngagementConfig, band: number): number {
  return band === 0 ? 0 : (config.bands[band]?.from ?? 0) - config.hysteresis;
}

/** A band, from an instant (ms UTC) on. */
export interface BandStep {
  readonly at: number;
  readonly band: number;
}

/**
 * The next instant after `at` (ms UTC) at which time alone may change the band or the gate;
 * +Infinity for never.
 */
export function bandChangesAt(
  config: EngagementConfig,
  curve: ScoreCurve,
  band: number,
  at: number,
): number {
  const bound = lowerBound(config, band);
  return Math.min(curve.fallsBelow('total', bound, at), curve.opensAt(at));
}

/**
 * The bands from `start` to `end`. The result depends on the events and on the band at the start
 * only, so an event that comes late or is taken back leaves the band that should have been.
 * @param instants of all events after the start, ascending, ms UTC
 */
export function bandPath(
  config: EngagementConfig,
  curve: ScoreCurve,
  start: BandStep,
  instants: readonly number[],
  end: number,
): BandStep[] {
  const steps = [start];
  let [band, i] = [start.band, 0];
  for (let at = start.at; at <= end; ) {
    const next = bandAfter(config, curve.valueAt('total', at), band);
    if (next !== band) steps.push({ at, band: next });
    band = next;
    while (i < instants.length && (instants[i] as number) <= at) i++;
    const event = instants[i] ?? Number.POSITIVE_INFINITY;
    at = Math.min(event, bandChangesAt(config, curve, band, at));
  }
  return steps;
}
