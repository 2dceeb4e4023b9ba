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

export interface Where {
  readonly [field: string]: Test;
}
export interface Matching {
  readonly event: OneOrMore;
  readonly where?: Where;
}
type MatchingText = OneOrMore | Matching;

export interface CountFields extends Matching {
  readonly op: Comparison;
  readonly n: number;
  readonly within: Duration | 'ever';
  readonly distinct?: string;
  readonly since?: readonly MatchingText[];
}

export interface AggregateFields extends Matching {
  readonly path: string;
  readonly op: Comparison;
  readonly value: number;
  readonly within: Duration;
}

/** A condition. Its only property is the one that stands in JSON. */
export class Condition {
  readonly #node: Readonly<Record<string, unknown>>;

  constructor(node: Readonly<Record<string, unknown>>) {
    this.#node = node;
  }

  and(...others: readonly Condition[]): Condition {
    return all(this, ...others);
  }

  or(...others: readonly Condition[]): Condition {
    return any(this, ...others);
  }

  not(): Condition {
    return new Condition({ not: this });
  }

  /** As it stands in JSON. */
  toJSON(): Readonly<Record<string, unknown>> {
    return this.#node;
  }
}

const node = (kind: string, fields: unknown) => new Condition({ [kind]: fields });

export const all = (...conditions: readonly Condition[]) => node('and', conditions);
export const any = (...conditions: readonly Condition[]) => node('or', conditions);
export const not = (condition: Condition) => condition.not();
export const count = (fields: CountFields) => node('count', fields);
export const sum = (fields: AggregateFields) => node('sum', fields);
export const avg = (fields: AggregateFields) => node('avg', fields);
export const min = (fields: AggregateFields) => node('min', fields);
export const max = (fields: AggregateFields) => node('max', fields);

export const absent = (
  fields: Matching & { readonly for: Duration; readonly knownSince?: 'firstSeen' | 'any' },
) => node('absent', fields);

export const sequence = (fields: {
  readonly steps: readonly (Matching & { readonly bind?: string })[];
  readonly within: Duration;
  readonly maxGap?: Duration;
  readonly notBetween?: readonly MatchingText[];
  readonly for: Duration;
  readonly ties?: Ties;
}) => node('sequence', fields);

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

export const calendar = (
  fields: CalendarFields &
    (
      | { readonly count: Omit<CountFields, 'within'> }
      | { readonly sum: Omit<AggregateFields, 'within'> }
    ),
) => node('calendar', fields);

export const trait = (fields: {
  readonly path: string;
  readonly op: TraitTest;
  readonly value?: Trait | readonly Trait[];
  readonly tz?: string;
}) => node('trait', fields);

export const consent = (purpose: string, is = true) => node('consent', { purpose, is });

export const score = (fields: {
  readonly channel?: string;
  readonly op: Comparison;
  readonly value: number;
}) => node('score', fields);

export const band = (...names: readonly string[]) => node('band', { in: names });

export const openSignal = (is: 'reliable' | 'unreliable') => node('openSignal', is);

export const held = (expr: Condition, span: Duration) => node('held', { expr, for: span });

export const latch = (enter: Condition, exit: Condition, initial = false) =>
  node('latch', { enter, exit, initial });

export const once = (expr: Condition, reentryAfter?: Duration) =>
  node('once', reentryAfter === undefined ? { expr } : { expr, reentryAfter });

export const inSegment = (id: string) => node('inSegment', id);

export const bucket = (salt: string, from: number, to: number) =>
  node('bucket', { salt, from, to });

/** A definition as it is written, the input of `checkSegments`. */
export interface SegmentText {
  readonly id: string;
  readonly version: number;
  readonly owner?: string;
  readonly description?: string;
  readonly purpose?: string;
  readonly minSize?: number;
  readonly grace?: Duration;
  readonly corrections?: 'emit' | 'none';
  readonly initial?: 'emit' | 'silent';
  readonly timezone?: string;
  readonly ties?: Ties;
  readonly cooldown?: Duration;
  readonly destinations?: readonly string[];
  readonly budget?: SegmentBudget;
  /** A condition of the builder, or its JSON. */
  readonly when: Condition | Readonly<Record<string, unknown>>;
}

/** The JSON of definitions. */
export function definitions(segments: readonly SegmentText[]): readonly SegmentText[] {
  return JSON.parse(JSON.stringify(segments)) as SegmentText[];
}
