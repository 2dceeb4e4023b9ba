/**
 * Membership intervals by brute force: every node is evaluated by plain counting at every instant at
 * which anything can change, over all accepted events; nothing is kept from one instant to the next
 * but what `latch` and `held` mean.
 */
import type { Expression, SegmentDefinition } from '../../topologies/segments/definition.ts';
import type { LogEvent } from './events.ts';

/** A change of membership: 'in' or 'out' at an instant, ms UTC. */
export interface Edge {
  readonly at: number;
  readonly in: boolean;
}

/** Kinds that depend on the score are compared through the score itself. */
export function canRecompute(node: Expression): boolean {
  return childrenOf(node).every(canRecompute) && !('score' in node) && !('band' in node);
}

/** Whether the truth at an instant depends on what was true before. */
export function hasMemory(node: Expression): boolean {
  return 'latch' in node || 'held' in node || childrenOf(node).some(hasMemory);
}

function childrenOf(node: Expression): readonly Expression[] {
  if ('and' in node) return node.and;
  if ('or' in node) return node.or;
  if ('not' in node) return [node.not];
  if ('latch' in node) return [node.latch.enter, node.latch.exit];
  return 'held' in node ? [node.held] : [];
}

/** The edges of a subject in a segment up to `end`, both ends included. */
export function edgesOf(
  { when }: SegmentDefinition,
  events: readonly LogEvent[],
  end: number,
): Edge[] {
  const instants = [...criticalInstants(when, new Set(events.map((event) => event.at)))]
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
function criticalInstants(node: Expression, events: ReadonlySet<number>): Set<number> {
  const instants = new Set(events);
  for (const child of childrenOf(node)) {
    for (const at of criticalInstants(child, events)) instants.add(at);
  }
  const span = 'withinMs' in node ? node.withinMs : 'forMs' in node ? node.forMs : 0;
  for (const at of [...instants]) instants.add(at + span);
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
