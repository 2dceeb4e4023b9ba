/**
 * Whether a condition holds at an instant, and when that may change by itself. An event counts on
 * [ts, ts + D): it leaves exactly at ts + D. The result depends on the subject's facts at the instant;
 * `latch` and `held` also on a memory of their own, so every instant at which something may change is
 * evaluated, in order.
 */
import type { Trait } from '../event.ts';
import { type Comparison, childrenOf, type Expression } from './definition.ts';

/** What is known of a subject. */
export interface Facts {
  /** Newest instants of each class, ascending; as many as any segment needs. */
  readonly newest: Readonly<Record<string, readonly number[]>>;
  /** ms UTC. */
  readonly firstSeen: number;
  readonly traits: Readonly<Record<string, readonly [value: Trait, at: number, eventId: string]>>;
  readonly band: string;
  /** Events of the classes that some node looks at one by one, by time, within its reach. */
  readonly members: Readonly<Record<string, readonly Member[]>>;
  /** Share of the subject for a salt, 0 to 9,999. */
  bucket(salt: string): number;
  /** Whether the subject is in a segment at the instant; those asked for are decided before. */
  inSegment(id: string): boolean;
  /** Score ('total') or sub-score of a channel at an instant. */
  score(of: string, at: number): number;
  /** First instant after `at` when that falls below `threshold`; +Infinity when it does not. */
  fallsBelow(of: string, threshold: number, at: number): number;
}

/** An event that is looked at by itself. */
export interface Member {
  readonly at: number;
  readonly item: string;
  readonly numbers: Readonly<Record<string, number>>;
}

/** What `latch`, `once` and `held` nodes remember, by their path in the expression; null = not true now. */
export type Memory = Record<string, number | null>;

export interface Verdict {
  readonly holds: boolean;
  /** The next instant at which it may change without an event; +Infinity for never. */
  readonly next: number;
}

type Node<Kind extends string> = Extract<Expression, Record<Kind, unknown>>;

const never = Number.POSITIVE_INFINITY;

export function evaluate(
  node: Expression,
  at: number,
  facts: Facts,
  memory: Memory,
  path = '',
): Verdict {
  if ('and' in node) return all(node.and, at, facts, memory, `${path}.and`, true);
  if ('or' in node) return all(node.or, at, facts, memory, `${path}.or`, false);
  if ('not' in node) {
    const { holds, next } = evaluate(node.not, at, facts, memory, `${path}.not`);
    return { holds: !holds, next };
  }
  if ('latch' in node) return latch(node.latch, at, facts, memory, `${path}.latch`);
  if ('held' in node) return held(node, at, facts, memory, `${path}.held`);
  if ('count' in node) return count(node, at, facts);
  if ('absent' in node) return absent(node, at, facts);
  if ('score' in node) return score(node, at, facts);
  if ('abandoned' in node) return abandoned(node.abandoned, at, facts);
  if ('once' in node) return once(node, at, facts, memory, `${path}.once`);
  if ('inSegment' in node) return { holds: facts.inSegment(node.inSegment), next: never };
  if ('bucket' in node) {
    const share = facts.bucket(node.bucket);
    return { holds: node.from <= share && share < node.to, next: never };
  }
  if (!('trait' in node) && !('band' in node)) return aggregation(node, at, facts);
  if ('band' in node) return { holds: node.band.includes(facts.band), next: never };
  return { holds: traitHolds(node, facts.traits[node.trait]?.[0]), next: never };
}

function all(
  children: readonly Expression[],
  at: number,
  facts: Facts,
  memory: Memory,
  path: string,
  every: boolean,
): Verdict {
  // Every child is evaluated, so that each one's memory sees every instant.
  const verdicts = children.map((child, i) => evaluate(child, at, facts, memory, `${path}.${i}`));
  const holds = every ? verdicts.every((v) => v.holds) : verdicts.some((v) => v.holds);
  return { holds, next: Math.min(...verdicts.map((v) => v.next)) };
}

function latch(
  { enter, exit }: { readonly enter: Expression; readonly exit: Expression },
  at: number,
  facts: Facts,
  memory: Memory,
  path: string,
): Verdict {
  const entering = evaluate(enter, at, facts, memory, `${path}.enter`);
  const leaving = evaluate(exit, at, facts, memory, `${path}.exit`);
  const rises = (name: string, { holds }: Verdict) => {
    const key = `${path}.${name}Was`;
    const was = memory[key] === 1;
    memory[key] = holds ? 1 : 0;
    return holds && !was;
  };
  const [entered, left] = [rises('enter', entering), rises('exit', leaving)];
  if (left) memory[path] = null;
  else if (entered) memory[path] = at;
  return { holds: typeof memory[path] === 'number', next: Math.min(entering.next, leaving.next) };
}

function held(
  node: { readonly held: Expression; readonly forMs: number },
  at: number,
  facts: Facts,
  memory: Memory,
  path: string,
): Verdict {
  const inner = evaluate(node.held, at, facts, memory, path);
  const key = `${path}Since`;
  if (!inner.holds) {
    memory[key] = null;
    return { holds: false, next: inner.next };
  }
  const since = memory[key] ?? at;
  memory[key] = since;
  const from = since + node.forMs;
  return { holds: at >= from, next: at >= from ? inner.next : Math.min(inner.next, from) };
}

/** True from the first truth on, or for `reentryAfterMs` from each truth after the last was over. */
function once(node: Node<'once'>, at: number, facts: Facts, memory: Memory, path: string): Verdict {
  const inner = evaluate(node.once, at, facts, memory, path);
  const span = node.reentryAfterMs ?? never;
  const since = memory[path];
  const over = typeof since !== 'number' || at >= since + span;
  if (over) memory[path] = inner.holds ? at : null;
  const from = memory[path];
  if (typeof from !== 'number') return { holds: false, next: inner.next };
  return { holds: true, next: Math.min(inner.next, from + span) };
}

type AggregationNode = Extract<Expression, { readonly of: string }>;

function classesOf(node: AggregationNode): readonly string[] {
  if ('sum' in node) return node.sum;
  if ('avg' in node) return node.avg;
  return 'min' in node ? node.min : node.max;
}

function aggregation(node: AggregationNode, at: number, facts: Facts): Verdict {
  const values: number[] = [];
  let next = never;
  for (const eventClass of classesOf(node)) {
    for (const { at: ts, numbers } of facts.members[eventClass] ?? []) {
      const value = numbers[node.of];
      if (value === undefined || ts > at || ts + node.withinMs <= at) continue;
      values.push(value);
      next = Math.min(next, ts + node.withinMs);
    }
  }
  return { holds: aggregateHolds(node, values), next };
}

function aggregateHolds(node: AggregationNode, values: readonly number[]): boolean {
  const sum = values.reduce((total, value) => total + value, 0);
  if ('sum' in node) return compare(sum, node.op, node.value);
  if (values.length === 0) return false;
  // An average is compared by products, so that no quotient is rounded.
  if ('avg' in node) return compare(sum, node.op, node.value * values.length);
  const extreme = 'min' in node ? Math.min(...values) : Math.max(...values);
  return compare(extreme, node.op, node.value);
}

function abandoned(node: Node<'abandoned'>['abandoned'], at: number, facts: Facts): Verdict {
  const of = (classes: readonly string[]) => classes.flatMap((one) => facts.members[one] ?? []);
  const ends = of(node.unless);
  let [holds, next] = [false, never];
  for (const { at: start, item } of of(node.start)) {
    const [from, to] = [start + node.afterMs, start + node.afterMs + node.forMs];
    if (start > at || to <= at) continue;
    const own = ends.filter(
      (end) => end.at > start && (node.by === 'subject' || end.item === item),
    );
    if (own.some((end) => end.at <= at)) continue;
    if (at >= from) holds = true;
    next = Math.min(next, at < from ? from : to);
  }
  return { holds, next };
}

function count(node: Node<'count'>, at: number, facts: Facts): Verdict {
  let counted = 0;
  let next = never;
  for (const eventClass of node.count) {
    for (const ts of facts.newest[eventClass] ?? []) {
      if (ts > at || ts + node.withinMs <= at) continue;
      counted++;
      next = Math.min(next, ts + node.withinMs);
    }
  }
  return { holds: compare(counted, node.op, node.value), next };
}

function absent(node: Node<'absent'>, at: number, facts: Facts): Verdict {
  let last = node.knownSince === 'firstSeen' ? facts.firstSeen : Number.NEGATIVE_INFINITY;
  for (const eventClass of node.absent) {
    last = Math.max(last, facts.newest[eventClass]?.at(-1) ?? Number.NEGATIVE_INFINITY);
  }
  const from = last + node.forMs;
  return at >= from ? { holds: true, next: never } : { holds: false, next: from };
}

function score(
  node: { readonly score: string; readonly op: Comparison; readonly value: number },
  at: number,
  facts: Facts,
): Verdict {
  const now = facts.score(node.score, at);
  // Without events a score only falls: what can change next is that it passes the value or the one above.
  const next = Math.min(
    facts.fallsBelow(node.score, node.value, at),
    facts.fallsBelow(node.score, node.value + 1, at),
  );
  return { holds: compare(now, node.op, node.value), next };
}

function compare(a: Trait, op: Comparison, b: Trait): boolean {
  switch (op) {
    case 'eq':
      return a === b;
    case 'ne':
      return a !== b;
    case 'lt':
      return a < b;
    case 'le':
      return a <= b;
    case 'gt':
      return a > b;
    case 'ge':
      return a >= b;
  }
}

/** A comparison on a missing value, or between different types, is false. */
function traitHolds(node: Node<'trait'>, actual: Trait | undefined): boolean {
  const { op, value } = node;
  if (op === 'exists') return actual !== undefined;
  if (actual === undefined || value === undefined) return false;
  if (op === 'in') return Array.isArray(value) && value.includes(actual);
  if (op === 'contains') return typeof actual === 'string' && actual.includes(String(value));
  if (op === 'startsWith') return typeof actual === 'string' && actual.startsWith(String(value));
  return typeof actual === typeof value && compare(actual, op, value as Trait);
}

/** How many of its newest instants each class must keep: what the counts and absences ask for. */
export function needed(expressions: readonly Expression[]): Record<string, number> {
  const keep: Record<string, number> = {};
  const visit = (node: Expression): void => {
    childrenOf(node).forEach(visit);
    if ('count' in node) for (const c of node.count) grow(c, node.value + 1);
    else if ('absent' in node) for (const c of node.absent) grow(c, 1);
  };
  const grow = (eventClass: string, n: number) => {
    keep[eventClass] = Math.max(keep[eventClass] ?? 0, n);
  };
  expressions.forEach(visit);
  return keep;
}

/** How long the events of each class are looked at one by one, ms. */
export function reach(expressions: readonly Expression[]): Record<string, number> {
  const keep: Record<string, number> = {};
  const grow = (classes: readonly string[], ms: number) => {
    for (const one of classes) keep[one] = Math.max(keep[one] ?? 0, ms);
  };
  const visit = (node: Expression): void => {
    childrenOf(node).forEach(visit);
    if ('of' in node) grow(classesOf(node), node.withinMs);
    if (!('abandoned' in node)) return;
    const { start, unless, afterMs, forMs } = node.abandoned;
    grow([...start, ...unless], afterMs + forMs);
  };
  expressions.forEach(visit);
  return keep;
}
