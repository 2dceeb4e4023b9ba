/** `topics plan`: the topics of a topology on Kafka and the least rights its principal needs. */
import { MillraceError } from '../base/errors.ts';
import { openKafkaLog } from '../log/kafka/adapter/kafka-log.ts';
import { type Access, leastAccess } from '../log/kafka/adapter/least-access.ts';
import { topicConfig } from '../log/kafka/adapter/topic-admin.ts';
import { type PlannedTopic, type TopicPlanOptions, topicPlan } from '../runtime/topic-plan.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { type KafkaFlags, kafkaConfiguration } from './kafka-options.ts';
import { print, printJson, table } from './output.ts';

export interface TopicsPlanOptions extends KafkaFlags {
  readonly application?: string;
  readonly partitions?: number;
  readonly topic?: string;
  readonly principal: string;
  readonly acls?: boolean;
  readonly commands?: boolean;
  readonly json?: boolean;
}

export async function topicsPlan(module: string, options: TopicsPlanOptions): Promise<void> {
  const topology = await loadTopology({ module });
  const application = options.application ?? topology.name;
  const topics = topicPlan({
    application,
    topology,
    partitions: options.partitions,
    ...(await foundBy(application, options)),
    ...(options.topic === undefined ? {} : { fed: [options.topic] }),
  });
  if (options.topic !== undefined && !topics.some(({ name }) => name === options.topic)) {
    throw new MillraceError('TOPIC_UNKNOWN', { topic: options.topic });
  }
  const acls = leastAccess({ application, topics });
  if (options.json === true) {
    const shown = topics.map(({ settings, role, ...topic }) => ({
      ...topic,
      config: topicConfig(settings, role),
    }));
    printJson({ application, topics: shown, acls });
  } else if (options.commands === true) {
    // With the topics created by these commands, Millrace needs no right to create any.
    const made = topics.map((topic) => ({ ...topic, exists: true }));
    const rights = leastAccess({ application, topics: made });
    const give = rights.map((access) => aclCommand(access, options));
    print([...topics.flatMap(topicCommand), ...give].join('\n'));
  } else {
    print(topicsText(topics));
    print('');
    print(
      options.acls === true ? aclsText(acls, options) : 'rights: --acls; as commands: --commands',
    );
  }
}

/** The topics of the brokers and the rights of this process there; empty without brokers. */
async function foundBy(
  application: string,
  options: TopicsPlanOptions,
): Promise<Pick<TopicPlanOptions, 'existing' | 'losesMetadata'>> {
  const settings = (await kafkaConfiguration(options))?.settings;
  if (settings === undefined) return {};
  const log = await openKafkaLog({ settings, application });
  try {
    return { existing: await log.topics(), losesMetadata: !log.keepsMetadata };
  } finally {
    await log.close();
  }
}

function topicsText(topics: readonly PlannedTopic[]): string {
  const rows = topics.map(({ name, partitions, settings, role, why, exists }) => {
    const config = exists ? '(as it is)' : configText(topicConfig(settings, role));
    return [name, partitions, config, why, exists ? 'is there' : 'will be created'];
  });
  return table(['topic', 'partitions', 'configuration', 'what for', ''], rows);
}

function configText(config: Readonly<Record<string, string>>): string {
  return Object.entries(config)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function aclsText(acls: readonly Access[], { principal }: TopicsPlanOptions): string {
  const rows = acls.map(({ operation, resource, name, pattern, why }) => [
    operation,
    resource,
    pattern === 'prefixed' ? `${name}*` : name,
    why,
  ]);
  return `${principal} needs, and needs no more:\n\n${table(['operation', 'on', 'name', 'what for'], rows)}`;
}

function topicCommand({ name, partitions, settings, role, exists }: PlannedTopic): string[] {
  if (exists) return [];
  const config = Object.entries(topicConfig(settings, role)).map(
    ([key, value]) => `--config ${key}=${value}`,
  );
  const create = `kafka-topics.sh --bootstrap-server "$BROKERS" --create --if-not-exists`;
  return [`${create} --topic ${name} --partitions ${partitions} ${config.join(' ')}`];
}

function aclCommand(
  { operation, resource, name, pattern }: Access,
  { principal }: TopicsPlanOptions,
): string {
  const add = `kafka-acls.sh --bootstrap-server "$BROKERS" --add --allow-principal ${principal}`;
  const kind = pattern === 'prefixed' ? ' --resource-pattern-type prefixed' : '';
  return `${add} --operation ${operation} --${resource} ${name}${kind}`;
}
