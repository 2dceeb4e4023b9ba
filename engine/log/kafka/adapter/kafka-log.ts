/**
 * The Log port on Apache Kafka, with node-rdkafka on the main thread. Clients: a reader (committed
 * records, outside the group), a probe (high watermarks, metadata), one consumer per member and one
 * producer per writer. Every call has its own deadline.
 */
import { randomUUID } from 'node:crypto';
import { MillraceError, messageOf } from '../../../base/errors.ts';
import { systemTiming, type Timing } from '../../../base/timing.ts';
import type { PackedBatch } from '../../../record/batch.ts';
import type {
  CommittedOffset,
  Forgotten,
  GroupOffset,
  Log,
  ReadLimits,
  RecordLimits,
  TopicDescription,
  TopicPartition,
  Writer,
} from '../../log.ts';
import type { JoinOptions, Member } from '../../member.ts';
import { keyOf } from '../../partition-key.ts';
import type { Reach } from '../direct/cluster.ts';
import { ClientCalls } from '../rdkafka/client-calls.ts';
import { type KafkaConsumer, loadRdkafka, type RdkafkaModule } from '../rdkafka/rdkafka.ts';
import {
  adminOptions,
  consumerOptions,
  probeOptions,
  readerOptions,
} from '../settings/client-configs.ts';
import type { KafkaSettings } from '../settings/kafka-settings.ts';
import { checkFeatures, checkKafkaSettings } from '../settings/security.ts';
import { Patience } from '../wire/retry.ts';
import { cleanupPolicies } from './cleanup-policies.ts';
import { ClientPool } from './client-pool.ts';
import type { PartitionWatch } from './feed-failures.ts';
import { forgetGroup } from './forget-group.ts';
import { GroupOffsets } from './group-offsets.ts';
import { KafkaMember } from './kafka-member.ts';
import { KafkaReader } from './kafka-reader.ts';
import { KafkaWriter } from './kafka-writer.ts';
import { leaveGroup } from './leave-group.ts';
import { Producers } from './producers.ts';
import type { Reading } from './pump.ts';
import { Reachability } from './reachability.ts';
import { deleteRetentionMs, foreignDeleteRetentionMs, TopicAdmin } from './topic-admin.ts';
import { type ChosenTransport, chooseTransport } from './transport-choice.ts';
import { Troubles } from './troubles.ts';

/** Timeout of the request by which a member leaves the group, ms: a stop waits for it. */
const leaveMs = 5_000;

export interface KafkaLogOptions extends Partial<Timing> {
  readonly settings: KafkaSettings;
  /** The application whose group's offsets the reader reads without being a member. */
  readonly application: string;
  /** Called when consumed records of repartition topics could not be deleted. */
  readonly onUpkeepFailed?: (problem: string) => void;
  /** Called once with the transport, and why it is not the best one. */
  readonly onTransport?: (kind: ChosenTransport['kind'], reason: string | undefined) => void;
  /** Called when the client must fetch a partition after all. */
  readonly onHandedBack?: (at: TopicPartition, reason: string) => void;
  /** Called when a partition could not be read for some seconds; reading is retried. */
  readonly onStalled?: (at: TopicPartition, problem: string) => void;
  /** Called when it is read again. */
  readonly onResumed?: (at: TopicPartition, stalledMs: number) => void;
  /** Called when the client must write after all. */
  readonly onWritesHandedBack?: (reason: string) => void;
  /** Called when no broker responds any more. */
  readonly onAway?: (problem: string) => void;
  /** Called when one responds again. */
  readonly onBack?: (awayMs: number) => void;
}

/** The parts of an open log: connected clients, and the objects that use them. */
interface Connected {
  readonly probe: KafkaConsumer;
  readonly reader: KafkaReader;
  readonly admin: TopicAdmin;
  readonly reachability: Reachability;
}

/** Opens the log; waits for the brokers up to the configured time. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const { settings, clock = systemTiming.clock, scheduler = systemTiming.scheduler } = options;
  checkKafkaSettings(settings);
  const rdkafka = loadRdkafka();
  checkFeatures(settings, rdkafka.features);
  const timing = { clock, scheduler };
  const chosen = chooseTransport(settings, timing);
  options.onTransport?.(chosen.kind, chosen.reason);
  const log = new KafkaLog(options, rdkafka, chosen, timing);
  try {
    await log.open();
  } catch (error) {
    await log.close();
    throw error;
  }
  return log;
}

export class KafkaLog implements Log {
  readonly limits: RecordLimits;
  readonly keepsMetadata: boolean;
  readonly #options: KafkaLogOptions;
  readonly #rdkafka: RdkafkaModule;
  readonly #chosen: ChosenTransport;
  readonly #calls: ClientCalls;
  readonly #clients: ClientPool;
  readonly #groups: GroupOffsets;
  readonly #producers: Producers;
  readonly #reading: Reading;
  /** Names this process among the writers of an application. */
  readonly #instance: string;
  /** The application's own topics, by name. */
  readonly #own = new Map<string, TopicDescription>();
  #connected: Connected | undefined;

  /** Use `openKafkaLog`. */
  constructor(
    options: KafkaLogOptions,
    rdkafka: RdkafkaModule,
    chosen: ChosenTransport,
    timing: Timing,
  ) {
    const { settings, onHandedBack = () => {}, onWritesHandedBack = () => {} } = options;
    const { onStalled = () => {}, onResumed = () => {} } = options;
    const { transport, writing, fetcher, isDirect } = chosen;
    const { brokers, callTimeoutMs, connectTimeoutMs } = settings;
    this.keepsMetadata = chosen.kind !== 'plain';
    this.#options = options;
    this.#rdkafka = rdkafka;
    this.#chosen = chosen;
    this.limits = { bytes: settings.maxRecordBytes, aheadMs: settings.maxTimestampAheadMs };
    this.#instance = settings.instanceId ?? randomUUID();
    const calls = new ClientCalls({ brokers, callTimeoutMs, timing });
    const clients = new ClientPool({ rdkafka, calls, connectTimeoutMs });
    this.#calls = calls;
    this.#clients = clients;
    const consumer = (group: string) => clients.consumer(readerOptions(settings, group));
    this.#groups = new GroupOffsets({ calls, transport, consumer });
    const producing = { settings, calls, clients, transport, writing };
    this.#producers = new Producers({ ...producing, onHandedBack: onWritesHandedBack });
    const troubles = new Troubles({ timing, onStalled, onResumed });
    this.#reading = { fetcher, isDirect, onHandedBack, troubles, watch: this.#watch() };
  }

  /** Connects the clients that every use needs. Called once, by `openKafkaLog`. */
  async open(): Promise<void> {
    const { settings, application, onAway, onBack } = this.#options;
    const { callTimeoutMs, bufferBytes, transactionTimeoutMs, replicationFactor } = settings;
    const [calls, reading] = [this.#calls, this.#reading];
    const [probe, client] = (await this.#clients.first([
      probeOptions(settings, application),
      readerOptions(settings, application),
    ])) as [KafkaConsumer, KafkaConsumer];
    this.#groups.use(application, client);
    const reachability = new Reachability({
      ...{ polled: client, probe, calls },
      onAway: (problem) => {
        reading.troubles.isAway = true;
        onAway?.(problem);
      },
      onBack: (awayMs) => {
        reading.troubles.isAway = false;
        onBack?.(awayMs);
      },
    });
    const stableTimeoutMs = transactionTimeoutMs * 2 + callTimeoutMs;
    const { transport } = this.#chosen;
    const reader = new KafkaReader({
      ...{ client, probe, transport, reading, calls, bufferBytes, stableTimeoutMs },
    });
    const [rdkafka, adminConfig] = [this.#rdkafka, adminOptions(settings)];
    const admin = new TopicAdmin({ rdkafka, admin: adminConfig, probe, calls, replicationFactor });
    this.#connected = { probe, reader, admin, reachability };
  }

  createTopics(
    topics: readonly TopicDescription[],
    existing?: readonly TopicDescription[],
  ): Promise<void> {
    for (const topic of topics) {
      if (topic.role !== undefined) this.#own.set(topic.name, topic);
    }
    this.#reach?.view.forgetTopics(topics.map(({ name }) => name));
    return this.#open.admin.create(topics, existing);
  }

  topics(): Promise<readonly TopicDescription[]> {
    return this.#open.admin.list();
  }

  async cleanupPolicies(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { reach } = this.#chosen;
    if (typeof reach === 'string' || topics.length === 0) return new Map();
    return cleanupPolicies(reach, topics).catch(() => new Map());
  }

  read(at: TopicPartition, from: number, limits: ReadLimits): Promise<PackedBatch | undefined> {
    return this.#open.reader.read(at, from, limits);
  }

  async startOffset(at: TopicPartition): Promise<number> {
    return (await this.#open.reader.watermarks(at)).low;
  }

  endOffset(at: TopicPartition): Promise<number> {
    return this.#open.reader.endOffset(at);
  }

  /**
   * Kafka does not report compacted records. It keeps tombstones for a configured time, or its
   * default.
   */
  async completeFrom(at: TopicPartition, readAt: number): Promise<number> {
    const { low, high } = await this.#open.reader.watermarks(at);
    const keptMs = this.#isState(at.topic) ? deleteRetentionMs : foreignDeleteRetentionMs;
    return this.#calls.timing.clock.now() - readAt > keptMs ? high + 1 : low;
  }

  committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined> {
    return this.#groups.committed(group, at);
  }

  async join(options: JoinOptions): Promise<Member> {
    const { group, partitions, scheduler, ready = async () => {} } = options;
    const { settings } = this.#options;
    const { bufferBytes, maxPollIntervalMs } = settings;
    return KafkaMember.join({
      ...{ rdkafka: this.#rdkafka, transport: this.#chosen.transport, reading: this.#reading },
      consumer: consumerOptions(settings, group),
      connect: (client) => this.#clients.connect(client),
      topics: [...new Set(partitions.map(({ topic }) => topic))],
      group,
      reach: this.#reach,
      ...{ ready, bufferBytes, maxPollIntervalMs, scheduler },
      reader: this.#open.reader,
      calls: this.#calls,
      goForGood: this.#goingForGood(group),
    });
  }

  /** @throws CONFIG_INVALID if the brokers cannot be determined */
  #goingForGood(group: string): (() => Promise<void>) | undefined {
    const { instanceId, atStop } = this.#options.settings;
    if (instanceId === undefined || atStop === 'stay') return undefined;
    const { reach } = this.#chosen;
    if (typeof reach === 'string') {
      const problem = `leave cannot be told to the brokers with these settings: ${reach}`;
      throw new MillraceError('CONFIG_INVALID', { field: 'atStop', problem });
    }
    return () => leaveGroup(reach, group, instanceId, leaveMs);
  }

  async openWriter(id: string, memberOf?: () => Member): Promise<Writer> {
    const { brokers, transactionTimeoutMs, guarantee, callTimeoutMs } = this.#options.settings;
    // Members share a group and each has a writer; the group's protocol fences revoked members.
    const ofMember = memberOf !== undefined;
    const transactionalId = ofMember ? `${id}-${this.#instance}` : id;
    const consumer = ofMember ? () => (memberOf() as KafkaMember).client : undefined;
    const outside = {
      early: (topic: string) => !this.#isState(topic),
      open: () => this.#producers.plain(),
    };
    const { clock } = this.#calls.timing;
    const patience = new Patience(clock, callTimeoutMs);
    return KafkaWriter.open({
      id: transactionalId,
      open: (onDoubt) =>
        this.#producers.transactional(transactionalId, consumer, onDoubt, patience),
      hurry: () => patience.hurry(),
      ...(ofMember && guarantee === 'at-least-once' ? { outside } : {}),
      isState: (topic) => this.#isState(topic),
      ofMember,
      brokers,
      transactionTimeoutMs,
      clock,
    });
  }

  /** Deletes the group first: brokers refuse this while it has members. */
  async forget({ group, topics, offsets }: Forgotten): Promise<void> {
    await forgetGroup(this.#chosen.reach, this.#calls, group, offsets);
    await this.#open.admin.delete(topics);
    this.#reach?.view.forgetTopics(topics);
  }

  /**
   * Brokers do retention and compaction. This deletes consumed records of the application's
   * repartition topics, which needs packed calls and the right to delete.
   */
  async maintain(): Promise<void> {
    const { application, onUpkeepFailed } = this.#options;
    const { probe } = this.#open;
    const deleting = this.#chosen.transport.admin?.(probe);
    if (deleting === undefined) return;
    try {
      const done: GroupOffset[] = [];
      for (const { name: topic, partitions, role } of this.#own.values()) {
        if (role !== 'repartition') continue;
        for (let partition = 0; partition < partitions; partition++) {
          const committed = await this.committed(application, { topic, partition });
          if (committed !== undefined) done.push({ topic, partition, offset: committed.offset });
        }
      }
      if (done.length > 0) await deleting.deleteRecords(done, this.#calls.timeoutMs);
    } catch (error) {
      // Only disk space depends on it, and the next attempt comes soon.
      onUpkeepFailed?.(messageOf(error));
    }
  }

  async close(): Promise<void> {
    this.#connected?.reachability.close();
    await this.#connected?.reader.close();
    this.#reading.troubles.close();
    await this.#clients.close();
  }

  get #reach(): Reach | undefined {
    const { reach } = this.#chosen;
    return typeof reach === 'string' ? undefined : reach;
  }

  get #open(): Connected {
    if (this.#connected === undefined) throw new Error('the log is not open');
    return this.#connected;
  }

  /** True for topics that the application's restart depends on. */
  #isState(topic: string): boolean {
    const role = this.#own.get(topic)?.role;
    return role === 'changelog' || role === 'cursors' || role === 'times';
  }

  #watch(): PartitionWatch {
    type Found = { topics: { name: string; partitions: { id: number; leader: number }[] }[] };
    const calls = this.#calls;
    const timeout = calls.timeoutMs / 2;
    return {
      leaderless: async (topics) => {
        const { probe } = this.#open;
        const found = new Set<string>();
        for (const topic of topics) {
          const answer = await calls.answered<Found>((done) =>
            probe.getMetadata({ topic, timeout }, done as never),
          );
          for (const { name, partitions } of answer.topics) {
            for (const { id, leader } of partitions) {
              if (leader < 0) found.add(keyOf({ topic: name, partition: id }));
            }
          }
        }
        return found;
      },
      bounds: (at) => this.#open.reader.watermarks(at),
    };
  }
}
