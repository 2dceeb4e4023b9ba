/**
 * Membership intervals by brute force: every node is evaluated by plain counting at every instant at
 * which anything can change, over all accepted events; nothing is kept from one instant to the next
 * but what `latch` and `held` mean.
 */

import type { Trait } from '../../topologies/event.ts';
import { bucketOf } from '../../topologies/segments/bucket.ts';
import {
  childrenOf,
  type Expression,
  type SegmentDefinition,
} from '../../topologies/segments/definition.ts';

export interface LogEvent {
  readonly subject: string;
  /** ms UTC. */
  readonly at: number;
  readonly class: string;
  readonly id: string;
  readonly item: string;
  readonly traits: Readonly<Record<string, Trait>>;
  readonly numbers: Readonly<Record<string, number>>;
}

/** A change of membership: 'in' or 'out' at an instant, ms UTC. */
export interface Edge {
  readonly at: number;
  readonly in: boolean;
}

/** Kinds that depend on the score are compared through the score itself. */
export function canRecompute(node: Expression): boolean {
  const apart = !('score' in node) && !('band' in node) && !('inSegment' in node);
  return apart && childrenOf(node).every(canRecompute);
}

/** Whether the truth at an instant depends on what was true before. */
export function hasMemory(node: Expression): boolean {
  return 'latch' in node || 'held' in node || 'once' in node || childrenOf(node).some(hasMemory);
}

/** The edges of a subject in a segment up to `end`, both ends included. */
export function edgesOf(
  { when }: SegmentDefinition,
  events: readonly LogEvent[],
  end: number,
): Edge[] {
  const own = new Set(events.map((event) => event.at));
  const instants = [...criticalInstants(when, own, end)]
    .filter((at) => at <= end)
    .sort((a, b) => a - b);
  const truth = truthOf(when, events, instants);
  const edges: Edge[] = [];
  truth.forEach((holds, i) => {
    if (holds !== (edges.at(-1)?.in ?? false)) edges.push({ at: instants[i] as number, in: holds });
  });
  return edges;
}

/**
 * Without what began and ended at one instant: events of one instant have no order, but the engine
 * decides at each of them, and takes back at the second what it said at the first.
 */
export function settled(edges: readonly Edge[]): Edge[] {
  const kept: Edge[] = [];
  for (const edge of edges) {
    if (kept.at(-1)?.at === edge.at) kept.pop();
    else kept.push(edge);
  }
  return kept;
}

/** Every instant at which the node, or one below it, may change. */
function criticalInstants(node: Expression, events: ReadonlySet<number>, end: number): Set<number> {
  const instants = new Set(events);
  for (const child of childrenOf(node)) {
    for (const at of criticalInstants(child, events, end)) instants.add(at);
  }
  const spans: number[] = [];
  if ('withinMs' in node) spans.push(node.withinMs);
  if ('forMs' in node) spans.push(node.forMs);
  if ('abandoned' in node) {
    const { afterMs, forMs } = node.abandoned;
    spans.push(afterMs, afterMs + forMs);
  }
  for (const at of [...instants]) {
    for (const span of spans) instants.add(at + span);
    // What was true once may be so again and again, from where it was over.
    const again = 'once' in node ? (node.reentryAfterMs ?? end) : end;
    for (let next = at + again; again < end && next <= end; next += again) instants.add(next);
  }
  return instants;
}

function truthOf(
  node: Expression,
  events: readonly LogEvent[],
  instants: readonly number[],
): boolean[] {
  if ('latch' in node) {
    return latched(
      truthOf(node.latch.enter, events, instants),
      truthOf(node.latch.exit, events, instants),
    );
  }
  if ('once' in node) return onceFor(truthOf(node.once, events, instants), instants, node);
  if ('held' in node) return heldFor(truthOf(node.held, events, instants), instants, node.forMs);
  const children = childrenOf(node).map((child) => truthOf(child, events, instants));
  return instants.map((at, i) => {
    if ('and' in node) return children.every((truth) => truth[i]);
    if ('or' in node) return children.some((truth) => truth[i]);
    if ('not' in node) return !children[0]?.[i];
    return leaf(node, events, at);
  });
}

function latched(enter: readonly boolean[], exit: readonly boolean[]): boolean[] {
  let on = false;
  return enter.map((entering, i) => {
    if (exit[i] && !exit[i - 1]) on = false;
    else if (entering && !enter[i - 1]) on = true;
    return on;
  });
}

function onceFor(
  truth: readonly boolean[],
  instants: readonly number[],
  { reentryAfterMs = Number.POSITIVE_INFINITY }: { readonly reentryAfterMs?: number },
): boolean[] {
  let until = Number.NEGATIVE_INFINITY;
  return truth.map((holds, i) => {
    const at = instants[i] as number;
    if (holds && at >= until) until = at + reentryAfterMs;
    return at < until;
  });
}

function heldFor(truth: readonly boolean[], instants: readonly number[], forMs: number) {
  let since = Number.NaN;
  return truth.map((holds, i) => {
    if (holds && !truth[i - 1]) since = instants[i] as number;
    return holds && (instants[i] as number) >= since + forMs;
  });
}

function leaf(node: Expression, events: readonly LogEvent[], at: number): boolean {
  const past = events.filter((event) => event.at <= at);
  if ('count' in node) {
    const { length } = past.filter(
      (event) => node.count.includes(event.class) && event.at > at - node.withinMs,
    );
    return compare(length, node.op, node.value);
  }
  if ('absent' in node) {
    const first = past[0]?.at ?? Number.POSITIVE_INFINITY;
    if (node.knownSince === 'firstSeen' && at < first + node.forMs) return false;
    return !past.some((event) => node.absent.includes(event.class) && event.at > at - node.forMs);
  }
  if ('of' in node) return aggregated(node, past, at);
  if ('abandoned' in node) {
    const { start, unless, by, afterMs, forMs } = node.abandoned;
    return past.some((begun) => {
      if (!start.includes(begun.class)) return false;
      if (at < begun.at + afterMs || at >= begun.at + afterMs + forMs) return false;
      return !past.some(
        (end) =>
          unless.includes(end.class) &&
          end.at > begun.at &&
          (by === 'subject' || end.item === begun.item),
      );
    });
  }
  if ('bucket' in node) {
    const share = bucketOf(node.bucket, events[0]?.subject ?? '');
    return share >= node.from && share < node.to;
  }
  if (!('trait' in node)) throw new Error(`no brute force for ${JSON.stringify(node)}`);
  const value = past.findLast((event) => event.traits[node.trait] !== undefined)?.traits[
    node.trait
  ];
  if (node.op === 'exists' || value === undefined) return value !== undefined;
  if (node.op === 'in') return Array.isArray(node.value) && node.value.includes(value);
  if (node.op === 'contains') return String(value).includes(String(node.value));
  if (node.op === 'startsWith') return String(value).startsWith(String(node.value));
  return typeof value === typeof node.value && compare(value, node.op, node.value as string);
}

function aggregated(
  node: Extract<Expression, { readonly of: string }>,
  past: readonly LogEvent[],
  at: number,
): boolean {
  const kind = (['sum', 'avg', 'min', 'max'] as const).find((name) => name in node) as string;
  const classes = (node as unknown as Record<string, readonly string[]>)[kind] as readonly string[];
  const values = past
    .filter((event) => classes.includes(event.class) && event.at > at - node.withinMs)
    .flatMap((event) => event.numbers[node.of] ?? []);
  const sum = values.reduce((a, b) => a + b, 0);
  if (kind === 'sum') return compare(sum, node.op, node.value);
  if (values.length === 0) return false;
  const results: Record<string, number> = {
    avg: sum / values.length,
    min: Math.min(...values),
    max: Math.max(...values),
  };
  return compare(results[kind], node.op, node.value);
}

function compare<T>(a: T, op: string, b: T): boolean {
  const results: Record<string, boolean> = {
    eq: a === b,
    ne: a !== b,
    lt: a < b,
    le: a <= b,
    gt: a > b,
    ge: a >= b,
  };
  return results[op] ?? false;
}
