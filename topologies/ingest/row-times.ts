/**
 * Reads the times of rows as a mapping says: several formats, several fields with a unit each, and
 * bounds.
 */
import { epochFormats, type InstantReader, instantReader, type ZonePolicy } from 'millrace';
import { type FieldSpec, nameOf, type Row, textReader, Unreadable } from './row-fields.ts';

export interface TimeSpec extends ZonePolicy {
  readonly field: FieldSpec;
  /** One format, or several of which exactly one must give an instant. */
  readonly format: string | readonly string[];
  /** IANA zone for times without one; default UTC. */
  readonly zone?: string;
  /** ISO instant from which 'seconds', 'minutes', 'hours' or 'days' are counted. */
  readonly since?: string;
  /** ISO instant; earlier times are refused. Default 1990 for counts from 1970, else 1970. */
  readonly from?: string;
}

/** Later years are mistakes of the source, and would make all other events late. */
export const lastYear = 2099;
const lastInstant = Date.UTC(lastYear + 1, 0, 1);
/**
 * A count of seconds that lost its last digit lies before 1984, and a count read in the next
 * greater unit before 1975: both are refused as times.
 */
const firstEpoch = Date.UTC(1990, 0, 1);

/**
 * Reads the time of the first spec whose field is present. Returns undefined when none is, unless
 * `part` is 'time', which every row must have.
 * @throws Unreadable
 */
export function timeReader(
  part: string,
  specs: TimeSpec | readonly TimeSpec[],
): (row: Row) => number | undefined {
  const readers = [specs]
    .flat()
    .map((spec) => ({ read: textReader(spec.field), at: oneReader(part, spec) }));
  const names = [specs].flat().map(({ field }) => nameOf(field));
  return (row) => {
    for (const { read, at } of readers) {
      const told = read(row);
      if (told !== '') return at(told);
    }
    if (part !== 'time') return undefined;
    throw new Unreadable(`there is no time in ${names.join(' or ')}`);
  };
}

function oneReader(part: string, spec: TimeSpec) {
  const { format, zone, since, from } = spec;
  const formats = [format].flat();
  const readers = formats.map((one) => instantReader(one, zone, since, spec));
  const only = readers.length === 1 ? readers[0] : undefined;
  const first = firstInstant(formats, from);
  const isTime = (at: number) => at >= first && at < lastInstant;
  return (told: string): number => {
    const found = only === undefined ? oneInstant(told, readers, isTime) : only(told);
    if (typeof found === 'number' && isTime(found)) return found;
    const what = `${part} ${JSON.stringify(told)}`;
    if (typeof found === 'string') throw new Unreadable(`${what} ${found}`);
    if (from === undefined && !formats.some((one) => epochFormats.includes(one))) {
      throw new Unreadable(`${what} is outside 1970 to ${lastYear}`);
    }
    const day = new Date(first).toISOString().slice(0, 10);
    const other = otherUnit(told, first);
    const hint = other === undefined ? 'cut off, or in another unit?' : `is it ${other}?`;
    throw new Unreadable(
      `${what} is outside ${day} to ${lastYear} as ${formats.join(', ')}: ${hint}`,
    );
  };
}

function firstInstant(formats: readonly string[], from: string | undefined): number {
  if (from !== undefined) return instantReader('iso')(from) as number;
  return formats.some((one) => epochFormats.includes(one)) ? firstEpoch : 0;
}

/** A unit in which the number would be a valid time. */
function otherUnit(told: string, first: number): string | undefined {
  return epochFormats.find((format) => {
    const at = instantReader(format)(told);
    return typeof at === 'number' && at >= first && at < lastInstant;
  });
}

/** The instant on which all readers that can read the text agree, or why there is none. */
function oneInstant(
  text: string,
  readers: readonly InstantReader[],
  isTime: (at: number) => boolean,
): number | string {
  const found = readers.map((read) => read(text));
  const instants = found.filter((one) => typeof one === 'number');
  // A number in one of several units is a valid time in only one of them.
  const times = new Set(instants.filter(isTime));
  if (times.size > 1) return 'is ambiguous: it fits several of the formats';
  const [instant = instants[0]] = times;
  return instant ?? found.filter((one) => typeof one === 'string').join('; ');
}
