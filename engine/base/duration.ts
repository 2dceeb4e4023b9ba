/** Durations are plain milliseconds; these functions only name the unit. */

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export const milliseconds = (n: number): number => n;
export const seconds = (n: number): number => n * unitMs.s;
export const minutes = (n: number): number => n * unitMs.m;
export const hours = (n: number): number => n * unitMs.h;
export const days = (n: number): number => n * unitMs.d;

/** Parses '500ms', '30s', '5m', '12h' or '7d' to milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  return Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
}
