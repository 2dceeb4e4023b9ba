/**
 * Whose time counts in each sub-topology, read off the graph.
 *
 * A part goes *by its sources* when something that depends on time reads what has travelled through
 * a repartition topic, or when one of its sources says how far out of order it is: then records are
 * late by their own source partition, and the watermark closes windows and fires timers
 * (time/watermark.ts). Every other part goes *by its records*, as Kafka Streams does: each step's
 * time is the greatest timestamp it has seen. For one source partition both are the same, but that
 * records which were filtered out before a step move the first and not the second.
 */
import type { Topology } from './graph.ts';
import type { GraphNode, Port } from './node.ts';
import { inputsOf, isRepartition, type SubTopology, subTopologies } from './sub-topology.ts';

export interface PartTime {
  readonly bySource: boolean;
  /** Repartition topics, by logical name, in which the part's tasks tell how far they are. */
  readonly tells: readonly string[];
  /**
   * The same whose records say where they were read first, because they are put in order of time.
   */
  readonly placed: readonly string[];
  /** A step of the part puts records in order of time. */
  readonly ordersByTime: boolean;
  /** For each source of the part, what it is waited for by: see `SourceKind`. */
  readonly inputs: readonly InputTime[];
}

export type InputTime =
  /** A topic of the author. */
  | { readonly kind: 'source'; readonly idleAfterMs?: number }
  /** A repartition topic that tells; written by the tasks of this part. */
  | { readonly kind: 'told'; readonly part: number }
  /**
   * Holds nobody back: a table that is only looked up, or what comes back to a part that caused it.
   */
  | { readonly kind: 'free' };

/** By sub-topology. */
export function timePlan(topology: Topology): readonly PartTime[] {
  const parts = subTopologies(topology);
  const writers = writerOf(topology, parts);
  const reach = reachable(parts, writers);
  const leads = parts.map(
    ({ id }) => isTimed(parts[id]) || [...(reach[id] ?? [])].some((to) => isTimed(parts[to])),
  );
  const asKafkaStreams = topology.asKafkaStreams === true;
  const isTold = (topic: string, reader: number) => {
    const writer = writers.get(topic);
    if (asKafkaStreams || writer === undefined || leads[reader] !== true) return false;
    return reader !== writer && reach[reader]?.has(writer) !== true;
  };
  const readerOf = new Map(
    parts.flatMap(({ id, sources }) =>
      sources.filter(({ repartition }) => repartition).map(({ topic }) => [topic.name, id]),
    ),
  );
  return parts.map((part): PartTime => {
    const written = [...writers].filter(([, writer]) => writer === part.id).map(([topic]) => topic);
    const tells = written.filter((topic) => isTold(topic, readerOf.get(topic) ?? -1));
    const inputs = part.sources.map(({ topic, node, repartition }): InputTime => {
      if (!repartition) {
        if (isLookedUp(topology, node)) return { kind: 'free' };
        const source = topology.nodes[node];
        const idleAfter = source?.type === 'source' ? source.options.idleAfter : undefined;
        return { kind: 'source', ...(idleAfter === undefined ? {} : { idleAfterMs: idleAfter }) };
      }
      const writer = writers.get(topic.name);
      return writer !== undefined && isTold(topic.name, part.id)
        ? { kind: 'told', part: writer }
        : { kind: 'free' };
    });
    const isDisordered = part.sources.some(({ node }) => {
      const source = topology.nodes[node];
      return source?.type === 'source' && source.options.disorder !== undefined;
    });
    const bySource =
      !asKafkaStreams &&
      (tells.length > 0 || isDisordered || inputs.some(({ kind }) => kind === 'told'));
    const placed = tells.filter((topic) => isPlaced(topology, parts, reach, readerOf, topic));
    return { bySource, tells, placed, ordersByTime: ordersByTime(topology, part), inputs };
  });
}

/** Something in the part waits for instants of event time. */
function isTimed(part: SubTopology | undefined): boolean {
  return (part?.stores ?? []).some(
    ({ due, clock = 'stream' }) => due !== undefined && (clock === 'stream' || clock === 'key'),
  );
}

/** The part that writes each repartition topic, by logical name. */
function writerOf(topology: Topology, parts: readonly SubTopology[]): ReadonlyMap<string, number> {
  const writers = new Map<string, number>();
  for (const { id, nodes } of parts) {
    for (const n of nodes) {
      const node = topology.nodes[n] as GraphNode;
      if (isRepartition(node)) writers.set(node.step.repartition?.topic.name ?? '', id);
    }
  }
  return writers;
}

/** The parts that come after each. */
function reachable(
  parts: readonly SubTopology[],
  writers: ReadonlyMap<string, number>,
): readonly ReadonlySet<number>[] {
  const after = parts.map(() => new Set<number>());
  for (const { id, sources } of parts) {
    for (const { topic } of sources) {
      const writer = writers.get(topic.name);
      if (writer !== undefined) after[writer]?.add(id);
    }
  }
  const all = parts.map(() => new Set<number>());
  for (const { id } of parts) {
    const waiting = [...(after[id] ?? [])];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (all[id]?.has(next)) continue;
      all[id]?.add(next);
      waiting.push(...(after[next] ?? []));
    }
  }
  return all;
}

/** Records of the topic, or what is made of them, are put in order of time. */
function isPlaced(
  topology: Topology,
  parts: readonly SubTopology[],
  reach: readonly ReadonlySet<number>[],
  readerOf: ReadonlyMap<string, number>,
  topic: string,
): boolean {
  const reader = readerOf.get(topic) ?? -1;
  return [reader, ...(reach[reader] ?? [])].some((id) => ordersByTime(topology, parts[id]));
}

function ordersByTime({ nodes }: Topology, part: SubTopology | undefined): boolean {
  return (part?.nodes ?? []).some((id) => {
    const node = nodes[id];
    return node?.type === 'step' && node.step.ordersByTime === true;
  });
}

/** The source feeds a table whose changes nobody hears of: its rows are read when a stream asks. */
function isLookedUp({ nodes }: Topology, source: number): boolean {
  const into = (from: Port['node']) =>
    nodes.flatMap((node) =>
      inputsOf(node).flatMap((input, i) => (input.node === from ? [{ node, i }] : [])),
    );
  const tables = into(source);
  return (
    tables.length > 0 &&
    tables.every(({ node }) => {
      if (node.type !== 'step' || !node.step.kind.startsWith('table-source')) return false;
      return into(node.id).every(({ node: user, i }) => {
        if (user.type !== 'step') return false;
        const { kind } = user.step;
        return i > 0 && (kind === 'join-table' || kind === 'process');
      });
    })
  );
}
