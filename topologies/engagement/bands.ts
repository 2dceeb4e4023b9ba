/** Bands of the score. Up at the bound, down only when the score is `hysteresis` below it. */
import type { EngagementConfig } from './engagement-config.ts';
import type { ScoreCurve } from './score.ts';

/** Shown in place of a band while the e-mail gate is shut. */
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

/** When the band or the gate may change by itself after `at`; +Infinity for never. */
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
 * The way of the band from `start` to `end`: a function of the events and of the band at the start,
 * so that an event that comes late, or is taken back, leaves the band that it should have been.
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
