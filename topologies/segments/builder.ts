/**
 * Segments in TypeScript: each function makes one kind of node, as it stands in JSON. A definition
 * means the same, and has the same hash, however it is written.
 */
import type { Trait } from '../event.ts';
import type { Comparison, SegmentBudget, Ties, TraitTest, ValueTest } from './definition.ts';

/** ms, or a text such as '30d', '4h', '15m'. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd' | 'w'}`;
type OneOrMore = string | readonly string[];
type Test = Trait | { readonly op: ValueTest; readonly value?: Trait | readonly Trait[] };

/** Tests by field: a value, or an operator with a value. All must hold. */
export interface Where {
  readonly [field: string]: Test;
}
/** Events of one or several classes. */
export interface Matching {
  /** A class, or several. */
  readonly event: OneOrMore;
  /** Tests of the fields of the event. */
  readonly where?: Where;
}
type MatchingText = OneOrMore | Matching;

/** A count of matching events in a window that ends now. */
export interface CountFields extends Matching {
  /** How the number compares with `n`. */
  readonly op: Comparison;
  readonly n: number;
  /** Length of the window; 'ever' for no limit. */
  readonly within: Duration | 'ever';
  /** Counts distinct values of this field instead of events. */
  readonly distinct?: string;
  /** Counts only events after the last of these. */
  readonly since?: readonly MatchingText[];
}

/** A sum, average, minimum or maximum of a number in a window that ends now. */
export interface AggregateFields extends Matching {
  /** The number, e.g. 'amount'. */
  readonly path: string;
  /** How the result compares with `value`. */
  readonly op: Comparison;
  readonly value: number;
  /** Length of the window. */
  readonly within: Duration;
}

/** A condition. Its only property is the one that stands in JSON. */
export class Condition {
  readonly #node: Readonly<Record<string, unknown>>;

  constructor(node: Readonly<Record<string, unknown>>) {
    this.#node = node;
  }

  /** True when this condition and all others hold. */
  and(...others: readonly Condition[]): Condition {
    return all(this, ...others);
  }

  /** True when this condition or one of the others holds. */
  or(...others: readonly Condition[]): Condition {
    return any(this, ...others);
  }

  /** True when this condition does not hold. */
  not(): Condition {
    return new Condition({ not: this });
  }

  /** As it stands in JSON. */
  toJSON(): Readonly<Record<string, unknown>> {
    return this.#node;
  }
}

const node = (kind: string, fields: unknown) => new Condition({ [kind]: fields });

/** True when all conditions hold. */
export const all = (...conditions: readonly Condition[]) => node('and', conditions);
/** True when at least one condition holds. */
export const any = (...conditions: readonly Condition[]) => node('or', conditions);
/** True when the condition does not hold. */
export const not = (condition: Condition) => condition.not();
/**
 * Compares the number of matching events in a window.
 *
 *   count({ event: 'purchase', op: 'ge', n: 2, within: '30d' })
 */
export const count = (fields: CountFields) => node('count', fields);
/** Compares the sum of a number of matching events in a window. */
export const sum = (fields: AggregateFields) => node('sum', fields);
/** Compares the average of a number of matching events; false when there is none. */
export const avg = (fields: AggregateFields) => node('avg', fields);
/** Compares the smallest number of matching events; false when there is none. */
export const min = (fields: AggregateFields) => node('min', fields);
/** Compares the greatest number of matching events; false when there is none. */
export const max = (fields: AggregateFields) => node('max', fields);

/**
 * True when no matching event happened within `for`. With `knownSince: 'firstSeen'` the time counts
 * from the subject's first event on.
 */
export const absent = (
  fields: Matching & { readonly for: Duration; readonly knownSince?: 'firstSeen' | 'any' },
) => node('absent', fields);

/**
 * True for `for` after the steps happened in this order, all within `within`. `bind` names a field
 * in which steps must agree; events that match `notBetween` break the chain.
 */
export const sequence = (fields: {
  readonly steps: readonly (Matching & { readonly bind?: string })[];
  readonly within: Duration;
  readonly maxGap?: Duration;
  readonly notBetween?: readonly MatchingText[];
  readonly for: Duration;
  readonly ties?: Ties;
}) => node('sequence', fields);

/**
 * True from `after` on, for `for`, when `start` happened and no `unless` followed within `after`.
 * `key` is a field in which both must agree; default: the subject.
 */
export const abandoned = (fields: {
  readonly start: MatchingText;
  readonly unless: MatchingText;
  readonly key?: string;
  readonly after: Duration;
  readonly for: Duration;
  readonly ties?: Ties;
}) => node('abandoned', fields);

interface CalendarFields {
  readonly days: number;
  readonly tz?: string;
  readonly weekStart?:
    | 'monday'
    | 'tuesday'
    | 'wednesday'
    | 'thursday'
    | 'friday'
    | 'saturday'
    | 'sunday';
}

/**
 * A count or sum over the last `days` local days, today included. With `weekStart`, `days` must be
 * whole weeks. `tz` is an IANA zone; default: that of the segment.
 */
export const calendar = (
  fields: CalendarFields &
    (
      | { readonly count: Omit<CountFields, 'within'> }
      | { readonly sum: Omit<AggregateFields, 'within'> }
    ),
) => node('calendar', fields);

/** Tests the latest value of a trait; false when it has none, except by `exists`. */
export const trait = (fields: {
  readonly path: string;
  readonly op: TraitTest;
  readonly value?: Trait | readonly Trait[];
  readonly tz?: string;
}) => node('trait', fields);

/** True while consent for a purpose is given, or with `is: false` while it is not. */
export const consent = (purpose: string, is = true) => node('consent', { purpose, is });

/** Compares the score (0 to 99), or the sub-score of a channel. */
export const score = (fields: {
  readonly channel?: string;
  readonly op: Comparison;
  readonly value: number;
}) => node('score', fields);

/** True while the band is one of these. */
export const band = (...names: readonly string[]) => node('band', { in: names });

/** Whether opens of the subject are reliable, or too many of them are a machine's. */
export const openSignal = (is: 'reliable' | 'unreliable') => node('openSignal', is);

/** True when the condition has held for `span` without a break. */
export const held = (expr: Condition, span: Duration) => node('held', { expr, for: span });

/**
 * Becomes true when `enter` does, and false when `exit` does; at one instant exit wins. `initial`
 * is the value before either.
 */
export const latch = (enter: Condition, exit: Condition, initial = false) =>
  node('latch', { enter, exit, initial });

/**
 * True for good from the first instant at which the condition holds; with `reentryAfter`, for that
 * long, and again when the condition holds after it.
 */
export const once = (expr: Condition, reentryAfter?: Duration) =>
  node('once', reentryAfter === undefined ? { expr } : { expr, reentryAfter });

/** True while the subject is in another segment of the configuration. */
export const inSegment = (id: string) => node('inSegment', id);

/**
 * True for a stable share of the subjects: those from `from` up to, and without, `to` of 10 000,
 * drawn by `salt`.
 */
export const bucket = (salt: string, from: number, to: number) =>
  node('bucket', { salt, from, to });

/** A definition as it is written, the input of `checkSegments`. */
export interface SegmentText {
  /** Lower-case letters, digits and hyphens. */
  readonly id: string;
  /** A whole number; raise it with every change of the meaning. */
  readonly version: number;
  /** For readers. */
  readonly owner?: string;
  readonly description?: string;
  /** The consent purpose that membership needs; default: none. */
  readonly purpose?: string;
  /** The fewest members with which the segment may be used. */
  readonly minSize?: number;
  /** How far back reported entries and exits are corrected; default: the grace of the events. */
  readonly grace?: Duration;
  /** 'none' reports no corrections; default 'emit'. */
  readonly corrections?: 'emit' | 'none';
  /** 'silent' does not report the members at the first evaluation; default 'emit'. */
  readonly initial?: 'emit' | 'silent';
  /** IANA zone of calendar conditions and dates; default UTC. */
  readonly timezone?: string;
  /** Whether events at one instant have an order; default 'causal'. */
  readonly ties?: Ties;
  /** No entry for this long after an exit. */
  readonly cooldown?: Duration;
  /** Names that readers of the changes may use. */
  readonly destinations?: readonly string[];
  /** Limits; a definition that needs more is refused. */
  readonly budget?: SegmentBudget;
  /** A condition of the builder, or its JSON. */
  readonly when: Condition | Readonly<Record<string, unknown>>;
}

/** The JSON of definitions. */
export function definitions(segments: readonly SegmentText[]): readonly SegmentText[] {
  return JSON.parse(JSON.stringify(segments)) as SegmentText[];
}
