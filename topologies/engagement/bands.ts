/** Bands of the score. Up at the bound, down only when the score is `hysteresis` below it. */
import type { EngagementConfig } from './config.ts';

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
