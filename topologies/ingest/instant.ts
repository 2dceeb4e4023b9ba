/** Reads instants strictly by a pattern: what does not fit exactly is refused with its reason, never guessed. */

const tokens: Readonly<Record<string, { readonly pattern: string; readonly unit: Unit }>> = {
  YYYY: { pattern: '\\d{4}', unit: 'year' },
  YY: { pattern: '\\d{2}', unit: 'year' },
  MM: { pattern: '\\d{2}', unit: 'month' },
  M: { pattern: '\\d{1,2}', unit: 'month' },
  DD: { pattern: '\\d{2}', unit: 'day' },
  D: { pattern: '\\d{1,2}', unit: 'day' },
  HH: { pattern: '\\d{2}', unit: 'hour' },
  H: { pattern: '\\d{1,2}', unit: 'hour' },
  mm: { pattern: '\\d{2}', unit: 'minute' },
  ss: { pattern: '\\d{2}', unit: 'second' },
};

type Unit = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second';

/** ms UTC, or why the text is refused: words that follow 'time "..."'. */
export type InstantReader = (text: string) => number | string;

/** Two-digit years are 2000 to 2099. */
const century = 2_000;

const noSuchTime = 'names no real day and time';

/**
 * A reader for `format`: 'iso' (with an offset or Z), 'epoch-ms', 'epoch-s', or a pattern such as
 * 'DD-MM-YY H:mm'. Throws an Error that says what is wrong with the format or the zone.
 * @param zone IANA name, e.g. 'UTC' or 'Europe/London'; for patterns only
 */
export function instantReader(format: string, zone: string): InstantReader {
  if (format === 'epoch-ms') return epoch(format, 1);
  if (format === 'epoch-s') return epoch(format, 1_000);
  if (format === 'iso') return isoInstant;
  return patternReader(format, zone);
}

function epoch(format: string, unit: number): InstantReader {
  return (text) => (/^\d{1,15}$/.test(text) ? Number(text) * unit : `does not fit ${format}`);
}

const iso = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})$/;

function isoInstant(text: string): number | string {
  const match = iso.exec(text);
  if (match === null) return 'does not fit iso, e.g. 2026-01-31T09:30:00Z';
  const [, day = '', time = ''] = match;
  // Date.parse takes 30 February for 2 March; a real day comes back as it was written.
  const local = Date.parse(`${day}T${time}Z`);
  const real = !Number.isNaN(local) && new Date(local).toISOString().startsWith(day);
  const at = Date.parse(text);
  return real && !Number.isNaN(at) ? at : noSuchTime;
}

function patternReader(format: string, zone: string): InstantReader {
  const units: Unit[] = [];
  const source = format.replace(/YYYY|YY|MM|M|DD|D|HH|H|mm|ss|[.*+?^${}()|[\]\\]/g, (token) => {
    const known = tokens[token];
    if (known === undefined) return `\\${token}`;
    units.push(known.unit);
    return `(${known.pattern})`;
  });
  if (!['year', 'month', 'day'].every((unit) => units.includes(unit as Unit))) {
    throw new Error("must be 'iso', 'epoch-ms', 'epoch-s', or a pattern with year, month and day");
  }
  if (/\{1,2\}\)\(/.test(source)) {
    throw new Error('is ambiguous: M, D and H take one or two digits and need a mark behind them');
  }
  const expression = new RegExp(`^${source}$`);
  const instant = zoneReader(zone);
  return (text) => {
    const match = expression.exec(text);
    if (match === null) return `does not fit ${format}`;
    const parts = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    units.forEach((unit, i) => {
      const digits = match[i + 1] ?? '';
      parts[unit] = Number(digits) + (unit === 'year' && digits.length === 2 ? century : 0);
    });
    const local = localInstant(parts);
    return local === undefined ? noSuchTime : instant(local);
  };
}

/** Wall time of a zone -> ms UTC, or why there is no one instant of that name. */
function zoneReader(zone: string): (local: number) => number | string {
  const offset = offsetOf(zone);
  return (local) => {
    const day = 86_400_000;
    // The offsets of the days around are all that can be in force at the wall time.
    const candidates = [...new Set([offset(local - day), offset(local + day)])];
    const instants = candidates.map((one) => local - one).filter((at) => at + offset(at) === local);
    if (instants.length === 1) return instants[0] as number;
    return instants.length === 0
      ? `does not exist in ${zone}: the clock was put forward over it`
      : `is ambiguous in ${zone}: the clock was put back, it comes twice`;
  };
}

/** The wall time as if it were UTC; undefined when there is no such day or time. */
function localInstant(parts: Record<Unit, number>): number | undefined {
  const { year, month, day, hour, minute, second } = parts;
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(at);
  const real =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  return real ? at : undefined;
}

/** Offset of a zone from UTC at an instant, in ms. */
function offsetOf(zone: string): (at: number) => number {
  if (zone === 'UTC') return () => 0;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw new Error(`there is no time zone ${JSON.stringify(zone)}`);
  }
  return (at) => {
    const of = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, Number(p.value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = of;
    return Date.UTC(year, month - 1, day, hour, minute, second) - (at - (at % 1_000));
  };
}
