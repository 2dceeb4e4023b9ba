/**
 * Sub-topologies: the parts of a topology that run as one task per partition. Nodes connected by an
 * edge or a store belong together. A keyBy divides, because its records travel through a topic: it
 * ends the part before it (as a writer) and begins the part after it (as a source).
 */
import { must } from '../base/assert.ts';
import type { Topology } from './graph.ts';
import type { GraphNode, Port, StepNode } from './node.ts';
import type { StoreSpec } from './store-spec.ts';
import type { Sink, Source } from './topic.ts';

export interface SubTopologySource {
  readonly topic: Source<unknown, unknown>;
  /** The node at whose output 0 the records enter. */
  readonly node: number;
  readonly repartition: boolean;
}

export interface SubTopology {
  /** Number, from upstream to downstream; independent parts in the order of their first source. */
  readonly id: number;
  /** Nodes built in this part; a keyBy is built in the part that writes it. */
  readonly nodes: readonly number[];
  readonly sources: readonly SubTopologySource[];
  readonly stores: readonly StoreSpec[];
}

export function isRepartition(node: GraphNode): node is StepNode {
  return node.type === 'step' && node.step.repartition !== undefined;
}

export function inputsOf(node: GraphNode): readonly Port[] {
  if (node.type === 'source') return [];
  return node.type === 'sink' ? [node.input] : node.inputs;
}

export function subTopologies(topology: Topology): readonly SubTopology[] {
  const { nodes } = topology;
  // Two places per node: 2i where it is built, 2i+1 where its output is; they differ for a keyBy.
  const parent = nodes.flatMap((_, i) => [2 * i, 2 * i + 1]);
  const find = (i: number): number => {
    let root = i;
    while (parent[root] !== root) root = must(parent[root], 'a known place');
    return root;
  };
  const join = (a: number, b: number) => {
    const [low, high] = [find(a), find(b)].sort((x, y) => x - y) as [number, number];
    parent[high] = low;
  };
  const storeHome = new Map<string, number>();
  for (const node of nodes) {
    if (!isRepartition(node)) join(2 * node.id, 2 * node.id + 1);
    for (const input of inputsOf(node)) join(2 * input.node + 1, 2 * node.id);
    if (node.type !== 'step') continue;
    for (const store of node.step.stores) {
      const home = storeHome.get(store.name);
      if (home === undefined) storeHome.set(store.name, 2 * node.id);
      else join(home, 2 * node.id);
    }
  }
  const roots = [
    ...new Set(
      nodes.filter((n) => n.type === 'source' || isRepartition(n)).map((n) => find(2 * n.id + 1)),
    ),
  ];
  const parts = roots.map((root) => {
    const built = nodes.filter((node) => find(2 * node.id) === root);
    return {
      nodes: built.map((node) => node.id),
      sources: nodes.filter((node) => find(2 * node.id + 1) === root).flatMap(sourceOf),
      stores: built.flatMap((node) => (node.type === 'step' ? node.step.stores : [])),
    };
  });
  return upstreamFirst(topology, parts).map((part, id) => ({ ...part, id }));
}

type Part = Omit<SubTopology, 'id'>;

/** Orders parts so that each follows the parts that write its input, except in cycles. */
function upstreamFirst(topology: Topology, parts: readonly Part[]): Part[] {
  const writes = parts.map((part) => {
    const own = part.nodes.map((id) => topology.nodes[id] as GraphNode);
    return new Set(own.flatMap(topicsWrittenBy).map(({ name }) => name));
  });
  const feeds = (from: number, to: Part) =>
    to.sources.some(({ topic }) => writes[from]?.has(topic.name));
  const left = parts.map((_, i) => i);
  const ordered: Part[] = [];
  while (left.length > 0) {
    const free = left.findIndex((i) =>
      left.every((from) => from === i || !feeds(from, parts[i] as Part)),
    );
    const [next] = left.splice(Math.max(0, free), 1);
    ordered.push(parts[next as number] as Part);
  }
  return ordered;
}

function sourceOf(node: GraphNode): SubTopologySource[] {
  if (node.type === 'source') return [{ topic: node.topic, node: node.id, repartition: false }];
  if (!isRepartition(node)) return [];
  const topic = must(node.step.repartition, 'a keyBy has a topic').topic;
  return [{ topic, node: node.id, repartition: true }];
}

/** Every topic that a topology writes with sinks and side outputs, once each. */
export function writtenTopics(topology: Topology): readonly Sink<never, never>[] {
  const topics = new Map<string, Sink<never, never>>();
  for (const node of topology.nodes) {
    if (isRepartition(node)) continue;
    for (const sink of topicsWrittenBy(node)) topics.set(sink.name, sink);
  }
  return [...topics.values()];
}

function topicsWrittenBy(node: GraphNode): readonly Sink<never, never>[] {
  if (node.type === 'source') return [];
  if (node.type === 'sink') return [node.topic];
  const { repartition, sinks = [] } = node.step;
  return repartition === undefined ? sinks : [repartition.topic, ...sinks];
}
