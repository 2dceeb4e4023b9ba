/** Every kind of node: its fields, how they are read, and what they become. */
import { ownOf } from '../dictionary.ts';
import type { Trait } from '../event.ts';
import { buckets } from './bucket.ts';
import type {
  AggregateNode,
  CalendarNode,
  CountNode,
  Expression,
  TraitNode,
  TraitTest,
  ValueTest,
} from './definition.ts';
import {
  collect,
  comparisons,
  duration,
  eventNames,
  type Field,
  type Fields,
  fail,
  filters,
  type Known,
  list,
  type Mistake,
  matching,
  objectSchema,
  oneOf,
  optional,
  readFields,
  readTraitValue,
  shown,
  text,
  timeZone,
  traitTests,
  weekdays,
  whole,
  yesNo,
} from './definition-fields.ts';
import { dateOf } from './local-day.ts';
import { nearest } from './nearest.ts';

interface NodeKind {
  /** Its meaning, for the guide and the schema. */
  readonly means: string;
  readonly schema: object;
  readonly read: (value: unknown, path: string, known: Known, mistakes: Mistake[]) => Expression;
}

const reference = { $ref: '#/$defs/expression' };

/** A condition within another. */
export const expression: Field<Expression> = {
  schema: reference,
  read: (value, path, known, mistakes) => readExpression(value, path, known, mistakes),
};

const op = oneOf(comparisons);
const integer = whole(Number.MIN_SAFE_INTEGER);
const ties = optional(oneOf(['causal', 'strict'] as const), (known) => known.ties);
const noMatches = optional(list(matching, 0), []);
const match: Fields = { event: eventNames, where: filters };
const zone = optional(timeZone, (known) => known.timezone);

const countFields: Fields = {
  ...match,
  op,
  n: whole(0),
  within: duration(true),
  distinct: optional(text('a field of the event')),
  since: noMatches,
};
const aggregateFields: Fields = {
  ...match,
  path: text('a number of the event, e.g. amount'),
  op,
  value: integer,
  within: duration(),
};

const calendarFields: Fields = {
  days: whole(1, 400),
  tz: zone,
  weekStart: optional(oneOf(weekdays)),
};

function windowless(fields: Fields): Fields {
  const { within, ...rest } = fields;
  return rest;
}

const counted: Readonly<Record<string, Fields>> = {
  count: windowless(countFields),
  sum: windowless(aggregateFields),
};

/** A kind that consists of its fields. */
function plain(kind: Expression['kind'], means: string, fields: Fields): NodeKind {
  return {
    means,
    schema: objectSchema(fields),
    read: (value, path, known, mistakes) => {
      const read = readFields(fields, value, path, known, mistakes);
      return { kind, ...read } as unknown as Expression;
    },
  };
}

/** A kind with one condition below it: `expr` in the text, `child` in the node. */
function wrapping(kind: 'held' | 'once', means: string, fields: Fields): NodeKind {
  const all: Fields = { expr: expression, ...fields };
  return {
    means,
    schema: objectSchema(all),
    read: (value, path, known, mistakes) => {
      const { expr, ...rest } = readFields(all, value, path, known, mistakes);
      return { kind, child: expr, ...rest } as unknown as Expression;
    },
  };
}

function junction(kind: 'and' | 'or', means: string): NodeKind {
  const children = list(expression);
  return {
    means,
    schema: children.schema,
    read: (value, path, known, mistakes) => {
      if (!Array.isArray(value) || value.length === 0) {
        return fail(path, `must be a list of conditions, is ${shown(value)}`);
      }
      const read: Expression[] = [];
      value.forEach((child, i) => {
        collect(mistakes, () => read.push(readExpression(child, `${path}.${i}`, known, mistakes)));
      });
      return { kind, children: read };
    },
  };
}

const counting = plain('count', 'the number of events in the window compares with n', countFields);

const openSignals = oneOf(['reliable', 'unreliable'] as const);

const range: NodeKind = {
  ...plain('bucket', 'the subject is in a stable share of 10,000', {
    salt: text('a text that makes this share differ from others'),
    from: whole(0, buckets - 1),
    to: whole(1, buckets),
  }),
};

export const nodeKinds: Readonly<Record<string, NodeKind>> = {
  trait: {
    means: 'the latest value of a trait compares with value',
    schema: objectSchema({
      path: text('the name of a trait'),
      op: oneOf(traitTests),
      value: optional({ schema: {}, read: (value) => value }),
      tz: zone,
    }),
    read: readTrait,
  },
  consent: plain('consent', 'consent for the purpose is given at the instant', {
    purpose: text('the name of a purpose'),
    is: optional(yesNo, true),
  }),
  score: plain('score', 'the score, or the sub-score of a channel, compares with value', {
    channel: optional(oneOf((known) => known.channels)),
    op,
    value: whole(0, 100),
  }),
  band: plain('band', 'the band is one of these', {
    in: list(oneOf((known) => known.bands)),
  }),
  openSignal: {
    means: 'whether opens are reliable, or too many are a machine’s',
    schema: openSignals.schema,
    read: (value, path, known, mistakes) => ({
      kind: 'openSignal',
      is: openSignals.read(value, path, known, mistakes),
    }),
  },
  count: {
    ...counting,
    read: (value, path, known, mistakes) => {
      const node = counting.read(value, path, known, mistakes) as CountNode;
      const isEndless = node.within === Number.POSITIVE_INFINITY;
      if (isEndless && (node.distinct !== undefined || node.since.length > 0)) {
        fail(
          `${path}.within`,
          'must end when distinct or since is given, or everything would be kept for ever; e.g. "365d"',
        );
      }
      return node;
    },
  },
  sum: plain('sum', 'the sum of a number over the window compares with value', aggregateFields),
  avg: plain('avg', 'the average over the window compares with value', aggregateFields),
  min: plain('min', 'the smallest value in the window compares with value', aggregateFields),
  max: plain('max', 'the greatest value in the window compares with value', aggregateFields),
  absent: plain('absent', 'there was no such event within for', {
    ...match,
    for: duration(),
    knownSince: optional(oneOf(['firstSeen', 'any'] as const), 'firstSeen'),
  }),
  sequence: plain('sequence', 'the steps happened in this order, the last at most for ago', {
    steps: list({
      schema: objectSchema({ ...match, bind: optional(text('a field of the event')) }),
      read: (value, path, known, mistakes) =>
        readFields(
          { ...match, bind: optional(text('a field of the event')) },
          value,
          path,
          known,
          mistakes,
        ),
    }),
    within: duration(),
    maxGap: optional(duration()),
    notBetween: noMatches,
    for: duration(),
    ties,
  }),
  abandoned: plain(
    'abandoned',
    'start happened, after has passed without unless, and for is not over',
    {
      start: matching,
      unless: matching,
      key: optional(text('a field that start and unless share, or "subject"'), 'item'),
      after: duration(),
      for: duration(),
      ties,
    },
  ),
  calendar: {
    means: 'a count or sum over local calendar days, today included',
    schema: calendarSchema(),
    read: readCalendar,
  },
  and: junction('and', 'all hold'),
  or: junction('or', 'at least one holds'),
  not: {
    means: 'the condition does not hold',
    schema: reference,
    read: (value, path, known, mistakes) => ({
      kind: 'not',
      child: readExpression(value, path, known, mistakes),
    }),
  },
  held: wrapping('held', 'the condition has held for at least for without a break', {
    for: duration(),
  }),
  latch: plain('latch', 'enter became true after exit last became true', {
    enter: expression,
    exit: expression,
    initial: optional(yesNo, false),
  }),
  once: wrapping('once', 'the condition held, at most reentryAfter ago', {
    reentryAfter: optional(duration()),
  }),
  inSegment: {
    means: 'the subject is in another segment at the same instant',
    schema: { type: 'string' },
    read: (value, path, known, mistakes) => ({
      kind: 'inSegment',
      id:
        typeof value === 'string' && known.segments.has(value)
          ? value
          : oneOf((all) => [...all.segments]).read(value, path, known, mistakes),
    }),
  },
  bucket: {
    ...range,
    read: (value, path, known, mistakes) => {
      const node = range.read(value, path, known, mistakes);
      const { from, to } = node as unknown as { from: number; to: number };
      if (to <= from) fail(`${path}.to`, `must be more than from (${from}), is ${to}`);
      return node;
    },
  },
};

const kinds = Object.keys(nodeKinds);

/** Reads a condition: an object whose only name is the kind. */
export function readExpression(
  value: unknown,
  path: string,
  known: Known,
  mistakes: Mistake[],
): Expression {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const [name = ''] = names;
  const kind = ownOf(nodeKinds, name);
  if (names.length === 1 && kind !== undefined) {
    const node = (value as Record<string, unknown>)[name];
    return kind.read(node, `${path}.${name}`, known, mistakes);
  }
  const found = names.filter((one) => kinds.includes(one));
  if (found.length === 1) {
    const others = names.filter((one) => one !== found[0]).join(', ');
    return fail(
      path,
      `must have exactly one name; put ${others} into the object of ${found[0]}: { "${found[0]}": { ... } }`,
    );
  }
  const near = names.length === 1 ? nearest(name, kinds) : undefined;
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  const is = names.length === 0 ? shown(value) : `an object with ${names.join(', ')}`;
  return fail(path, `must be an object with exactly one of ${kinds.join(', ')}, is ${is}${hint}`);
}

function readTrait(value: unknown, path: string, known: Known, mistakes: Mistake[]): Expression {
  const fields: Fields = {
    path: text('the name of a trait'),
    op: oneOf(traitTests),
    value: { schema: {}, read: (given) => given, optional: () => undefined },
    tz: zone,
  };
  const before = mistakes.length;
  const read = readFields(fields, value, path, known, mistakes);
  const node = { kind: 'trait', ...read } as unknown as TraitNode;
  if (mistakes.length > before) return node;
  const operand = readTraitOperand(
    node.op,
    read['value'],
    `${path}.value`,
    node.tz,
    known,
    mistakes,
  );
  const { value: _, ...rest } = node;
  return operand === undefined ? rest : { ...rest, value: operand };
}

function readTraitOperand(
  test: TraitTest,
  value: unknown,
  path: string,
  tz: string,
  known: Known,
  mistakes: Mistake[],
): Trait | readonly Trait[] | undefined {
  if (test === 'withinLast' || test === 'withinNext') {
    return duration().read(value, path, known, mistakes);
  }
  if (test !== 'before' && test !== 'after') return readTraitValue(test as ValueTest, value, path);
  const at = dateOf(value, tz);
  if (at !== undefined) return at;
  return fail(
    path,
    `must be a date such as "2026-05-01" or "2026-05-01T09:30:00Z", is ${shown(value)}`,
  );
}

function calendarSchema(): object {
  const variants = Object.entries(counted).map(([name, fields]) =>
    objectSchema({
      [name]: { schema: objectSchema(fields), read: (value) => value },
      ...calendarFields,
    }),
  );
  return { oneOf: variants };
}

function readCalendar(value: unknown, path: string, known: Known, mistakes: Mistake[]): Expression {
  const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const kind = names.includes('sum') ? 'sum' : 'count';
  const fields: Fields = {
    [kind]: {
      schema: {},
      read: (given, at) => readFields(counted[kind] as Fields, given, at, known, mistakes),
    },
    ...calendarFields,
  };
  const read = readFields(fields, value, path, known, mistakes);
  const { days, tz, weekStart } = read as { days: number; tz: string; weekStart?: string };
  if (weekStart !== undefined && days % 7 !== 0) {
    fail(`${path}.days`, `must be whole weeks (7, 14, ...) with weekStart, is ${days}`);
  }
  const of = { kind, within: 0, ...(read[kind] as object) } as unknown as CountNode | AggregateNode;
  const node: CalendarNode = { kind: 'calendar', of, days, tz };
  if (weekStart === undefined) return node;
  return { ...node, weekStart: weekdays.indexOf(weekStart as never) + 1 };
}
