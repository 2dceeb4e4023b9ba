/** Topics of the cluster: lists them, and creates Millrace's own. */
import { days } from '../../../base/duration.ts';
import { MillraceError } from '../../../base/errors.ts';
import type { TopicSettings } from '../../../graph/topic.ts';
import type { TopicDescription, TopicRole } from '../../log.ts';
import type { ClientCalls } from '../rdkafka/client-calls.ts';
import type { KafkaConsumer, RdkafkaModule } from '../rdkafka/rdkafka.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

/** How long a changelog keeps tombstones; state that was not updated for longer is rebuilt. */
export const deleteRetentionMs = days(7);
/** The same for a topic created elsewhere: Kafka's default. */
export const foreignDeleteRetentionMs = days(1);
/** Each commit adds records: small segments let the brokers compact the topic soon, bytes. */
const timesSegmentBytes = 4 * 1_048_576;
const appearTimeoutMs = 15_000;
const lookMs = 10;

export interface TopicAdminOptions {
  readonly rdkafka: RdkafkaModule;
  /** Options of the admin client. */
  readonly admin: Readonly<Record<string, unknown>>;
  /** A connected client for metadata requests. */
  readonly probe: KafkaConsumer;
  readonly calls: ClientCalls;
  /** Copies of a new topic; -1: the cluster's default. */
  readonly replicationFactor: number;
}

/**
 * Settings of a topic in Kafka's terms. Event times may be old, so the broker's default retention
 * must not apply.
 */
export function topicConfig(settings: TopicSettings, role?: TopicRole): Record<string, string> {
  const { cleanup = 'delete', retentionMs } = settings;
  if (cleanup === 'compact') {
    return {
      'cleanup.policy': 'compact',
      'delete.retention.ms': String(deleteRetentionMs),
      ...(role === 'times' ? { 'segment.bytes': String(timesSegmentBytes) } : {}),
    };
  }
  return { 'cleanup.policy': 'delete', 'retention.ms': String(retentionMs ?? -1) };
}

export class TopicAdmin {
  readonly #options: TopicAdminOptions;

  constructor(options: TopicAdminOptions) {
    this.#options = options;
  }

  async list(): Promise<readonly TopicDescription[]> {
    const { probe, calls } = this.#options;
    const timeout = calls.timeoutMs / 2;
    const { topics } = await calls.asked<{ topics: { name: string; partitions: unknown[] }[] }>(
      { what: 'list the topics' },
      (done) => probe.getMetadata({ allTopics: true, timeout }, done as never),
    );
    return topics
      .filter(({ name }) => !name.startsWith('__'))
      .map(({ name, partitions }) => ({ name, partitions: partitions.length, settings: {} }));
  }

  /** As Log.createTopics; returns when every topic is known to the brokers. */
  async create(
    topics: readonly TopicDescription[],
    existing?: readonly TopicDescription[],
  ): Promise<void> {
    const missing = missingOf(topics, existing ?? (await this.list()));
    if (missing.length === 0) return;
    const { rdkafka, admin: config, calls, replicationFactor } = this.#options;
    // Just created by another instance, or existing but not visible to us.
    const hidden = new Set<string>();
    const admin = rdkafka.AdminClient.create({ ...config });
    try {
      const create = ({ name, partitions, settings, role }: TopicDescription) => {
        const topic = {
          topic: name,
          num_partitions: partitions,
          replication_factor: replicationFactor,
          config: topicConfig(settings, role),
        };
        return calls.asked<void>({ what: `create topic ${name}` }, (done) =>
          admin.createTopic(topic, calls.timeoutMs / 2, (error) => {
            const exists = error?.code === kafkaCodes.topicExists;
            if (exists) hidden.add(name);
            done(exists ? undefined : error);
          }),
        );
      };
      // In parallel, because each waits for the cluster. Await all before closing the client.
      const made = await Promise.allSettled(missing.map(create));
      for (const one of made) if (one.status === 'rejected') throw one.reason;
    } finally {
      admin.disconnect();
    }
    await this.#appear(missing, hidden);
  }

  /** Deletes topics; returns when no broker lists them any more. */
  async delete(topics: readonly string[]): Promise<void> {
    const { rdkafka, admin: config, calls } = this.#options;
    if (topics.length === 0) return;
    const admin = rdkafka.AdminClient.create({ ...config });
    try {
      const gone = await Promise.allSettled(
        topics.map((topic) =>
          calls.asked<void>({ what: `delete topic ${topic}` }, (done) =>
            admin.deleteTopic(topic, calls.timeoutMs / 2, (error) => {
              done(error?.code === kafkaCodes.unknownTopicOrPartition ? undefined : error);
            }),
          ),
        ),
      );
      for (const one of gone) if (one.status === 'rejected') throw one.reason;
    } finally {
      admin.disconnect();
    }
    for (let waited = 0; waited < appearTimeoutMs; waited += lookMs) {
      const there = new Set((await this.list()).map(({ name }) => name));
      if (!topics.some((topic) => there.has(topic))) return;
      await this.#options.calls.timing.scheduler.sleep(lookMs);
    }
    const problem = `topics ${topics.join(', ')} were deleted and do not disappear`;
    throw new MillraceError('LOG_UNREACHABLE', { brokers: calls.brokers, problem });
  }

  async #appear(topics: readonly TopicDescription[], hidden: ReadonlySet<string>): Promise<void> {
    let missing = topics;
    for (let waited = 0; waited < appearTimeoutMs; waited += lookMs) {
      missing = missingOf(missing, await this.list());
      if (missing.length === 0) return;
      await this.#options.calls.timing.scheduler.sleep(lookMs);
    }
    const { brokers } = this.#options.calls;
    const names = missing.map(({ name }) => name);
    const refused = names.filter((name) => hidden.has(name));
    if (refused.length > 0) {
      const problem = `topic ${refused.join(', ')} is there, but this principal may not see it: neither read nor write it`;
      throw new MillraceError('KAFKA_REFUSED', { brokers, problem });
    }
    const problem = `topics ${names.join(', ')} were created and do not appear`;
    throw new MillraceError('LOG_UNREACHABLE', { brokers, problem });
  }
}

function missingOf(
  topics: readonly TopicDescription[],
  existing: readonly TopicDescription[],
): readonly TopicDescription[] {
  const known = new Map(existing.map((topic) => [topic.name, topic.partitions]));
  return topics.filter(({ name: topic, partitions: expected }) => {
    const actual = known.get(topic);
    if (actual === undefined) return true;
    if (actual !== expected) {
      throw new MillraceError('TOPIC_MISMATCH', { topic, actual, expected });
    }
    return false;
  });
}
