/**
 * A member of a Kafka consumer group. Rebalances come as changes that wait for the runtime's
 * answer, so that a partition is let go only when all of it is committed and closed (the steps of a
 * hand-over).
 */
import { MillraceError } from '../../../base/errors.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { after } from '../../../base/timing.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../../log.ts';
import type { AssignmentChange, Fetched, JoinOptions, Member } from '../../member.ts';
import { keyOf } from '../../partition-key.ts';
import type { Reach } from '../direct/cluster.ts';
import { type ClientCalls, constructed } from '../rdkafka/client-calls.ts';
import { readError } from '../rdkafka/client-errors.ts';
import type { MessageTransport } from '../rdkafka/messages.ts';
import type { KafkaConsumer, LibrdKafkaError, RdkafkaModule } from '../rdkafka/rdkafka.ts';
import { kafkaCodes, type PartitionError } from '../wire/error-codes.ts';
import type { KafkaReader } from './kafka-reader.ts';
import { Pump, type Reading } from './pump.ts';
import { TopicWatch } from './topic-watch.ts';

const leaveTimeoutMs = 15_000;
const rejoinPauseMs = 1_000;
/** Longer than the session timeout: 45 s by the brokers' default. */
const rejoinForMs = 120_000;

export interface KafkaMemberOptions {
  readonly rdkafka: RdkafkaModule;
  readonly transport: MessageTransport;
  readonly reading: Reading;
  /** Options of the group's consumer, without callbacks. */
  readonly consumer: Readonly<Record<string, unknown>>;
  readonly connect: (client: KafkaConsumer) => Promise<void>;
  readonly topics: readonly string[];
  readonly group: string;
  /** Used to watch topics; undefined if only the client reaches the brokers. */
  readonly reach: Reach | undefined;
  readonly ready: Required<JoinOptions>['ready'];
  readonly bufferBytes: number;
  readonly maxPollIntervalMs: number;
  /** Reads partitions that are not the group's. */
  readonly reader: KafkaReader;
  readonly calls: ClientCalls;
  /** The scheduler for the member's waits. */
  readonly scheduler: Scheduler;
  /** Leaves the group for good; undefined if the client does so itself, or if the member stays. */
  readonly goForGood?: (() => Promise<void>) | undefined;
}

/** A consumer in the group, and its pump. It is replaced after a fatal error. */
interface Membership {
  readonly client: KafkaConsumer;
  readonly pump: Pump;
}

export class KafkaMember implements Member {
  readonly sole = false;
  readonly #options: KafkaMemberOptions;
  #current: Membership;
  #changes: AssignmentChange[] = [];
  #news = false;
  #wake: (() => void) | undefined;
  readonly #leaving = new AbortController();
  /** Partitions that were assigned and acknowledged, as 'topic/partition'. */
  readonly #owned = new Set<string>();
  readonly #unsubscribe: () => void;
  #rejoining: Promise<void> | undefined;
  /** When the group first refused this process; undefined while it is a member. */
  #fatalSince: number | undefined;
  /** Since its last assignment: a process that is none, or was replaced, leaves no group. */
  #isMember = false;
  #failure: MillraceError | undefined;
  readonly #watch: TopicWatch | undefined;

  private constructor(options: KafkaMemberOptions) {
    this.#options = options;
    this.#current = this.#create();
    this.#unsubscribe = options.reader.onNews(() => this.#tell());
    const { reach, topics, group, calls } = options;
    if (reach === undefined) return;
    const onFailure = (failure: MillraceError) => {
      this.#failure ??= failure;
      this.#tell();
    };
    this.#watch = new TopicWatch({ reach, topics, group, brokers: calls.brokers, onFailure });
    this.#watch.start();
  }

  static async join(options: KafkaMemberOptions): Promise<KafkaMember> {
    const member = new KafkaMember(options);
    try {
      await member.#subscribe();
      return member;
    } catch (error) {
      member.#unsubscribe();
      member.#watch?.close();
      throw error;
    }
  }

  /** The consumer whose membership authorises offset commits; throws while there is none. */
  get client(): KafkaConsumer {
    if (this.#rejoining === undefined) return this.#current.client;
    throw new Error('this process is not a member of its group now');
  }

  #create(): Membership {
    const options = this.#options;
    const onRebalance = (error: LibrdKafkaError, partitions: TopicPartition[]) =>
      this.#rebalanced(client, error, partitions);
    const config = { ...options.consumer, rebalance_cb: onRebalance } as never;
    const client: KafkaConsumer = constructed(() => new options.rdkafka.KafkaConsumer(config, {}));
    client.on('event.error', () => {});
    const pump = new Pump({
      ...options.reading,
      client,
      messages: options.transport.consumer(client),
      calls: options.calls,
      bufferBytes: options.bufferBytes,
      idleStopMs: options.maxPollIntervalMs,
      onError: (error) => {
        if (error.code === kafkaCodes.fencedInstanceId) this.#isMember = false;
        if (error.code !== kafkaCodes.fatal) return memberError(options.calls.brokers, error);
        this.#isMember = false;
        this.#rejoining ??= this.#rejoin();
        return undefined;
      },
      onNews: () => this.#tell(),
    });
    return { client, pump };
  }

  async #subscribe(): Promise<void> {
    const { client, pump } = this.#current;
    await this.#options.connect(client);
    try {
      await this.#options.ready();
    } catch (error) {
      await this.#drop(this.#current);
      throw error;
    }
    client.subscribe([...this.#options.topics]);
    pump.start();
  }

  /**
   * Replaces a consumer after a fatal error. The usual cause: a dead process is still a member with
   * this instance id until its session times out. So this is retried for a while.
   */
  async #rejoin(): Promise<void> {
    const { brokers, timing } = this.#options.calls;
    const { clock, scheduler } = timing;
    const begin = clock.monotonic();
    const lost = this.#current.pump.partitions;
    this.#owned.clear();
    // Changes of the old consumer are void; its partitions are lost.
    this.#changes =
      lost.length === 0 ? [] : [{ kind: 'revoked', partitions: lost, answer: async () => {} }];
    this.#tell();
    await this.#drop(this.#current);
    await scheduler.sleep(rejoinPauseMs, this.#leaving.signal);
    if (this.#isLeft) return;
    this.#current = this.#create();
    try {
      await this.#subscribe();
    } catch (error) {
      this.#failure = error as MillraceError;
    }
    this.#fatalSince ??= begin;
    if (clock.monotonic() - this.#fatalSince > rejoinForMs) {
      const problem =
        'the group does not take this process in: is another one alive under its instance id?';
      this.#failure = new MillraceError('KAFKA_REFUSED', { brokers, problem });
    }
    this.#rejoining = undefined;
    this.#tell();
  }

  hasChange(): boolean {
    return this.#changes.length > 0;
  }

  takeChange(): AssignmentChange | undefined {
    this.#current.pump.touch();
    if (this.#failure !== undefined) throw this.#failure;
    return this.#changes.shift();
  }

  async fetch(at: TopicPartition, from: number, limits: ReadLimits): Promise<Fetched> {
    const { pump } = this.#current;
    if (this.#owned.has(keyOf(at))) return pump.fetch(at, from, limits);
    return this.#options.reader.follow(at, from, limits);
  }

  async lag(positions: readonly GroupOffset[]): Promise<readonly number[]> {
    const ends = await this.#options.reader.endOffsets(positions);
    return positions.map((at, i) => {
      // After the last record there are transaction markers that readers do not see.
      const seen = this.#current.pump.endSeen(at, at.offset) ?? at.offset;
      return Math.max(0, (ends[i] ?? 0) - Math.max(seen, at.offset));
    });
  }

  wait(waitMs: number, signal?: AbortSignal): Promise<void> {
    this.#current.pump.touch();
    if (this.#news || signal?.aborted === true) {
      this.#news = false;
      return Promise.resolve();
    }
    const { scheduler } = this.#options;
    return new Promise((resolve) => {
      const done = () => {
        inTime();
        signal?.removeEventListener('abort', done);
        this.#wake = undefined;
        this.#news = false;
        resolve();
      };
      const inTime = after(scheduler, waitMs, done);
      signal?.addEventListener('abort', done);
      this.#wake = done;
    });
  }

  get #isLeft(): boolean {
    return this.#leaving.signal.aborted;
  }

  async leave(): Promise<void> {
    if (this.#isLeft) return;
    this.#leaving.abort();
    this.#watch?.close();
    await this.#rejoining;
    for (const change of this.#changes.splice(0)) await change.answer([]);
    await this.#drop(this.#current);
    // If the request is lost, its partitions are assigned to others when its session ends.
    if (this.#isMember) await this.#options.goForGood?.().catch(() => {});
    this.#unsubscribe();
  }

  async #drop({ client, pump }: Membership): Promise<void> {
    await pump.stop();
    // A member that does not leave in time is removed by the session timeout.
    const { calls } = this.#options;
    const left = calls.answered<unknown>((done) => client.disconnect(done), leaveTimeoutMs);
    await left.catch(() => {});
  }

  #rebalanced(
    client: KafkaConsumer,
    error: LibrdKafkaError,
    partitions: readonly TopicPartition[],
  ): void {
    const given = partitions.map(({ topic, partition }) => ({ topic, partition }));
    const kind = error.code === kafkaCodes.assignPartitions ? 'assigned' : 'revoked';
    if (this.#isLeft || this.#rejoining !== undefined || client !== this.#current.client) {
      // The partitions are no longer ours: the runtime has closed them, or learns that they are
      // lost.
      this.#release(client, given);
      return;
    }
    const holds = () => this.#rejoining === undefined && client === this.#current.client;
    const answer = async (positions: readonly GroupOffset[]) => {
      if (!holds()) return;
      if (kind === 'assigned') this.#assign(given, positions);
      else {
        for (const at of given) {
          this.#owned.delete(keyOf(at));
          this.#current.pump.remove(at);
        }
        this.#current.pump.resync();
        this.#release(client, given);
      }
    };
    this.#changes.push({ kind, partitions: given, answer, holds });
    this.#tell();
  }

  #assign(partitions: readonly TopicPartition[], positions: readonly GroupOffset[]): void {
    const { client, pump } = this.#current;
    this.#fatalSince = undefined;
    this.#isMember = true;
    for (const at of partitions) this.#owned.add(keyOf(at));
    pump.resync();
    for (const position of positions) pump.add(position);
    const offsetOf = new Map(positions.map((p) => [keyOf(p), p.offset]));
    const list = partitions.map((at) => {
      const offset = offsetOf.get(keyOf(at));
      return offset === undefined ? at : { ...at, offset };
    });
    this.#applied(() => {
      if (client.rebalanceProtocol() === 'COOPERATIVE') client.incrementalAssign(list);
      else client.assign(list);
    });
    pump.assigned();
  }

  #release(client: KafkaConsumer, partitions: readonly TopicPartition[]): void {
    this.#applied(() => {
      if (client.rebalanceProtocol() === 'COOPERATIVE') client.incrementalUnassign([...partitions]);
      else client.unassign();
    });
  }

  /**
   * Applies an acknowledgement. If the group has moved on, the client refuses it and calls back
   * again.
   */
  #applied(answer: () => void): void {
    try {
      answer();
    } catch {
      // The current assignment comes as the next change.
    }
  }

  #tell(): void {
    this.#news = true;
    this.#wake?.();
  }
}

/** The meaning of a poll's error for the run; undefined for a transient one. */
function memberError(brokers: string, error: PartitionError): MillraceError | undefined {
  if (error.code === kafkaCodes.fencedInstanceId) {
    return new MillraceError('LOG_FENCED', { writer: 'of this instance id' }, { cause: error });
  }
  // The topics of a member existed when it joined.
  return readError(brokers, error, 'TOPIC_DELETED');
}
