/** The plan of a topology on a log: its topics, and its tasks with the partitions they read. */
import { must } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import type { Topology } from '../graph/graph.ts';
import {
  isRepartition,
  type SubTopology,
  subTopologies,
  writtenTopics,
} from '../graph/sub-topology.ts';
import { type PartTime, type TimeStage, timePlan, timeStages } from '../graph/time-plan.ts';
import type { Sink, TopicSettings } from '../graph/topic.ts';
import {
  changelogTopic,
  cursorTopic,
  deadLetterTopic,
  repartitionTopic,
  timesTopic,
} from '../graph/topic-names.ts';
import { topicNameProblems } from '../graph/validate-graph.ts';
import type { TopicDescription, TopicPartition, TopicRole } from '../log/log.ts';

export interface PlannedTask {
  readonly taskId: string;
  readonly subTopology: number;
  readonly partition: number;
  /** Source topics, by name in the log. */
  readonly topics: readonly string[];
  readonly stores: readonly string[];
  /** Stores that use one of `topics` as changelog, with that topic. */
  readonly sourceOf: ReadonlyMap<string, string>;
  /** Repartition topics to which the task writes promises. */
  readonly tells: readonly ToldTopic[];
  readonly time: PartTime;
}

export interface ToldTopic {
  /** Name in the log. */
  readonly name: string;
  readonly partitions: number;
  /** Level of the part whose time the topic carries. */
  readonly level: number;
}

export interface Plan {
  readonly topics: readonly TopicDescription[];
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly tasks: readonly PlannedTask[];
  /** In which order time passes without records. */
  readonly stages: readonly TimeStage[];
  /** Topics of global tables. */
  readonly globals: readonly { readonly topic: string; readonly partitions: number }[];
}

export interface PlanOptions {
  readonly application: string;
  readonly topology: Topology;
  /**
   * Partitions of topics without a declared number. Default: 4, and for repartition topics as many
   * as the widest input, as in Kafka Streams.
   */
  readonly partitions?: number | undefined;
  /** Existing topics of the log. */
  readonly existing: readonly TopicDescription[];
  /** The log loses the metadata of offsets (runtime/kept-times.ts). */
  readonly losesMetadata?: boolean;
  /** Further topics, written by connectors. */
  readonly written: readonly Sink<never, never>[];
}

const standardPartitions = 4;

export function plan(options: PlanOptions): Plan {
  const { application, topology } = options;
  const [problem] = topicNameProblems(application, topology);
  if (problem !== undefined) {
    throw new MillraceError('CONFIG_INVALID', { field: 'application', problem });
  }
  const topics = new PlannedTopics(options);
  for (const node of topology.nodes) {
    if (node.type === 'source') topics.add(node.topic.name, node.topic.settings);
  }
  for (const { name, settings } of topology.globals) topics.add(name, settings);
  for (const topic of [...writtenTopics(topology), ...options.written]) {
    topics.add(topic.name, topic.settings);
  }
  const names = logNames(application, topology);
  const tasks = tasksOf(options, topics, names);
  topics.add(deadLetterTopic(application), {}, 1);
  topics.add(cursorTopic(application), { cleanup: 'compact' }, 1, 'cursors');
  const kept = timesTopic(application);
  if (options.losesMetadata === true || topics.existing.has(kept)) {
    topics.add(kept, { cleanup: 'compact' }, 1, 'times');
  }
  const all = [...topics.planned.values()];
  const partitionsOf = Object.fromEntries(all.map((topic) => [topic.name, topic.partitions]));
  const globals = topology.globals.map(({ name }) => ({
    topic: name,
    partitions: partitionsOf[name] as number,
  }));
  const telling = tasks.map((task) => ({
    ...task,
    tells: toldTopics(task.time, names, partitionsOf),
  }));
  return {
    topics: all,
    partitionsOf,
    tasks: telling,
    stages: timeStages(timePlan(topology)),
    globals,
  };
}

/** The topics of a plan, as the log has them or as they will be made. */
class PlannedTopics {
  /** Where nothing is said. */
  readonly partitions: number;
  readonly existing: ReadonlyMap<string, TopicDescription>;
  readonly planned = new Map<string, TopicDescription>();

  constructor({ partitions = standardPartitions, existing }: PlanOptions) {
    this.partitions = partitions;
    this.existing = new Map(existing.map((topic) => [topic.name, topic]));
  }

  /** Existing topics, and topics to be created. */
  get known(): ReadonlyMap<string, TopicDescription> {
    return new Map([...this.existing, ...this.planned]);
  }

  add(
    name: string,
    settings: TopicSettings,
    count = settings.partitions ?? this.partitions,
    role?: TopicRole,
  ): void {
    if (this.planned.has(name)) return;
    const described = this.existing.get(name) ?? { name, partitions: count, settings };
    this.planned.set(name, role === undefined ? described : { ...described, role });
  }

  /**
   * Internal topics must have as many partitions as their sub-topology; otherwise keys map to the
   * wrong task.
   */
  addOwn(name: string, settings: TopicSettings, width: number, role: TopicRole): void {
    this.add(name, settings, width, role);
    const actual = this.planned.get(name)?.partitions ?? width;
    if (actual === width) return;
    throw new MillraceError('PARTITIONS_CHANGED', { topic: name, actual, expected: width });
  }
}

/** The tasks of all parts; adds the topics that are theirs. */
function tasksOf(
  { application, topology, partitions }: PlanOptions,
  topics: PlannedTopics,
  names: ReadonlyMap<string, string>,
): PlannedTask[] {
  const times = timePlan(topology);
  const tasks: PlannedTask[] = [];
  const widths = new Map<SubTopology, number>();
  for (const part of subTopologies(topology)) {
    const sources = part.sources.map(({ topic }) => names.get(topic.name) ?? topic.name);
    const unknown = partitions ?? widthBefore(part, widths) ?? topics.partitions;
    const width = widthOf(part, sources, topics.known, unknown);
    widths.set(part, width);
    // A source that is not a topic of the author is a repartition topic: read once, then deleted.
    for (const source of sources)
      topics.addOwn(source, { cleanup: 'consumed' }, width, 'repartition');
    const sourceOf = new Map<string, string>();
    for (const { name, source } of part.stores) {
      if (source !== undefined) sourceOf.set(name, source.topic);
      else
        topics.addOwn(
          changelogTopic(application, name),
          { cleanup: 'compact' },
          width,
          'changelog',
        );
    }
    for (const [store, topic] of sourceOf) checkCompacted(store, topic, topics.existing.get(topic));
    for (let partition = 0; partition < width; partition++) {
      const stores = part.stores.map(({ name }) => name);
      const taskId = `${part.id}_${partition}`;
      const common = { taskId, subTopology: part.id, partition, topics: sources, stores, sourceOf };
      const time = must(times[part.id], 'a part has its time');
      tasks.push({ ...common, tells: [], time });
    }
  }
  return tasks;
}

function toldTopics(
  { tells, levels }: PartTime,
  names: ReadonlyMap<string, string>,
  partitionsOf: Readonly<Record<string, number>>,
): ToldTopic[] {
  return tells.map((logical) => {
    const name = names.get(logical) ?? logical;
    const level = levels.findIndex((one) => one.tells.includes(logical));
    return { name, partitions: must(partitionsOf[name], 'a repartition topic is planned'), level };
  });
}

/**
 * If the log reports a topic's clean-up policy: a topic that deletes rows cannot be a changelog.
 */
function checkCompacted(store: string, topic: string, existing: TopicDescription | undefined) {
  if (existing === undefined || Object.keys(existing.settings).length === 0) return;
  const { cleanup = 'delete' } = existing.settings;
  if (cleanup === 'compact') return;
  const problem = `it is restored from topic ${topic}, whose clean-up is '${cleanup}': rows would be lost. Compact the topic, or leave the option out`;
  throw new MillraceError('CONFIG_INVALID', { field: `${store}.changelog`, problem });
}

/** Logical name of each repartition topic -> its name in the log. */
function logNames(application: string, topology: Topology): ReadonlyMap<string, string> {
  return new Map(
    topology.nodes.filter(isRepartition).map(({ step }) => {
      const { topic } = must(step.repartition, 'a keyBy has a topic');
      return [topic.name, repartitionTopic(application, step.name)];
    }),
  );
}

/** The greatest width of the parts that write a part's input; undefined if no part writes it. */
function widthBefore(
  part: SubTopology,
  widths: ReadonlyMap<SubTopology, number>,
): number | undefined {
  const writers = new Set(part.sources.filter((one) => one.repartition).map(({ node }) => node));
  const before = [...widths].filter(([{ nodes }]) => nodes.some((node) => writers.has(node)));
  return before.length === 0 ? undefined : Math.max(...before.map(([, width]) => width));
}

/**
 * Number of partitions of a part: that of its sources, which must agree; `partitions` if none is
 * known.
 */
function widthOf(
  part: SubTopology,
  sources: readonly string[],
  topics: ReadonlyMap<string, TopicDescription>,
  partitions: number,
): number {
  const known = sources.flatMap((name) => topics.get(name) ?? []);
  const [first] = known;
  for (const other of known) {
    if (first === undefined || other.partitions === first.partitions) continue;
    const problem =
      `${first.name} has ${first.partitions} partitions and ${other.name} has ${other.partitions}; ` +
      `what sub-topology ${part.id} reads together needs the same number`;
    throw new MillraceError('CONFIG_INVALID', { field: 'partitions', problem });
  }
  return first?.partitions ?? partitions;
}

/** The partitions that the instances of the application share. */
export function groupPartitions({ tasks }: Plan): TopicPartition[] {
  return tasks.flatMap(({ topics, partition }) => topics.map((topic) => ({ topic, partition })));
}
