/** Instants of rows by which a source detects new rows. */

export const instantForms = ['iso', 'epoch-s', 'epoch-ms'] as const;
export type InstantForm = (typeof instantForms)[number];

/**
 * ms UTC, or undefined if the value is not an instant of this form. A time without a zone is UTC.
 */
export function readInstant(form: InstantForm, value: unknown): number | undefined {
  if (form === 'iso') {
    const told = typeof value === 'string' ? value.trim() : '';
    const parts =
      /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;
    const [, date, time = '00:00', zone = 'Z'] = parts.exec(told) ?? [];
    if (date === undefined) return undefined;
    const [, sign = '', hours = '', minutes = '00'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
    return finite(Date.parse(`${date}T${time}${sign === '' ? 'Z' : `${sign}${hours}:${minutes}`}`));
  }
  const told = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof told !== 'number') return undefined;
  return finite(Math.floor(form === 'epoch-s' ? told * 1_000 : told));
}

/** Formatted as a parameter, rounded down. */
export function writeInstant(form: InstantForm, at: number): string {
  if (form === 'iso') return new Date(at).toISOString();
  return String(form === 'epoch-s' ? Math.floor(at / 1_000) : at);
}

function finite(at: number): number | undefined {
  return Number.isFinite(at) ? at : undefined;
}
