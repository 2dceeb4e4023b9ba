/**
 * Lists every topic of an application and its purpose, for the operator of a shared log.
 */
import type { Topology } from '../graph/graph.ts';
import { subTopologies, writtenTopics } from '../graph/sub-topology.ts';
import type { TopicSettings } from '../graph/topic.ts';
import { changelogTopic, cursorTopic, deadLetterTopic, timesTopic } from '../graph/topic-names.ts';
import type { TopicDescription, TopicRole } from '../log/log.ts';
import { plan } from './start-plan.ts';

/** How an application uses a topic. */
export type TopicUse = 'read' | 'write';

export interface PlannedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly settings: TopicSettings;
  readonly role?: TopicRole;
  readonly uses: readonly TopicUse[];
  /** In words, e.g. 'changelog of store orders-per-hour'. */
  readonly why: string;
  /** True if the topic exists. */
  readonly exists: boolean;
}

export interface TopicPlanOptions {
  readonly application: string;
  readonly topology: Topology;
  /** Partitions of topics without a declared number; as in a plan. */
  readonly partitions?: number | undefined;
  /** Existing topics of the log. */
  readonly existing?: readonly TopicDescription[];
  /** As in a plan. */
  readonly losesMetadata?: boolean;
  /** Topics that connectors write as well. */
  readonly fed?: readonly string[];
}

/** Topics in the order: read, written, between steps, state, Millrace's own. */
export function topicPlan(options: TopicPlanOptions): PlannedTopic[] {
  const { application, topology, existing = [], fed = [] } = options;
  const purposes = purposesOf(application, topology, new Set(fed));
  const known = new Set(existing.map(({ name }) => name));
  const { topics } = plan({ ...options, existing, written: [] });
  return topics.map(({ name, partitions: count, settings, role }) => {
    const { uses, why } = purposes.get(name) ?? {
      uses: ['read', 'write'],
      why: 'between two steps',
    };
    const planned = { name, partitions: count, settings, uses, why, exists: known.has(name) };
    return role === undefined ? planned : { ...planned, role };
  });
}

type Purpose = Pick<PlannedTopic, 'uses' | 'why'>;

/**
 * Purposes of the topics; repartition topics are missing, because only the plan has their names.
 */
function purposesOf(application: string, topology: Topology, fed: ReadonlySet<string>) {
  const purposes = new Map<string, Purpose>();
  const sources = topology.nodes.flatMap((node) => (node.type === 'source' ? [node.topic] : []));
  const written = new Set(writtenTopics(topology).map(({ name }) => name));
  const add = (name: string, uses: readonly TopicUse[], why: string) => {
    if (!purposes.has(name)) purposes.set(name, { uses, why });
  };
  const globals = new Set(topology.globals.map(({ name }) => name));
  const stores = subTopologies(topology).flatMap((part) => part.stores);
  const restored = new Map(stores.map(({ name, source }) => [source?.topic, name]));
  for (const { name } of [...sources, ...topology.globals]) {
    const store = restored.get(name);
    const input = store === undefined ? 'input' : `input, and changelog of store ${store}`;
    const what = globals.has(name) ? 'global table' : input;
    if (written.has(name)) add(name, ['read', 'write'], `${what}, and output`);
    else if (fed.has(name)) add(name, ['read', 'write'], `${what}, fed by this application`);
    else add(name, ['read'], what);
  }
  for (const name of written) add(name, ['write'], 'output');
  for (const { name, source } of stores) {
    if (source !== undefined) continue;
    add(changelogTopic(application, name), ['read', 'write'], `changelog of store ${name}`);
  }
  add(deadLetterTopic(application), ['write'], 'what was refused, and why');
  add(
    cursorTopic(application),
    ['read', 'write'],
    'how far inputs were read, and by what topology',
  );
  add(timesTopic(application), ['read', 'write'], 'how far the time of inputs is');
  return purposes;
}
