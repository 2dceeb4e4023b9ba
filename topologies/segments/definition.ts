/** Segments as data, checked and with every default filled in. All durations are ms. */
import type { Trait } from '../event.ts';

export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
export type ValueTest = Comparison | 'in' | 'contains' | 'startsWith' | 'exists';
export type TraitTest = ValueTest | 'before' | 'after' | 'withinLast' | 'withinNext';

/** A condition on one field of an event. */
export interface Filter {
  readonly path: string;
  readonly op: ValueTest;
  readonly value?: Trait | readonly Trait[];
}

/** Events of any of these classes that pass every filter. */
export interface Match {
  readonly event: readonly string[];
  readonly where: readonly Filter[];
}

/** Whether events at one instant are ordered (by rank, then id) or not. */
export type Ties = 'causal' | 'strict';

export interface CountNode extends Match {
  readonly kind: 'count';
  readonly op: Comparison;
  readonly n: number;
  /** ms; +Infinity for ever. */
  readonly within: number;
  /** Counts distinct values of this field instead of events. */
  readonly distinct?: string;
  /** Counts only events after the last of these. */
  readonly since: readonly Match[];
}

export interface AggregateNode extends Match {
  readonly kind: 'sum' | 'avg' | 'min' | 'max';
  readonly path: string;
  readonly op: Comparison;
  readonly value: number;
  readonly within: number;
}

export interface AbsentNode extends Match {
  readonly kind: 'absent';
  readonly for: number;
  readonly knownSince: 'firstSeen' | 'any';
}

export interface Step extends Match {
  /** The steps that bind must agree in the value of their field. */
  readonly bind?: string;
}

export interface SequenceNode {
  readonly kind: 'sequence';
  readonly steps: readonly Step[];
  readonly within: number;
  readonly maxGap?: number;
  readonly notBetween: readonly Match[];
  readonly for: number;
  readonly ties: Ties;
}

export interface AbandonedNode {
  readonly kind: 'abandoned';
  readonly start: Match;
  readonly unless: Match;
  /** The field that start and unless have in common; 'subject' for none. */
  readonly key: string;
  readonly after: number;
  readonly for: number;
  readonly ties: Ties;
}

export interface CalendarNode {
  readonly kind: 'calendar';
  readonly of: CountNode | AggregateNode;
  readonly days: number;
  readonly tz: string;
  /** Whole weeks from this weekday on, 1 = Monday; absent: days up to today. */
  readonly weekStart?: number;
}

export interface TraitNode {
  readonly kind: 'trait';
  readonly path: string;
  readonly op: TraitTest;
  /** For withinLast and withinNext: ms. For before and after: ms UTC. */
  readonly value?: Trait | readonly Trait[];
  /** Time zone of dates without a time. */
  readonly tz: string;
}

export interface ConsentNode {
  readonly kind: 'consent';
  readonly purpose: string;
  readonly is: boolean;
}

export interface ScoreNode {
  readonly kind: 'score';
  /** Default: the whole score. */
  readonly channel?: string;
  readonly op: Comparison;
  readonly value: number;
}

export interface BandNode {
  readonly kind: 'band';
  readonly in: readonly string[];
}

/** Whether opens are ignored because too many of them are a machine's. */
export interface OpenSignalNode {
  readonly kind: 'openSignal';
  readonly is: 'reliable' | 'unreliable';
}

export interface BucketNode {
  readonly kind: 'bucket';
  readonly salt: string;
  readonly from: number;
  readonly to: number;
}

export type Leaf =
  | CountNode
  | AggregateNode
  | AbsentNode
  | SequenceNode
  | AbandonedNode
  | CalendarNode
  | TraitNode
  | ConsentNode
  | ScoreNode
  | BandNode
  | OpenSignalNode
  | BucketNode;

export type Combination =
  | { readonly kind: 'and' | 'or'; readonly children: readonly Expression[] }
  | { readonly kind: 'not'; readonly child: Expression }
  | { readonly kind: 'held'; readonly child: Expression; readonly for: number }
  | {
      readonly kind: 'latch';
      readonly enter: Expression;
      readonly exit: Expression;
      readonly initial: boolean;
    }
  | { readonly kind: 'once'; readonly child: Expression; readonly reentryAfter?: number }
  | { readonly kind: 'inSegment'; readonly id: string }
  /**
   * No entry for this long after an exit. It is not written in conditions; the header's field
   * stands for it.
   */
  | { readonly kind: 'cooldown'; readonly child: Expression; readonly for: number };

export type Expression = Leaf | Combination;

export interface SegmentDefinition {
  readonly id: string;
  readonly version: number;
  readonly owner?: string;
  readonly description?: string;
  /** The consent purpose that membership needs. */
  readonly purpose?: string;
  /** The segment must have this many members before it may be used. */
  readonly minSize?: number;
  /** How far back reported ends are corrected, ms; default: the grace of the events. */
  readonly grace?: number;
  readonly corrections: 'emit' | 'none';
  /** Whether the members at the first evaluation of a definition are reported as changes. */
  readonly initial: 'emit' | 'silent';
  readonly timezone: string;
  readonly cooldown?: number;
  readonly destinations: readonly string[];
  readonly budget: SegmentBudget;
  readonly when: Expression;
}

/** What a segment may cost; a definition that costs more is refused. */
export interface SegmentBudget {
  readonly bytesPerSubject?: number;
  readonly timers?: number;
  /** The longest time from the instant of a change to its decision, ms. */
  readonly latency?: number;
}

/** Leaves that read the counts of the score instead of the events. */
export type EngagementLeaf = ScoreNode | BandNode | OpenSignalNode;

export function readsEngagement(node: Expression): node is EngagementLeaf {
  return node.kind === 'score' || node.kind === 'band' || node.kind === 'openSignal';
}

/** The conditions below a node. */
export function childrenOf(node: Expression): readonly Expression[] {
  if (node.kind === 'and' || node.kind === 'or') return node.children;
  if (node.kind === 'latch') return [node.enter, node.exit];
  return 'child' in node ? [node.child] : [];
}

/** The segments that a condition refers to. */
export function segmentsAskedFor(node: Expression): readonly string[] {
  return node.kind === 'inSegment' ? [node.id] : childrenOf(node).flatMap(segmentsAskedFor);
}
