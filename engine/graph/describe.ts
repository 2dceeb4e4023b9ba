/** Describes a topology with the author's names, as text, JSON and Mermaid. */
import type { Topology } from './graph.ts';
import type { GraphNode } from './node.ts';
import { inputsOf, isRepartition, subTopologies } from './sub-topology.ts';

export interface NodeDescription {
  readonly id: number;
  readonly type: 'source' | 'step' | 'sink';
  /** Operator of a step; 'topic' otherwise. */
  readonly kind: string;
  readonly name: string;
  readonly detail: Readonly<Record<string, unknown>>;
  readonly stores: readonly {
    readonly name: string;
    readonly kind: string;
    /** The topic that it is restored from, if it has no changelog of its own. */
    readonly source?: string;
  }[];
  /** For a keyBy: the nodes that share its repartition topic. */
  readonly readBy?: readonly number[];
  readonly sideOutputs: readonly string[];
  readonly inputs: readonly number[];
  readonly callSite: string;
}

export interface TopologyDescription {
  readonly name: string;
  readonly globalTables: readonly string[];
  readonly subTopologies: readonly {
    readonly id: number;
    readonly sources: readonly string[];
    readonly nodes: readonly NodeDescription[];
  }[];
}

export function describeJson(topology: Topology): TopologyDescription {
  return {
    name: topology.name,
    globalTables: topology.globals.map(({ name }) => name),
    subTopologies: subTopologies(topology).map((part) => ({
      id: part.id,
      sources: part.sources.map((source) => source.topic.name),
      nodes: part.nodes.map((id) => describeNode(topology.nodes[id] as GraphNode, topology)),
    })),
  };
}

export function describeText(topology: Topology): string {
  const lines = [`topology ${topology.name}`];
  for (const { name } of topology.globals)
    lines.push(`  global table of ${name}, whole in every task`);
  for (const part of describeJson(topology).subTopologies) {
    lines.push(`  sub-topology ${part.id}, reads ${part.sources.join(', ')}`);
    for (const node of part.nodes) {
      const from = node.inputs.length === 0 ? '' : ` <- ${node.inputs.join(', ')}`;
      lines.push(`    [${node.id}] ${titleOf(node)}${from}`);
      for (const { name, kind, source } of node.stores) {
        const from = source === undefined ? '' : `, restored from topic ${source}`;
        lines.push(`          store ${name} (${kind})${from}`);
      }
      if (node.readBy !== undefined) {
        lines.push(`          one repartition topic, read by ${node.readBy.join(', ')}`);
      }
      for (const topic of node.sideOutputs) lines.push(`          side output to ${topic}`);
    }
  }
  return lines.join('\n');
}

/** Flowchart text for Mermaid. */
export function describeMermaid(topology: Topology): string {
  const lines = ['flowchart TD'];
  const quoted = (text: string) => text.replaceAll('"', '#quot;');
  for (const part of describeJson(topology).subTopologies) {
    lines.push(`  subgraph s${part.id}["sub-topology ${part.id}"]`);
    for (const node of part.nodes) {
      const title = quoted(titleOf(node));
      lines.push(`    n${node.id}${node.type === 'step' ? `["${title}"]` : `(["${title}"])`}`);
      for (const store of node.stores)
        lines.push(
          `    d${node.id}_${store.name.replace(/\W/g, '_')}[("${quoted(store.name)}")] --- n${node.id}`,
        );
    }
    lines.push('  end');
  }
  for (const node of topology.nodes) {
    for (const input of inputsOf(node)) {
      const from = topology.nodes[input.node] as GraphNode;
      lines.push(
        `  n${input.node} ${isRepartition(from) ? '-. repartition .->' : '-->'} n${node.id}`,
      );
    }
  }
  return lines.join('\n');
}

function titleOf(node: NodeDescription): string {
  if (node.type !== 'step') return `${node.type} ${node.name}`;
  const detail = Object.entries(node.detail).map(
    ([name, value]) => `${name} ${JSON.stringify(value)}`,
  );
  return `${node.kind} ${node.name}${detail.length === 0 ? '' : ` (${detail.join(', ')})`}`;
}

function describeNode(node: GraphNode, topology: Topology): NodeDescription {
  const common = {
    id: node.id,
    callSite: node.callSite,
    inputs: inputsOf(node).map((i) => i.node),
  };
  if (node.type !== 'step') {
    return {
      ...common,
      type: node.type,
      kind: 'topic',
      name: node.topic.name,
      detail: {},
      stores: [],
      sideOutputs: [],
    };
  }
  const { step } = node;
  return {
    ...common,
    type: 'step',
    kind: step.kind,
    name: step.name,
    detail: step.detail ?? {},
    stores: step.stores.map(({ name, kind, source }) => ({
      name,
      kind,
      ...(source === undefined ? {} : { source: source.topic }),
    })),
    ...(isRepartition(node) ? { readBy: readersOf(node.id, topology) } : {}),
    sideOutputs: (step.sinks ?? []).map((sink) => sink.name),
  };
}

function readersOf(node: number, { nodes }: Topology): number[] {
  const reads = (other: GraphNode) => inputsOf(other).some((input) => input.node === node);
  return nodes.filter(reads).map(({ id }) => id);
}
