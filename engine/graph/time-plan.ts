/**
 * Which rule of time each sub-topology follows, derived from the graph.
 *
 * A part follows *its sources* if a time-dependent step reads records of a repartition topic, or if
 * one of its sources sets `disorder`: then lateness depends on the record's own source partition,
 * and the watermark closes windows and fires timers (time/watermark.ts). Every other part follows
 * *its records*, as in Kafka Streams: each step's time is the greatest timestamp it has seen. For a
 * single source partition the rules are equal, except that records filtered out before a step only
 * advance the first.
 *
 * Within a part steps may wait for different inputs: time-levels.ts.
 */
import type { Topology } from './graph.ts';
import type { GraphNode, Port } from './node.ts';
import { inputsOf, isRepartition, type SubTopology, subTopologies } from './sub-topology.ts';
import { isTimedNode, leadingNodes, oneLevel, type TimeLevels, timeLevels } from './time-levels.ts';

export interface PartTime extends TimeLevels {
  readonly bySource: boolean;
  /** Repartition topics, by logical name, to which the part's tasks write promises. */
  readonly tells: readonly string[];
  /** Topics whose records also carry their source position, because they are ordered by time. */
  readonly placed: readonly string[];
  /** True if a step of the part orders records by time. */
  readonly ordersByTime: boolean;
  /** For each source of the part, how time waits for it. */
  readonly inputs: readonly InputTime[];
}

export type InputTime =
  /** A topic of the author. */
  | { readonly kind: 'source'; readonly idleAfterMs?: number }
  /**
   * A repartition topic that tells; written by the tasks of this part, on this level, which is so
   * much behind.
   */
  | {
      readonly kind: 'told';
      readonly part: number;
      readonly level: number;
      readonly behindMs: number;
      /** The same part reads it. */
      readonly isOwn: boolean;
      /**
       * Levels of the reading part that its writers wait for through topics: a new promise of these
       * makes all writers send theirs.
       */
      readonly answers: readonly number[];
    }
  /**
   * Holds no step back: a table that is only looked up, or an input of steps without time.
   */
  | { readonly kind: 'free' };

/** The plan of each sub-topology. */
export function timePlan(topology: Topology): readonly PartTime[] {
  const parts = subTopologies(topology);
  const writers = writerOf(topology, parts);
  const reach = reachable(parts, writers);
  const leadTo = (id: number) => isTimed(topology, parts[id]);
  const leads = parts.map(({ id }) => leadTo(id) || [...(reach[id] ?? [])].some(leadTo));
  const leading = leadingNodes(topology);
  const isWayBack = (topic: string, reader: number) => {
    const writer = writers.get(topic)?.part ?? -1;
    return reader === writer || reach[reader]?.has(writer) === true;
  };
  const isTold = (topic: string, reader: number) => {
    const writer = writers.get(topic);
    if (topology.asKafkaStreams === true || writer === undefined) return false;
    return isWayBack(topic, reader) ? leading.has(writer.node) : leads[reader] === true;
  };
  const readerOf = new Map(
    parts.flatMap(({ id, sources }) =>
      sources.filter(({ repartition }) => repartition).map(({ topic }) => [topic.name, id]),
    ),
  );
  const plans = parts.map((part): PartTime => {
    const written = [...writers].filter(([, writer]) => writer.part === part.id);
    const tells = written
      .map(([topic]) => topic)
      .filter((topic) => isTold(topic, readerOf.get(topic) ?? -1));
    const inputs = part.sources.map((source): InputTime => {
      const { name } = source.topic;
      if (!source.repartition) return ownInput(topology, source.node);
      const writer = writers.get(name);
      if (writer === undefined || !isTold(name, part.id)) return { kind: 'free' };
      const isOwn = writer.part === part.id;
      return { kind: 'told', part: writer.part, level: 0, behindMs: 0, isOwn, answers: [] };
    });
    const bySource =
      topology.asKafkaStreams !== true &&
      (tells.length > 0 ||
        isDisordered(topology, part) ||
        inputs.some(({ kind }) => kind === 'told'));
    const held = inputs.flatMap(({ kind }, i) => (kind === 'free' ? [] : [i]));
    const waysBack = held.filter(
      (i) => inputs[i]?.kind === 'told' && isWayBack(part.sources[i]?.topic.name ?? '', part.id),
    );
    const placed = tells.filter((topic) => isPlaced(topology, parts, reach, readerOf, topic));
    const levels = bySource
      ? timeLevels(topology, part, held, new Set(waysBack), tells)
      : oneLevel(held, tells);
    return {
      bySource,
      tells,
      placed,
      ordersByTime: ordersByTime(topology, part),
      inputs,
      ...levels,
    };
  });
  return withBehind(
    plans.map((plan, id) => ({
      ...plan,
      inputs: plan.inputs.map((input, i) => {
        if (input.kind !== 'told') return input;
        const topic = parts[id]?.sources[i]?.topic.name ?? '';
        const { levels = [] } = plans[input.part] ?? {};
        return { ...input, level: levels.findIndex(({ tells }) => tells.includes(topic)) };
      }),
    })),
  );
}

function withBehind(plans: readonly PartTime[]): PartTime[] {
  const behindMs = (part: number, level: number): number => {
    const { inputs = [], levels = [] } = plans[part] ?? {};
    const own = levels[level];
    const before = (own?.inputs ?? []).map((i) => {
      const input = inputs[i];
      return input?.kind === 'told' ? behindMs(input.part, input.level) : 0;
    });
    return Math.max(0, ...before) + (own?.delayMs ?? 0);
  };
  return plans.map((plan, id) => ({
    ...plan,
    inputs: plan.inputs.map((input) => {
      if (input.kind !== 'told') return input;
      const { part, level } = input;
      const answers = levelsBefore(plans, part, level).flatMap((one) =>
        one.part === id ? [one.level] : [],
      );
      return { ...input, behindMs: behindMs(part, level), answers };
    }),
    levels: plan.levels.map((level, i) => ({ ...level, behindMs: behindMs(id, i) })),
  }));
}

/** The levels that a level waits for, directly or indirectly, each once. */
function levelsBefore(
  plans: readonly PartTime[],
  part: number,
  level: number,
): readonly { readonly part: number; readonly level: number }[] {
  const found: { readonly part: number; readonly level: number }[] = [];
  const waiting = [{ part, level }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { inputs = [], levels = [] } = plans[next.part] ?? {};
    for (const i of levels[next.level]?.inputs ?? []) {
      const input = inputs[i];
      if (input?.kind !== 'told') continue;
      if (found.some((one) => one.part === input.part && one.level === input.level)) continue;
      found.push({ part: input.part, level: input.level });
      waiting.push({ part: input.part, level: input.level });
    }
  }
  return found;
}

/** The work of the steps of one level when time passes without records, upstream first. */
export interface TimeStage {
  readonly part: number;
  /** See `TimeLevelPlan`. */
  readonly round: number;
}

/** Ordered so that each follows the parts that write its inputs. */
export function timeStages(times: readonly PartTime[]): readonly TimeStage[] {
  const left = times.flatMap(({ levels }, part) =>
    [...new Set(levels.map(({ round }) => round))].map((round) => ({ part, round })),
  );
  const isLeft = (part: number, round: number) =>
    left.some((one) => one.part === part && one.round === round);
  const isReady = ({ part, round }: TimeStage) =>
    !isLeft(part, round - 1) &&
    (times[part]?.levels ?? [])
      .filter((level) => level.round === round)
      .flatMap(({ inputs }) => inputs.map((i) => times[part]?.inputs[i]))
      .every((input) => {
        if (input?.kind !== 'told') return true;
        return !isLeft(input.part, times[input.part]?.levels[input.level]?.round ?? 0);
      });
  const ordered: TimeStage[] = [];
  while (left.length > 0) {
    ordered.push(...left.splice(Math.max(0, left.findIndex(isReady)), 1));
  }
  return ordered;
}

function ownInput(topology: Topology, node: number): InputTime {
  if (isLookedUp(topology, node)) return { kind: 'free' };
  const source = topology.nodes[node];
  const idleAfter = source?.type === 'source' ? source.options.idleAfter : undefined;
  return { kind: 'source', ...(idleAfter === undefined ? {} : { idleAfterMs: idleAfter }) };
}

function isDisordered({ nodes }: Topology, part: SubTopology): boolean {
  return part.sources.some(({ node }) => {
    const source = nodes[node];
    return source?.type === 'source' && source.options.disorder !== undefined;
  });
}

/** True if a step of the part waits for instants of event time. */
function isTimed({ nodes }: Topology, part: SubTopology | undefined): boolean {
  return (part?.nodes ?? []).some((id) => isTimedNode(nodes[id] as GraphNode));
}

interface TopicWriter {
  readonly part: number;
  readonly node: number;
}

/** The part that writes each repartition topic, by logical name. */
function writerOf(
  { nodes }: Topology,
  parts: readonly SubTopology[],
): ReadonlyMap<string, TopicWriter> {
  const writers = new Map<string, TopicWriter>();
  for (const part of parts) {
    for (const id of part.nodes) {
      const node = nodes[id] as GraphNode;
      if (!isRepartition(node)) continue;
      writers.set(node.step.repartition?.topic.name ?? '', { part: part.id, node: id });
    }
  }
  return writers;
}

/** The parts that come after each. */
function reachable(
  parts: readonly SubTopology[],
  writers: ReadonlyMap<string, TopicWriter>,
): readonly ReadonlySet<number>[] {
  const after = parts.map(() => new Set<number>());
  for (const { id, sources } of parts) {
    for (const { topic } of sources) {
      const writer = writers.get(topic.name);
      if (writer !== undefined) after[writer.part]?.add(id);
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

/** True if records of the topic, or records derived from them, are ordered by time. */
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

/** True if the source feeds a table whose changes no step receives: only its rows are read. */
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
