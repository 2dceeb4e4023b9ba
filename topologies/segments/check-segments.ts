/** Reads segments from JSON: fills in every default, and reports every mistake with its path. */
import { MillraceError } from 'millrace';
import { type Expression, type SegmentDefinition, segmentsAskedFor } from './definition.ts';
import {
  collect,
  duration,
  type Fields,
  type Known,
  list,
  type Mistake,
  Mistake as MistakeError,
  oneOf,
  optional,
  readFields,
  text,
  timeZone,
  whole,
} from './definition-fields.ts';
import { expression } from './node-kinds.ts';

/** What a definition may name beside events and other segments. */
export interface SegmentVocabulary {
  readonly bands: readonly string[];
  readonly channels: readonly string[];
  /** Grace of the accepted events, ms; no segment corrects further back. */
  readonly graceMs?: number;
}

const name = /^[a-z0-9][a-z0-9-]*$/;

const budgetFields: Fields = {
  bytesPerSubject: optional(whole(1)),
  timers: optional(whole(1)),
  latency: optional(duration()),
};

/** The header of a definition, and its condition. */
export const segmentFields: Fields = {
  id: {
    schema: { type: 'string', pattern: name.source },
    read: (value, path) => {
      if (typeof value === 'string' && name.test(value)) return value;
      throw new MistakeError(path, `must be a name of a-z, 0-9 and -, is ${JSON.stringify(value)}`);
    },
  },
  version: whole(1),
  owner: optional(text('owner of the segment')),
  description: optional(text('purpose of the segment, for readers')),
  purpose: optional(text('consent purpose that membership needs')),
  minSize: optional(whole(1)),
  grace: optional(duration()),
  corrections: optional(oneOf(['emit', 'none'] as const), 'emit'),
  initial: optional(oneOf(['emit', 'silent'] as const), 'emit'),
  timezone: optional(timeZone, 'UTC'),
  ties: optional(oneOf(['causal', 'strict'] as const), 'causal'),
  cooldown: optional(duration()),
  destinations: optional(list(text('the name of a destination'), 0), []),
  budget: optional(
    {
      schema: { type: 'object' },
      read: (value, path, known, mistakes) =>
        readFields(budgetFields, value, path, known, mistakes),
    },
    {},
  ),
  when: expression,
};

/**
 * The definitions, each after those it refers to.
 * @throws CONFIG_INVALID that names the first mistake
 */
export function checkSegments(
  segments: unknown,
  vocabulary: SegmentVocabulary,
): SegmentDefinition[] {
  const { definitions, mistakes } = readSegments(segments, vocabulary);
  const [first] = mistakes;
  if (first === undefined) return definitions;
  throw new MillraceError('CONFIG_INVALID', { field: first.path, problem: first.problem });
}

/**
 * Like `checkSegments`, but with every mistake; the definitions are complete only when there is
 * none.
 */
export function readSegments(
  given: unknown,
  vocabulary: SegmentVocabulary,
): { readonly definitions: SegmentDefinition[]; readonly mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = [];
  // Conditions of the builder turn themselves into JSON.
  const segments = plainOf(given);
  if (segments === tooDeep || deeperThan(segments, deepest)) {
    const problem = `must not be nested deeper than ${deepest} levels; name a part and use inSegment`;
    return { definitions: [], mistakes: [new MistakeError('segments', problem)] };
  }
  if (!Array.isArray(segments)) {
    return { definitions: [], mistakes: [new MistakeError('segments', 'must be a list')] };
  }
  const ids = segments.map((one) => String((one as { id?: unknown } | null)?.id));
  const names = new Set(ids);
  const before = new Set<string>();
  const definitions: SegmentDefinition[] = [];
  segments.forEach((segment: unknown, i) => {
    const path = `segments.${i}`;
    collect(mistakes, () => {
      const known = knownTo(segment, names, vocabulary);
      const { ties, ...read } = readFields(segmentFields, segment, path, known, mistakes);
      definitions.push(read as unknown as SegmentDefinition);
    });
    const id = ids[i] as string;
    if (before.has(id)) mistakes.push(new MistakeError(`${path}.id`, `${id} is defined twice`));
    before.add(id);
    checkGrace(path, definitions.at(-1), vocabulary, mistakes);
  });
  if (mistakes.length > 0) return { definitions, mistakes };
  collect(mistakes, () => definitions.splice(0, definitions.length, ...inOrder(definitions)));
  return { definitions, mistakes };
}

/** Far more than a person writes; readers of a condition recurse once for each level. */
const deepest = 200;
const tooDeep = Symbol('too deep');

function plainOf(given: unknown): unknown {
  if (given === undefined) return given;
  try {
    return JSON.parse(JSON.stringify(given));
  } catch (error) {
    if (error instanceof RangeError) return tooDeep;
    throw error;
  }
}

function deeperThan(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((one) =>
      typeof one === 'object' && one !== null ? Object.values(one) : [],
    );
  }
  return false;
}

function knownTo(
  segment: unknown,
  segments: ReadonlySet<string>,
  vocabulary: SegmentVocabulary,
): Known {
  const header = (segment ?? {}) as { timezone?: unknown; ties?: unknown };
  return {
    ...vocabulary,
    segments,
    timezone: typeof header.timezone === 'string' ? header.timezone : 'UTC',
    ties: header.ties === 'strict' ? 'strict' : 'causal',
  };
}

function checkGrace(
  path: string,
  definition: SegmentDefinition | undefined,
  { graceMs }: SegmentVocabulary,
  mistakes: Mistake[],
): void {
  if (definition?.grace === undefined || graceMs === undefined) return;
  if (definition.grace <= graceMs) return;
  const problem = `must be at most the grace of the events, ${graceMs} ms: later events are not accepted`;
  mistakes.push(new MistakeError(`${path}.grace`, problem));
}

/**
 * Puts each segment after those it refers to, in time linear in segments and references. @throws
 * Mistake for a circle
 */
function inOrder(segments: readonly SegmentDefinition[]): SegmentDefinition[] {
  const byId = new Map(segments.map((segment) => [segment.id, segment]));
  const asked = new Map<string, Iterator<string>>();
  const ordered = new Set<SegmentDefinition>();
  for (const first of segments) {
    // The path from `first` to the current segment, on an explicit stack because chains may be
    // long.
    const way = ordered.has(first) ? [] : [first];
    for (let at = way.at(-1); at !== undefined; at = way.at(-1)) {
      const left = asked.get(at.id) ?? segmentsAskedFor(at.when)[Symbol.iterator]();
      asked.set(at.id, left);
      const next = left.next();
      if (next.done === true) {
        ordered.add(at);
        way.pop();
        continue;
      }
      const other = byId.get(next.value);
      if (other === undefined || ordered.has(other)) continue;
      if (asked.has(other.id)) {
        const circle = way.slice(way.indexOf(other)).map(({ id }) => id);
        throw new MistakeError(`segments ${other.id}`, `refers to itself: ${shownCircle(circle)}`);
      }
      way.push(other);
    }
  }
  return [...ordered];
}

const shownMost = 10;

function shownCircle(ids: readonly string[]): string {
  const more = ids.length - shownMost;
  const shown = more > 0 ? [...ids.slice(0, shownMost), `(${more} more)`] : ids;
  return [...shown, ids[0]].join(' -> ');
}

/** The condition of a segment with what its header adds: consent and cooldown. */
export function wholeCondition(segment: SegmentDefinition): Expression {
  const { when, purpose, cooldown } = segment;
  const permitted: Expression =
    purpose === undefined
      ? when
      : { kind: 'and', children: [when, { kind: 'consent', purpose, is: true }] };
  if (cooldown === undefined) return permitted;
  return { kind: 'cooldown', child: permitted, for: cooldown };
}
