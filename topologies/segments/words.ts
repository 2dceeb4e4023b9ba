/** A condition in words, as a person would say it: "at least 2 × email_open within 7 days". */
import { buckets } from './bucket.ts';
import { withoutTable } from './categories.ts';
import type {
  AggregateNode,
  Comparison,
  CountNode,
  Expression,
  Filter,
  Match,
  SegmentDefinition,
  TraitNode,
} from './definition.ts';
import { weekdays } from './definition-fields.ts';

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000];
const units: readonly (readonly [number, string])[] = [
  [day, 'day'],
  [hour, 'hour'],
  [minute, 'minute'],
  [second, 'second'],
];

/** A span of time in its largest units: "30 days", "1 day 12 hours", "250 ms". */
export function spanInWords(ms: number): string {
  if (!Number.isFinite(ms)) return 'ever';
  const parts: string[] = [];
  let left = ms;
  for (const [size, name] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${name}${count === 1 ? '' : 's'}`);
  }
  if (left > 0 || parts.length === 0) parts.push(`${left} ms`);
  return parts.join(' ');
}

/** The condition of a segment, with the consent that it needs and its pause after an exit. */
export function segmentInWords({ when, purpose, cooldown }: SegmentDefinition): string {
  const parts = [inWords(withoutTable(when))];
  if (purpose !== undefined) parts.push(`consent to ${purpose} is given`);
  const all = parts.join(', and ');
  return cooldown === undefined
    ? all
    : `${all}; after an exit not again for ${spanInWords(cooldown)}`;
}

/** A condition in words. */
export function inWords(node: Expression): string {
  switch (node.kind) {
    case 'and':
    case 'or':
      return node.children.map((child) => inBrackets(child, node.kind)).join(` ${node.kind} `);
    case 'not':
      return `not ${inBrackets(node.child)}`;
    case 'held':
      return `${inBrackets(node.child)}, for ${spanInWords(node.for)} without a break`;
    case 'latch':
      return `from when ${inBrackets(node.enter)} until ${inBrackets(node.exit)}`;
    case 'once':
      return node.reentryAfter === undefined
        ? `${inBrackets(node.child)}, once only`
        : `${inBrackets(node.child)}, again after ${spanInWords(node.reentryAfter)} at the earliest`;
    case 'cooldown':
      return `${inBrackets(node.child)}; after an exit not again for ${spanInWords(node.for)}`;
    case 'inSegment':
      return `in segment ${node.id}`;
    case 'count':
      return countInWords(node);
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return aggregateInWords(node);
    case 'absent': {
      const known = node.knownSince === 'firstSeen' ? ', counted from the first event on' : '';
      return `no ${matchInWords(node)} for ${spanInWords(node.for)}${known}`;
    }
    case 'calendar': {
      const span =
        node.weekStart === undefined
          ? `the last ${node.days} calendar days`
          : `weeks from ${weekdays[node.weekStart - 1]} on, ${node.days} days`;
      const inner = node.of.kind === 'count' ? countInWords(node.of) : aggregateInWords(node.of);
      return `${inner} in ${span} (${node.tz})`;
    }
    case 'sequence': {
      const steps = node.steps.map((step) =>
        step.bind === undefined ? matchInWords(step) : `${matchInWords(step)} (same ${step.bind})`,
      );
      const gap = node.maxGap === undefined ? '' : `, at most ${spanInWords(node.maxGap)} apart`;
      const without =
        node.notBetween.length === 0
          ? ''
          : `, without ${node.notBetween.map(matchInWords).join(' or ')} between`;
      const chain = steps.join(', then ');
      return `${chain}, all within ${spanInWords(node.within)}${gap}${without}; for ${spanInWords(node.for)}`;
    }
    case 'abandoned': {
      const same = node.key === 'subject' ? '' : ` of the same ${node.key}`;
      return `${matchInWords(node.start)} without ${matchInWords(node.unless)}${same} within ${spanInWords(node.after)}; for ${spanInWords(node.for)}`;
    }
    case 'trait':
      return traitInWords(node);
    case 'consent':
      return `consent to ${node.purpose} is ${node.is ? 'given' : 'not given'}`;
    case 'score':
      return `the ${node.channel === undefined ? '' : `${node.channel} `}score is ${comparison(node.op)} ${node.value}`;
    case 'band':
      return `the band is ${listInWords(node.in)}`;
    case 'openSignal':
      return `opens are ${node.is}`;
    case 'bucket':
      return `in the part from ${share(node.from)} to ${share(node.to)} of all, drawn by ${node.salt}`;
  }
}

function inBrackets(node: Expression, within?: 'and' | 'or'): string {
  const isPlain = node.kind !== 'and' && node.kind !== 'or' && node.kind !== 'latch';
  return isPlain || node.kind === within ? inWords(node) : `(${inWords(node)})`;
}

function countInWords({ op, n, within, distinct, since, ...match }: CountNode): string {
  const what =
    distinct === undefined
      ? matchInWords(match)
      : `different ${distinct} of ${matchInWords(match)}`;
  const after = since.length === 0 ? '' : ` after the last ${since.map(matchInWords).join(' or ')}`;
  return `${comparison(op)} ${n} × ${what}${after}${withinInWords(within)}`;
}

const aggregates = { sum: 'the sum', avg: 'the mean', min: 'the least', max: 'the greatest' };

function aggregateInWords({ kind, path, op, value, within, ...match }: AggregateNode): string {
  const of = `${aggregates[kind]} of ${path} of ${matchInWords(match)}`;
  return `${of}${withinInWords(within)} is ${comparison(op)} ${value}`;
}

function withinInWords(ms: number): string {
  return Number.isFinite(ms) ? ` within ${spanInWords(ms)}` : '';
}

function matchInWords({ event, where }: Match): string {
  const classes = listInWords(event);
  if (where.length === 0) return classes;
  return `${classes} with ${where.map(filterInWords).join(' and ')}`;
}

function filterInWords({ path, op, value }: Filter): string {
  return `${path} ${testInWords(op, value)}`;
}

function traitInWords({ path, op, value }: TraitNode): string {
  switch (op) {
    case 'withinLast':
      return `${path} lies in the last ${spanInWords(Number(value))}`;
    case 'withinNext':
      return `${path} lies in the next ${spanInWords(Number(value))}`;
    case 'before':
    case 'after':
      return `${path} lies ${op} ${new Date(Number(value)).toISOString()}`;
    default:
      return `${path} ${testInWords(op, value)}`;
  }
}

function testInWords(op: Filter['op'], value: Filter['value']): string {
  switch (op) {
    case 'exists':
      return value === false ? 'is not known' : 'is known';
    case 'in':
      return `is ${Array.isArray(value) ? listInWords(value.map(valueInWords)) : valueInWords(value)}`;
    case 'contains':
      return `contains ${valueInWords(value)}`;
    case 'startsWith':
      return `begins with ${valueInWords(value)}`;
    case 'eq':
      return `is ${valueInWords(value)}`;
    case 'ne':
      return `is not ${valueInWords(value)}`;
    default:
      return `is ${comparison(op)} ${valueInWords(value)}`;
  }
}

const comparisons: Readonly<Record<Comparison, string>> = {
  ge: 'at least',
  gt: 'more than',
  le: 'at most',
  lt: 'less than',
  eq: 'exactly',
  ne: 'other than',
};

function comparison(op: Comparison): string {
  return comparisons[op];
}

function valueInWords(value: unknown): string {
  return typeof value === 'string' ? `"${value}"` : String(value);
}

function listInWords(all: readonly string[]): string {
  if (all.length < 2) return all[0] ?? 'nothing';
  return `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`;
}

function share(part: number): string {
  return `${part / (buckets / 100)} %`;
}
