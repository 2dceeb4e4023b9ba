/** Instants as people and programs write them. */

/** Such as 2026-05-01T12:00:00Z. */
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** ms UTC of so many ms since 1970, or of ISO 8601 with its zone; undefined for anything else. */
export function instantIn(text: string): number | undefined {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  const at = iso.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
