/**
 * The Log port on Apache Kafka, by node-rdkafka on the main thread. Clients: a reader (committed records,
 * outside the group), a probe (high watermarks, metadata), and one consumer a member and one producer a
 * writer. Every call has a deadline of its own.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, systemClock } from '../../../base/clock.ts';
import { isPassing, MillraceError, messageOf } from '../../../base/errors.ts';
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
import { DirectTransactions } from '../direct/direct-transactions.ts';
import type { Transactions } from '../direct/transactions.ts';
import { answered, asked, constructed } from '../rdkafka/client-calls.ts';
import { codeOf, kafkaError, refusalIn } from '../rdkafka/client-errors.ts';
import { ClientProducer, type ClientProducerOptions } from '../rdkafka/client-producer.ts';
import { openClientTransactions } from '../rdkafka/client-transactions.ts';
import type { MessageConsumer, MessageTransport } from '../rdkafka/messages.ts';
import {
  type KafkaConsumer,
  type LibrdKafkaError,
  loadRdkafka,
  type Producer,
  type RdkafkaModule,
} from '../rdkafka/rdkafka.ts';
import {
  adminOptions,
  consumerOptions,
  plainProducerOptions,
  probeOptions,
  producerOptions,
  readerOptions,
} from '../settings/client-configs.ts';
import { directAccess } from '../settings/direct-access.ts';
import type { KafkaSettings } from '../settings/kafka-settings.ts';
import { checkFeatures, checkKafkaSettings } from '../settings/security.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { RefusedError } from '../wire/sasl-login.ts';
import { cleanupPolicies } from './cleanup-policies.ts';
import { forgetGroup } from './forget-group.ts';
import { KafkaMember } from './kafka-member.ts';
import { KafkaReader } from './kafka-reader.ts';
import { KafkaWriter } from './kafka-writer.ts';
import type { PartitionWatch, Reading } from './pump.ts';
import { Reachability } from './reachability.ts';
import {
  deleteRetentionMs,
  foreignDeleteRetentionMs,
  isRepartitionTopic,
  isStateTopic,
  TopicAdmin,
} from './topic-admin.ts';
import { type ChosenTransport, chooseTransport, type DirectWriting } from './transport-choice.ts';
import { Troubles } from './troubles.ts';

/** One attempt to reach the brokers at the start, ms. */
const attemptMs = 3_000;

export interface KafkaLogOptions {
  readonly settings: KafkaSettings;
  /** Whose group the reader asks for offsets without being a member. */
  readonly application: string;
  readonly clock?: Clock;
  /** Told when consumed records of repartition topics could not be deleted. */
  readonly onUpkeepFailed?: (problem: string) => void;
  /** Told once which transport is used, and why not the best one. */
  readonly onTransport?: (kind: ChosenTransport['kind'], reason: string | undefined) => void;
  /** Told when the client must fetch a partition after all. */
  readonly onHandedBack?: (at: TopicPartition, reason: string) => void;
  /** Told when a partition could not be read for some seconds; it is tried again. */
  readonly onStalled?: (at: TopicPartition, problem: string) => void;
  /** Told when it is read again. */
  readonly onResumed?: (at: TopicPartition, stalledMs: number) => void;
  /** Told when the client must write after all. */
  readonly onWritesHandedBack?: (reason: string) => void;
  /** Told when no broker answers any more. */
  readonly onAway?: (problem: string) => void;
  /** Told when one does again. */
  readonly onBack?: (awayMs: number) => void;
}

interface GroupClient {
  readonly client: KafkaConsumer;
  readonly messages: MessageConsumer;
}

/** Opens the log; waits for the brokers as long as the settings say. */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const { settings } = options;
  checkKafkaSettings(settings);
  const rdkafka = loadRdkafka();
  checkFeatures(settings, rdkafka.features);
  const chosen = chooseTransport(settings);
  options.onTransport?.(chosen.kind, chosen.reason);
  const log = new KafkaLog(options, rdkafka, chosen);
  try {
    await log.open();
  } catch (error) {
    await log.close();
    throw error;
  }
  return log;
}

export class KafkaLog implements Log {
  readonly #options: KafkaLogOptions;
  readonly #rdkafka: RdkafkaModule;
  readonly #transport: MessageTransport;
  /** Undefined: the client writes. */
  #writing: DirectWriting | undefined;
  readonly #reading: Reading;
  readonly #clock: Clock;
  /** Names this process among the writers of an application. */
  readonly #instance: string;
  readonly #groups = new Map<string, Promise<GroupClient>>();
  readonly #clients: (KafkaConsumer | Producer)[] = [];
  readonly limits: RecordLimits;
  #reader: KafkaReader | undefined;
  #admin: TopicAdmin | undefined;
  #probe: KafkaConsumer | undefined;
  #reachability: Reachability | undefined;

  /** Use `openKafkaLog`. */
  constructor(options: KafkaLogOptions, rdkafka: RdkafkaModule, chosen: ChosenTransport) {
    this.#options = options;
    this.#rdkafka = rdkafka;
    this.#transport = chosen.transport;
    this.#writing = chosen.writing;
    this.#clock = options.clock ?? systemClock;
    const { onHandedBack = () => {}, onStalled = () => {}, onResumed = () => {} } = options;
    const { fetcher, isDirect } = chosen;
    const troubles = new Troubles({ clock: this.#clock, onStalled, onResumed });
    const watch = this.#watch();
    this.#reading = { fetcher, isDirect, onHandedBack, troubles, watch };
    this.#instance = options.settings.instanceId ?? randomUUID();
    const { maxRecordBytes, maxTimestampAheadMs } = options.settings;
    this.limits = { bytes: maxRecordBytes, aheadMs: maxTimestampAheadMs };
  }

  /** Connects what every use needs. Called once, by `openKafkaLog`. */
  async open(): Promise<void> {
    const { settings, application } = this.#options;
    const { brokers, callTimeoutMs, bufferBytes, transactionTimeoutMs } = settings;
    const rdkafka = this.#rdkafka;
    const [probe, client] = (await this.#reached([
      probeOptions(settings, application),
      readerOptions(settings, application),
    ])) as [KafkaConsumer, KafkaConsumer];
    this.#groups.set(application, Promise.resolve(this.#groupClient(client)));
    this.#probe = probe;
    const clock = this.#clock;
    this.#reachability = new Reachability({
      ...{ polled: client, probe, clock },
      onAway: (problem) => {
        this.#reading.troubles.isAway = true;
        this.#options.onAway?.(problem);
      },
      onBack: (awayMs) => {
        this.#reading.troubles.isAway = false;
        this.#options.onBack?.(awayMs);
      },
    });
    this.#reader = new KafkaReader({
      client,
      probe,
      transport: this.#transport,
      reading: this.#reading,
      brokers,
      bufferBytes,
      callTimeoutMs,
      stableTimeoutMs: transactionTimeoutMs * 2 + callTimeoutMs,
      clock,
    });
    const { replicationFactor } = settings;
    const admin = adminOptions(settings);
    this.#admin = new TopicAdmin({
      rdkafka,
      admin,
      probe,
      brokers,
      callTimeoutMs,
      replicationFactor,
    });
  }

  createTopics(
    topics: readonly TopicDescription[],
    existing?: readonly TopicDescription[],
  ): Promise<void> {
    return this.#opened.admin.create(topics, existing);
  }

  topics(): Promise<readonly TopicDescription[]> {
    return this.#opened.admin.list();
  }

  async cleanupPolicies(topics: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const reached = directAccess(this.#options.settings);
    if (typeof reached === 'string' || topics.length === 0) return new Map();
    return cleanupPolicies(reached.bootstrap, reached.access, topics).catch(() => new Map());
  }

  read(at: TopicPartition, from: number, limits: ReadLimits): Promise<PackedBatch | undefined> {
    return this.#opened.reader.read(at, from, limits);
  }

  async startOffset(at: TopicPartition): Promise<number> {
    return (await this.#opened.reader.watermarks(at)).low;
  }

  endOffset(at: TopicPartition): Promise<number> {
    return this.#opened.reader.endOffset(at);
  }

  /** Kafka does not say what it compacted away; it keeps deletions for a time that we set, or is its default. */
  async completeFrom(at: TopicPartition, readAt: number): Promise<number> {
    const { low, high } = await this.#opened.reader.watermarks(at);
    const ours = isStateTopic(this.#options.application, at.topic);
    const keptMs = ours ? deleteRetentionMs : foreignDeleteRetentionMs;
    return this.#clock.now() - readAt > keptMs ? high + 1 : low;
  }

  async committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined> {
    const { brokers, callTimeoutMs } = this.#options.settings;
    const { messages } = await this.#group(group);
    try {
      const [found] = await messages.committed([at], callTimeoutMs);
      if (found?.offset === undefined) return undefined;
      const { offset, metadata } = found;
      return metadata === undefined || metadata === '' ? { offset } : { offset, metadata };
    } catch (error) {
      const what = `ask for the offset of group ${group} in ${at.topic}/${at.partition}`;
      throw kafkaError({ brokers, what, topic: at.topic }, error as LibrdKafkaError);
    }
  }

  async join({ group, partitions, ready = async () => {} }: JoinOptions): Promise<Member> {
    const { settings } = this.#options;
    const { brokers, bufferBytes, maxPollIntervalMs } = settings;
    return KafkaMember.join({
      rdkafka: this.#rdkafka,
      transport: this.#transport,
      reading: this.#reading,
      consumer: consumerOptions(settings, group),
      connect: (client) => this.#connect(client),
      topics: [...new Set(partitions.map(({ topic }) => topic))],
      ready,
      brokers,
      bufferBytes,
      maxPollIntervalMs,
      reader: this.#opened.reader,
      clock: this.#clock,
    });
  }

  async openWriter(id: string, memberOf?: () => Member): Promise<Writer> {
    const { settings } = this.#options;
    const { brokers, transactionTimeoutMs, guarantee } = settings;
    // Members share a group and each has a writer; the group's protocol fences what it takes away.
    const ofMember = memberOf !== undefined;
    const transactionalId = ofMember ? `${id}-${this.#instance}` : id;
    const consumer = ofMember ? () => (memberOf() as KafkaMember).client : undefined;
    const outside = {
      early: (topic: string) => !isStateTopic(id, topic),
      open: () => ClientProducer.connected(this.#producing(plainProducerOptions(settings))),
    };
    return KafkaWriter.open({
      id: transactionalId,
      open: (onDoubt) => this.#transactions(transactionalId, consumer, onDoubt),
      ...(ofMember && guarantee === 'at-least-once' ? { outside } : {}),
      ofMember,
      brokers,
      transactionTimeoutMs,
      clock: this.#clock,
    });
  }

  /** Past the client where that can be; brokers that refuse us say why to the client, too. */
  async #transactions(
    transactionalId: string,
    consumer: (() => KafkaConsumer) | undefined,
    onDoubt: () => void,
  ): Promise<Transactions> {
    const { settings } = this.#options;
    const { callTimeoutMs, transactionTimeoutMs } = settings;
    const writing = this.#writing;
    if (writing !== undefined) {
      const { membership } = writing;
      try {
        return await DirectTransactions.open({
          ...writing,
          transactionalId,
          transactionTimeoutMs,
          callTimeoutMs,
          membership: consumer && (() => membership(consumer())),
          onRefused: (reason) => this.#handWritesBack(reason),
        });
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
      }
    }
    const producing = this.#producing(producerOptions(settings, transactionalId));
    return openClientTransactions({ ...producing, consumer }, onDoubt);
  }

  /** From the next producer on the client writes. */
  #handWritesBack(reason: string): void {
    if (this.#writing === undefined) return;
    this.#writing = undefined;
    this.#options.onWritesHandedBack?.(reason);
  }

  /** The group first: brokers refuse that while it has members. */
  async forget({ group, topics, offsets }: Forgotten): Promise<void> {
    await forgetGroup(this.#options.settings, group, offsets);
    await this.#opened.admin.delete(topics);
  }

  /**
   * Retention and compaction are the brokers' work. Of the application's repartition topics the records go
   * that the group has committed; it can be done by packed calls only, and wants the right to delete.
   */
  async maintain(): Promise<void> {
    const { settings, application, onUpkeepFailed } = this.#options;
    const { admin, probe } = this.#opened;
    const deleting = this.#transport.admin?.(probe);
    if (deleting === undefined) return;
    try {
      const done: GroupOffset[] = [];
      for (const { name: topic, partitions } of await admin.list()) {
        if (!isRepartitionTopic(application, topic)) continue;
        for (let partition = 0; partition < partitions; partition++) {
          const committed = await this.committed(application, { topic, partition });
          if (committed !== undefined) done.push({ topic, partition, offset: committed.offset });
        }
      }
      if (done.length > 0) await deleting.deleteRecords(done, settings.callTimeoutMs);
    } catch (error) {
      // Nothing but space depends on it, and the next time comes soon.
      onUpkeepFailed?.(messageOf(error));
    }
  }

  async close(): Promise<void> {
    this.#reachability?.close();
    await this.#reader?.close();
    this.#reading.troubles.close();
    const { callTimeoutMs } = this.#options.settings;
    for (const client of this.#clients.splice(0)) {
      await answered<unknown>(callTimeoutMs, (done) => client.disconnect(done as never)).catch(
        () => {},
      );
    }
  }

  get #opened(): { reader: KafkaReader; admin: TopicAdmin; probe: KafkaConsumer } {
    const [reader, admin, probe] = [this.#reader, this.#admin, this.#probe];
    if (reader === undefined || admin === undefined || probe === undefined) {
      throw new Error('the log is not open');
    }
    return { reader, admin, probe };
  }

  #watch(): PartitionWatch {
    const { callTimeoutMs } = this.#options.settings;
    type Found = { topics: { name: string; partitions: { id: number; leader: number }[] }[] };
    return {
      leaderless: async (topics) => {
        const found = new Set<string>();
        for (const topic of topics) {
          const answer = await answered<Found>(callTimeoutMs, (done) =>
            this.#opened.probe.getMetadata({ topic, timeout: callTimeoutMs / 2 }, done as never),
          );
          for (const { name, partitions } of answer.topics) {
            for (const { id, leader } of partitions) {
              if (leader < 0) found.add(keyOf({ topic: name, partition: id }));
            }
          }
        }
        return found;
      },
      bounds: (at) => this.#opened.reader.watermarks(at),
    };
  }

  /** A client that may ask for a group's offsets. */
  #group(group: string): Promise<GroupClient> {
    let client = this.#groups.get(group);
    if (client === undefined) {
      client = this.#consumer(readerOptions(this.#options.settings, group)).then((connected) =>
        this.#groupClient(connected),
      );
      this.#groups.set(group, client);
      client.catch(() => this.#groups.delete(group));
    }
    return client;
  }

  #groupClient(client: KafkaConsumer): GroupClient {
    return { client, messages: this.#transport.consumer(client) };
  }

  #producing(options: Readonly<Record<string, unknown>>): ClientProducerOptions {
    const reports = this.#transport.kind === 'plain' ? { dr_cb: true } : {};
    const all = { ...options, ...reports } as never;
    return {
      create: () => constructed(() => new this.#rdkafka.Producer(all, {})),
      connect: (client) => this.#connect(client),
      transport: this.#transport,
      callTimeoutMs: this.#options.settings.callTimeoutMs,
    };
  }

  /** The first clients. An attempt cannot be taken back, so they are short: a refusal ends the process soon. */
  async #reached(all: readonly Readonly<Record<string, unknown>>[]): Promise<KafkaConsumer[]> {
    const { connectTimeoutMs } = this.#options.settings;
    const end = this.#clock.monotonic() + connectTimeoutMs;
    const clients: KafkaConsumer[] = [];
    for (;;) {
      const left = end - this.#clock.monotonic();
      const timeoutMs = Math.max(1, Math.min(left, attemptMs));
      const attempts = await Promise.allSettled(
        all.map(async (options, i) => {
          clients[i] ??= await this.#consumer(options, timeoutMs);
        }),
      );
      const failed = attempts.find((attempt) => attempt.status === 'rejected');
      if (failed === undefined) return clients;
      if (!isPassing(failed.reason) || left <= attemptMs) {
        throw failed.reason;
      }
    }
  }

  async #consumer(
    options: Readonly<Record<string, unknown>>,
    timeoutMs?: number,
  ): Promise<KafkaConsumer> {
    const client = constructed(() => new this.#rdkafka.KafkaConsumer({ ...options } as never, {}));
    await this.#connect(client, timeoutMs);
    this.#clients.push(client);
    return client;
  }

  /** Connects a client; waits for brokers that do not answer yet, but not for one that refuses us. */
  async #connect(
    client: KafkaConsumer | Producer,
    timeoutMs = this.#options.settings.connectTimeoutMs,
  ): Promise<void> {
    const { brokers } = this.#options.settings;
    let last: { readonly code: number; readonly message: string } | undefined;
    let refuse: (error: LibrdKafkaError) => void = () => {};
    (client as KafkaConsumer).on('event.error', (error: LibrdKafkaError) => {
      if (codeOf(error) !== kafkaCodes.allBrokersDown) last ??= error;
    });
    (client as KafkaConsumer).on('event.log', ({ message }: { readonly message: string }) => {
      const refusal = refusalIn(message);
      if (refusal === undefined) return;
      last = { code: kafkaCodes.authentication, message: refusal };
      refuse(last as LibrdKafkaError);
    });
    try {
      await asked<unknown>({ brokers, what: 'connect' }, timeoutMs + 1_000, (done) => {
        refuse = done;
        client.connect({ timeout: timeoutMs }, done as never);
      });
    } catch (error) {
      await answered<unknown>(1_000, (done) => client.disconnect(done as never)).catch(() => {});
      if (last === undefined || !(error instanceof MillraceError)) throw error;
      throw kafkaError({ brokers, what: 'connect' }, last);
    }
  }
}
