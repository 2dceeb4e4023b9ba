/**
 * Which steps of a part wait for the same inputs.
 *
 *     source ──┬──────────────► merge ──► window        level 1: source and way back
 *              └──► keyBy ··┐     ▲
 *                   level 0 └·····┘ way back, through a topic that the same tasks read
 *
 * A step waits for inputs from outside, and for the returning topics that lead to it; not for those
 * that it writes itself, in whatever number of hops. What a keyBy tells is the time of its own
 * level. A step never leads to itself, so no topic's time depends on itself.
 *
 * Levels also tell apart what is behind a step that holds records back and lets them go with their
 * own time: there an instant has passed so much later.
 *
 * A part without ways back and such steps has one level, and most have.
 */
import type { Topology } from './graph.ts';
import type { GraphNode } from './node.ts';
import { inputsOf, isRepartition, type SubTopology } from './sub-topology.ts';

export interface TimeLevelPlan {
  /** Sources of the part that its steps wait for, by index. */
  readonly inputs: readonly number[];
  /** Delay of its steps behind these promises, ms. */
  readonly delayMs: number;
  /** Greatest delay behind the author's sources, including that of earlier parts, ms. */
  readonly behindMs: number;
  /** Levels with the same inputs have one number, upstream first. */
  readonly round: number;
  /** Repartition topics, by logical name, that carry its time. */
  readonly tells: readonly string[];
}

export interface TimeLevels {
  /** Upstream first; at least one. */
  readonly levels: readonly TimeLevelPlan[];
  /** Level of each step, by node; a step that does not depend on time has none. */
  readonly levelOf: ReadonlyMap<number, number>;
}

/** What a node waits for. */
interface Waiting {
  readonly inputs: readonly number[];
  readonly delayMs: number;
}

/** Something in the step waits for instants of event time. */
export function isTimedNode(node: GraphNode): boolean {
  return (
    node.type === 'step' &&
    node.step.stores.some(
      ({ due, clock = 'stream' }) => due !== undefined && (clock === 'stream' || clock === 'key'),
    )
  );
}

/** Nodes from which records can come to a step that waits for instants, also by way of topics. */
export function leadingNodes({ nodes }: Topology): ReadonlySet<number> {
  const leading = new Set<number>();
  // A consumer always has a greater number than what it consumes.
  for (const node of [...nodes].reverse()) {
    if (!isTimedNode(node) && !leading.has(node.id)) continue;
    for (const input of inputsOf(node)) leading.add(input.node);
  }
  return leading;
}

/** The level of a part that goes by its records, or whose steps all wait for the same. */
export function oneLevel(inputs: readonly number[], tells: readonly string[]): TimeLevels {
  return { levels: [{ inputs, delayMs: 0, behindMs: 0, round: 0, tells }], levelOf: new Map() };
}

/**
 * @param held sources of the part that hold it back, by index
 * @param waysBack those of them that carry what the part, or what follows from it, has written
 * @param tells topics that carry the part's time, by logical name
 */
export function timeLevels(
  topology: Topology,
  part: SubTopology,
  held: readonly number[],
  waysBack: ReadonlySet<number>,
  tells: readonly string[],
): TimeLevels {
  const outside = held.filter((i) => !waysBack.has(i));
  const found = new Map<string, { waiting: Waiting; nodes: number[]; tells: string[] }>();
  for (const [id, { inputs, delayMs }] of waitings(topology, part, waysBack)) {
    const node = topology.nodes[id] as GraphNode;
    const told = isRepartition(node) ? (node.step.repartition?.topic.name ?? '') : '';
    if (!caresForTime(node) && !tells.includes(told)) continue;
    const waiting = { inputs: [...outside, ...inputs].sort((a, b) => a - b), delayMs };
    const name = `${waiting.inputs.join(',')} ${delayMs}`;
    const level = found.get(name) ?? { waiting, nodes: [], tells: [] };
    found.set(name, level);
    level.nodes.push(id);
    if (tells.includes(told)) level.tells.push(told);
  }
  if (found.size === 0) return oneLevel(held, tells);
  // The writer of a returning topic waits only for topics that are written before it. Otherwise a
  // step downstream waits for the same inputs or more, and for as long or longer.
  const lastWritten = ({ inputs }: Waiting) =>
    Math.max(-1, ...inputs.map((i) => (waysBack.has(i) ? (part.sources[i]?.node ?? -1) : -1)));
  const ordered = [...found.values()].sort(
    ({ waiting: a }, { waiting: b }) =>
      lastWritten(a) - lastWritten(b) || a.inputs.length - b.inputs.length || a.delayMs - b.delayMs,
  );
  const rounds = [...new Set(ordered.map(({ waiting }) => waiting.inputs.join()))];
  return {
    levels: ordered.map((level) => ({
      ...level.waiting,
      behindMs: 0,
      round: rounds.indexOf(level.waiting.inputs.join()),
      tells: level.tells,
    })),
    levelOf: new Map(ordered.flatMap(({ nodes }, i) => nodes.map((id) => [id, i] as const))),
  };
}

function caresForTime(node: GraphNode): boolean {
  return isTimedNode(node) || (node.type === 'step' && node.step.wallClockMs !== undefined);
}

/** The returning topics that lead to each node of a part, and how long their records were held. */
function waitings(
  { nodes }: Topology,
  part: SubTopology,
  waysBack: ReadonlySet<number>,
): ReadonlyMap<number, Waiting> {
  const sources = new Map(part.sources.map(({ node }, i) => [node, i]));
  const found = new Map<number, Waiting>();
  for (const id of [...part.nodes].sort((a, b) => a - b)) {
    const node = nodes[id] as GraphNode;
    if (node.type === 'source') continue;
    const inputs = new Set<number>();
    let delayMs = 0;
    for (const { node: from } of inputsOf(node)) {
      const source = sources.get(from);
      if (source !== undefined) {
        if (waysBack.has(source)) inputs.add(source);
        continue;
      }
      const before = found.get(from);
      const made = nodes[from];
      const heldMs = made?.type === 'step' ? (made.step.heldMs ?? 0) : 0;
      for (const one of before?.inputs ?? []) inputs.add(one);
      delayMs = Math.max(delayMs, (before?.delayMs ?? 0) + heldMs);
    }
    found.set(id, { inputs: [...inputs], delayMs });
  }
  return found;
}
