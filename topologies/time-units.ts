/** Lengths of time in ms. A day is 24 hours; days of a time zone are in segments/local-day.ts. */
export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
