/** Parses instants written by people and programs. */

/** Such as 2026-05-01T12:00:00Z. */
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** Parses ms since 1970, or ISO 8601 with a zone, to ms UTC; undefined for anything else. */
export function instantIn(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const at = iso.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
