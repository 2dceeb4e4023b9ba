/**
 * Checks a topology before it runs:
 * 1. Kafka accepts every topic name, including those derived for stores and repartitions, and
 *    no two of them differ only in '.' and '_';
 * 2. no two stores, and no two repartition topics, have the same name;
 * 3. it reads at least one topic, and reads none twice;
 * 4. a topic that is read and written, or written twice, has one format of keys and one of values;
 * 5. topics that are read together have the same number of partitions, if declared;
 * 6. topics whose records meet in a store are partitioned by the same function;
 * 7. every keyBy has a reader;
 * 8. inputs of a store or a join have keys of one format, that of the store;
 * 9. no step reports a configuration error, such as a session window without merge. All problems
 * are reported at once, each with the line that caused it and the remedy.
 */
import { MillraceError } from '../base/errors.ts';
import type { Topology } from './graph.ts';
import type { GraphNode } from './node.ts';
import { inputsOf, isRepartition, subTopologies } from './sub-topology.ts';
import type { Sink } from './topic.ts';
import {
  changelogTopic,
  collisionName,
  cursorTopic,
  deadLetterTopic,
  nameProblem,
  repartitionTopic,
  timesTopic,
} from './topic-names.ts';

export function validate(topology: Topology): void {
  const problems = [
    ...nameProblems(topology),
    ...duplicateProblems(topology),
    ...sourceProblems(topology),
    ...formatProblems(topology),
    ...partitionProblems(topology),
    ...partitionerProblems(topology),
    ...keyProblems(topology),
    ...unusedProblems(topology),
    ...stepProblems(topology),
  ];
  if (problems.length === 0) return;
  throw new MillraceError('TOPOLOGY_INVALID', {
    topology: topology.name,
    problems: problems.map((problem) => `  ${problem}`).join('\n'),
  });
}

function ownedNames(node: GraphNode): string[] {
  if (node.type !== 'step') return [];
  const names = node.step.stores.map((store) => store.name);
  return node.step.repartition === undefined ? names : [...names, node.step.name];
}

interface NamedTopic {
  readonly name: string;
  readonly what: string;
  readonly callSite: string;
}

/** The author's topics: read, written, of global tables, and side outputs. */
function authorsTopics(topology: Topology): NamedTopic[] {
  const what = 'topic';
  return [
    ...topology.nodes.flatMap((node): NamedTopic[] => {
      const { callSite } = node;
      if (node.type !== 'step') return [{ name: node.topic.name, what, callSite }];
      return (node.step.sinks ?? []).map(({ name }) => ({ name, what, callSite }));
    }),
    ...topology.globals.map(({ name }) => ({ name, what, callSite: 'globalTable()' })),
  ];
}

/** Millrace's own topics for an application. */
function ownTopics(application: string, topology: Topology): NamedTopic[] {
  const made = topology.nodes.flatMap((node): NamedTopic[] => {
    if (node.type !== 'step') return [];
    const { callSite, step } = node;
    const logged = step.stores.filter(({ source }) => source === undefined);
    const topics = logged.map(({ name }) => {
      const what = `changelog topic of '${name}'`;
      return { name: changelogTopic(application, name), what, callSite };
    });
    if (step.repartition === undefined) return topics;
    const what = `repartition topic of '${step.name}'`;
    return [...topics, { name: repartitionTopic(application, step.name), what, callSite }];
  });
  const callSite = 'topology()';
  return [
    ...made,
    { name: deadLetterTopic(application), what: 'topic of the dead letters', callSite },
    { name: cursorTopic(application), what: 'topic of the cursors', callSite },
    { name: timesTopic(application), what: 'topic of the times', callSite },
  ];
}

/** Problems of the topic names if the topology runs as an application with this name. */
export function topicNameProblems(application: string, topology: Topology): string[] {
  const problems: string[] = [];
  const first = new Map<string, NamedTopic>();
  const authors = authorsTopics(topology);
  for (const topic of [...authors, ...ownTopics(application, topology)]) {
    const { name, what, callSite } = topic;
    const problem = nameProblem(name);
    if (problem !== undefined) {
      problems.push(`${callSite}: ${what} name ${JSON.stringify(name)} ${problem}`);
      continue;
    }
    const other = first.get(collisionName(name));
    if (other === undefined) first.set(collisionName(name), topic);
    else if (other.name !== name) {
      problems.push(
        `${callSite}: ${what} name '${name}' and '${other.name}' (${other.what}, ${other.callSite}) differ in '.' and '_' only, and Kafka takes one of them: rename one`,
      );
    } else if (other.what !== what) {
      problems.push(
        `${callSite}: ${what} has the name '${name}', which a topic has already (${other.callSite}): rename one`,
      );
    }
  }
  return problems;
}

function nameProblems(topology: Topology): string[] {
  const problems: string[] = [];
  const check = (name: string, what: string, callSite: string) => {
    const problem = nameProblem(name);
    if (problem === undefined) return;
    problems.push(`${callSite}: ${what} name ${JSON.stringify(name)} ${problem}`);
  };
  check(topology.name, 'topology', 'topology()');
  for (const node of topology.nodes) {
    for (const name of ownedNames(node)) check(name, 'step', node.callSite);
  }
  // An invalid name is not reported again as a part of others.
  return problems.length > 0 ? problems : topicNameProblems(topology.name, topology);
}

function duplicateProblems(topology: Topology): string[] {
  const first = new Map<string, string>();
  const problems: string[] = [];
  for (const node of topology.nodes) {
    for (const name of new Set(ownedNames(node))) {
      const other = first.get(name);
      if (other === undefined) first.set(name, node.callSite);
      else problems.push(`${node.callSite}: the name '${name}' is taken at ${other}: rename one`);
    }
  }
  return problems;
}

function sourceProblems(topology: Topology): string[] {
  const problems: string[] = [];
  const read = new Map<string, string>();
  for (const node of topology.nodes) {
    if (node.type !== 'source') continue;
    const other = read.get(node.topic.name);
    if (other !== undefined) {
      problems.push(
        `${node.callSite}: topic '${node.topic.name}' is read at ${other} already: use that stream twice`,
      );
    }
    read.set(node.topic.name, node.callSite);
  }
  if (read.size === 0) problems.push('it reads no topic: begin with t.stream(topic)');
  return problems;
}

interface TopicUse {
  readonly verb: 'read' | 'written';
  readonly key: string;
  readonly value: string;
  readonly callSite: string;
}

/** Every use of a topic must have the formats of the first one. */
function formatProblems(topology: Topology): string[] {
  const first = new Map<string, TopicUse>();
  const problems: string[] = [];
  const use = (name: string, now: TopicUse) => {
    const before = first.get(name);
    if (before === undefined) {
      first.set(name, now);
      return;
    }
    for (const what of ['key', 'value'] as const) {
      if (before[what] === now[what]) continue;
      problems.push(
        `${now.callSite}: topic '${name}' is ${now.verb} with a ${what} of ${now[what]}, and ${before.verb} with ${before[what]} at ${before.callSite}: use one topic value`,
      );
    }
  };
  const written = (topic: Sink<never, never>, callSite: string) => {
    const { keyEncoder, valueEncoder } = topic;
    const formats = { key: keyEncoder.format, value: valueEncoder.format };
    use(topic.name, { verb: 'written', ...formats, callSite });
  };
  for (const node of topology.nodes) {
    if (node.type !== 'source') continue;
    const { topic, callSite } = node;
    const formats = { key: topic.keyDecoder.format, value: topic.valueDecoder.format };
    use(topic.name, { verb: 'read', ...formats, callSite });
  }
  for (const node of topology.nodes) {
    if (node.type === 'sink') written(node.topic, node.callSite);
    if (node.type !== 'step') continue;
    for (const sink of node.step.sinks ?? []) written(sink, node.callSite);
  }
  return problems;
}

function partitionProblems(topology: Topology): string[] {
  return subTopologies(topology).flatMap(({ sources }) => {
    const said = sources.flatMap(({ node, topic: { name, settings } }) => {
      const { callSite } = topology.nodes[node] as GraphNode;
      return settings.partitions === undefined
        ? []
        : [{ name, partitions: settings.partitions, callSite }];
    });
    const [first, ...others] = said;
    return others.flatMap(({ name, partitions, callSite }) =>
      first === undefined || partitions === first.partitions
        ? []
        : [
            `${callSite}: topic '${name}' has ${partitions} partitions, '${first.name}', which is read together with it (${first.callSite}), has ${first.partitions}: give both the same number, or bring one to the other's with keyBy`,
          ],
    );
  });
}

function partitionerProblems(topology: Topology): string[] {
  return subTopologies(topology).flatMap(({ sources: [first, ...others], stores }) =>
    others.flatMap(({ node, topic }) => {
      if (first === undefined || stores.length === 0) return [];
      if (topic.partitioner === first.topic.partitioner) return [];
      const { callSite } = topology.nodes[node] as GraphNode;
      const before = (topology.nodes[first.node] as GraphNode).callSite;
      return [
        `${callSite}: topic '${topic.name}' has another partitioner than '${first.topic.name}' (${before}), and their records meet in a store: give both the same function, or bring one to the other's with keyBy`,
      ];
    }),
  );
}

/** The origins of the keys of a node's records, by format. */
type KeyOrigins = ReadonlyMap<string, { readonly topic: string; readonly callSite: string }>;

/** The same key in another format has other bytes: such sides would never match. */
function keyProblems({ nodes }: Topology): string[] {
  const origins: KeyOrigins[] = [];
  return nodes.flatMap((node) => {
    const { callSite } = node;
    if (node.type === 'source') {
      const { name, keyDecoder } = node.topic;
      origins[node.id] = new Map([[keyDecoder.format, { topic: name, callSite }]]);
      return [];
    }
    const inputs: KeyOrigins = new Map(
      inputsOf(node).flatMap((input) => [...(origins[input.node] as KeyOrigins)]),
    );
    origins[node.id] = inputs;
    if (node.type === 'sink') return [];
    const { repartition, stores, name, kind } = node.step;
    if (repartition !== undefined) {
      const { format } = repartition.topic.keyDecoder;
      origins[node.id] = new Map([[format, { topic: name, callSite }]]);
      return [];
    }
    const meets = stores.length > 0 || (node.inputs.length > 1 && kind !== 'merge');
    if (!meets) return [];
    const [one, other] = [...inputs];
    if (one === undefined) return [];
    if (other !== undefined) {
      const [a, b] = [one, other].map(
        ([format, { topic, callSite: line }]) => `${format} ('${topic}', ${line})`,
      );
      return [
        `${callSite}: '${name}': keys are written as ${a} and as ${b}, so the same key would be two: declare the topics with one serde, or bring one to the other's keys with keyBy`,
      ];
    }
    // `process` over windows keeps its state by the records' key, which determines the
    // partition.
    const store = stores.find(({ key }) => key.format !== one[0]);
    if (store === undefined || kind === 'process') return [];
    return [
      `${callSite}: '${name}': its keys are ${store.key.format}, and the records are placed by keys of ${one[0]} ('${one[1].topic}'): bring them to their own key with keyBy first`,
    ];
  });
}

function unusedProblems(topology: Topology): string[] {
  const { nodes } = topology;
  const used = new Set(nodes.flatMap((node) => inputsOf(node).map((input) => input.node)));
  return nodes
    .filter(isRepartition)
    .flatMap(({ id, step, callSite }) =>
      used.has(id)
        ? []
        : [
            `${callSite}: nothing reads what keyBy '${step.name}' sends: use its stream, or leave it out`,
          ],
    );
}

function stepProblems({ nodes }: Topology): string[] {
  return nodes.flatMap((node) =>
    node.type === 'step' && node.step.problem !== undefined
      ? [`${node.callSite}: '${node.step.name}': ${node.step.problem}`]
      : [],
  );
}
