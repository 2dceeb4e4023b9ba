/** Reads instants strictly by a pattern: what does not fit exactly is refused, never guessed. */

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

export type InstantReader = (text: string) => number | undefined;

/** Two-digit years are 2000 to 2099. */
const century = 2_000;

/**
 * A reader for `format`: 'iso' (with an offset or Z), 'epoch-ms', 'epoch-s', or a pattern such as
 * 'DD-MM-YY H:mm'. Answers ms UTC, or undefined when the text does not fit or names no real day.
 * undefined instead of a reader: the format itself is wrong.
 * @param zone IANA name, e.g. 'UTC' or 'Europe/London'; for patterns only
 */
export function instantReader(format: string, zone: string): InstantReader | undefined {
  if (format === 'epoch-ms') return (text) => whole(text);
  if (format === 'epoch-s') return (text) => scale(whole(text));
  if (format === 'iso') return isoInstant;
  return patternReader(format, zone);
}

function whole(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function scale(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}

function isoInstant(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/.test(text)) {
    return undefined;
  }
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

function patternReader(format: string, zone: string): InstantReader | undefined {
  const units: Unit[] = [];
  const source = format.replace(/YYYY|YY|MM|M|DD|D|HH|H|mm|ss|[.*+?^${}()|[\]\\]/g, (token) => {
    const known = tokens[token];
    if (known === undefined) return `\\${token}`;
    units.push(known.unit);
    return `(${known.pattern})`;
  });
  if (!['year', 'month', 'day'].every((unit) => units.includes(unit as Unit))) return undefined;
  const expression = new RegExp(`^${source}$`);
  const offset = offsetOf(zone);
  if (offset === undefined) return undefined;
  return (text) => {
    const match = expression.exec(text);
    if (match === null) return undefined;
    const parts = { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0 };
    units.forEach((unit, i) => {
      const digits = match[i + 1] ?? '';
      parts[unit] = Number(digits) + (unit === 'year' && digits.length === 2 ? century : 0);
    });
    const local = localInstant(parts);
    return local === undefined ? undefined : local - offset(local - offset(local));
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

/** Offset of a zone from UTC at an instant, in ms; undefined for an unknown zone. */
function offsetOf(zone: string): ((at: number) => number) | undefined {
  if (zone === 'UTC') return () => 0;
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    return (at) => {
      const of = Object.fromEntries(format.formatToParts(at).map((p) => [p.type, Number(p.value)]));
      const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = of;
      return Date.UTC(year, month - 1, day, hour, minute, second) - (at - (at % 1_000));
    };
  } catch {
    return undefined;
  }
}
