/**
 * Fetches committed records from the leaders of partitions, past librdkafka: a response's batches are unpacked at one
 * stroke, where librdkafka makes an object of each message. The group, its offsets and transactions stay librdkafka's.
 *
 * What librdkafka alone can do (old message formats, brokers that do not speak our versions) it hands back, with the offset
 * at which librdkafka is to go on. What may pass, such as a leader that moves or a broker that is away, it waits for and says so.
 * What does not pass, such as a refusal, an offset that is gone or a batch that nobody can read, it reports as failed.
 */
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import {
  type BrokerAccess,
  type BrokerAddress,
  BrokerConnection,
} from '../wire/broker-connection.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { metadata } from '../wire/cluster-requests.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import { isPermanent, kafkaCodes, unknownTopicMs } from '../wire/error-codes.ts';
import {
  type FetchAnswer,
  type FetchedRecords,
  type FetchLimits,
  fetchCommitted,
} from '../wire/fetch-request.ts';
import { RefusedError } from '../wire/sasl-login.ts';
import { decompressed } from './codecs.ts';
import { type Problem, wholeBatches } from './record-sets.ts';
import type { Unpack } from './unpacking.ts';

/** What becomes of partitions that are fetched. */
export interface FetchListener {
  /** Committed records; `end` when nothing more is there, else undefined. In the order of the log. */
  onFetched(at: TopicPartition, batches: readonly PackedBatch[], end: number | undefined): void;
  /** The partition is not fetched any more; nothing before `offset` is missing. */
  onHandedBack(from: GroupOffset, reason: string): void;
  /** The partition is not fetched any more, and trying again does not help; nothing before `offset` is missing. */
  onFailed(from: GroupOffset, error: PartitionError): void;
  /** An attempt failed in a way that may pass; it is tried again. */
  onTrouble(at: TopicPartition, problem: string): void;
  /** After a trouble: the partition is fetched again. */
  onWell(at: TopicPartition): void;
}

export interface Fetcher {
  /** False once it was found that brokers do not let us: then everything was handed back. */
  readonly isUsable: boolean;
  /** Fetches from an offset on; of a partition that is fetched already, what is on its way is forgotten. */
  add(from: GroupOffset): void;
  remove(at: TopicPartition): void;
  /** What is on its way still comes. */
  pause(at: TopicPartition, paused: boolean): void;
  close(): void;
}

export interface FetcherOptions {
  /** To begin with; the cluster says which there are. */
  readonly bootstrap: readonly BrokerAddress[];
  readonly access: BrokerAccess;
  readonly limits: FetchLimits;
  readonly unpack: Unpack;
  readonly readsLz4: boolean;
  readonly clock: Clock;
}

/** Pauses between attempts, ms; doubled each time. */
const [retryMsMin, retryMsMax] = [50, 1_000];
/** Whoever has not been let in for so long is not the one to try, ms: librdkafka may be. */
const firstAnswerMs = 10_000;

/** So often a batch is fetched that comes damaged: it may have been damaged on its way. */
const damagedTimesMax = 3;

interface Partition extends TopicPartition {
  /** The next to be asked for. */
  offset: number;
  /** Where what was told of ends: the rest is being unpacked. */
  told: number;
  paused: boolean;
  leader: number | undefined;
  /** The end that was told last: it is told once. */
  endTold: number | undefined;
  /** Since when no broker knows the topic. */
  unknownSince: number | undefined;
  /** Attempts in a row that failed. */
  failures: number;
  /** No leader is looked for before, ms of the monotonic clock. */
  retryAt: number;
  /** How often in a row its next batch came damaged. */
  damaged: number;
}

/** A broker that leads partitions, and the loop that asks it. */
interface Leader {
  readonly node: number;
  wake: () => void;
}

/** A partition's share of a response. */
interface Share {
  readonly partition: Partition;
  readonly from: number;
  readonly records: Buffer;
  /** Where the whole batches end. */
  readonly whole: number;
  /** Some of the batches are to be decompressed first. */
  readonly isCompressed: boolean;
  readonly aborted: readonly number[];
  readonly end: number | undefined;
  /** What stands behind these records. */
  readonly problem: Problem | Failure | undefined;
}

/** A broker's answer that does not pass. */
interface Failure {
  readonly kind: 'failed';
  readonly code: number;
  readonly reason: string;
}

export class DirectFetcher implements Fetcher {
  readonly #options: FetcherOptions;
  readonly #listener: FetchListener;
  readonly #partitions = new Map<string, Partition>();
  readonly #brokers = new Map<number, BrokerAddress>();
  readonly #leaders = new Map<number, Leader>();
  readonly #connections = new Set<BrokerConnection>();
  /** Attempts in a row that failed, of a leader. */
  readonly #failures = new Map<number, number>();
  /** One after the other, so that the log's order holds when a partition moves to another leader. */
  #unpacking = Promise.resolve();
  /** When the first partition came; undefined before. */
  #since: number | undefined;
  /** Whom to ask first for the leaders: the next one when it does not answer. */
  #first = 0;
  #isLocating = false;
  #isLetIn = false;
  #isClosed = false;
  #isUsable = true;

  constructor(options: FetcherOptions, listener: FetchListener) {
    this.#options = options;
    this.#listener = listener;
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  add({ topic, partition, offset }: GroupOffset): void {
    const key = keyOf({ topic, partition });
    const leader = this.#partitions.get(key)?.leader;
    this.#since ??= this.#options.clock.monotonic();
    const begun = {
      ...{ paused: false, endTold: undefined, unknownSince: undefined },
      ...{ failures: 0, retryAt: 0, damaged: 0 },
    };
    this.#partitions.set(key, { topic, partition, offset, told: offset, leader, ...begun });
    this.#arrange();
  }

  remove(at: TopicPartition): void {
    this.#partitions.delete(keyOf(at));
  }

  pause(at: TopicPartition, paused: boolean): void {
    const partition = this.#partitions.get(keyOf(at));
    if (partition === undefined) return;
    partition.paused = paused;
    if (!paused) this.#arrange();
  }

  close(): void {
    this.#isClosed = true;
    this.#partitions.clear();
    for (const connection of this.#connections) connection.close();
    for (const { wake } of this.#leaders.values()) wake();
  }

  /** Sees to it that somebody looks after each partition. */
  #arrange(): void {
    for (const { leader, paused } of this.#partitions.values()) {
      if (leader === undefined) void this.#locate();
      else if (!paused) this.#lead(leader);
    }
  }

  #lead(node: number): void {
    const known = this.#leaders.get(node);
    if (known !== undefined) {
      known.wake();
      return;
    }
    const leader: Leader = { node, wake: () => {} };
    this.#leaders.set(node, leader);
    void this.#serve(leader).finally(() => {
      this.#leaders.delete(node);
      this.#arrange();
    });
  }

  /** Asks one leader for as long as it leads; whatever goes wrong, the leaders are looked for anew after a pause. */
  async #serve(leader: Leader): Promise<void> {
    const { node } = leader;
    let connection: BrokerConnection | undefined;
    try {
      connection = await this.#connect(this.#brokers.get(node));
      await this.#askOn(leader, connection);
    } catch (error) {
      if (isFinal(error)) this.#giveUp(messageOf(error));
      for (const one of this.#partitions.values()) {
        if (one.leader !== node) continue;
        one.leader = undefined;
        this.#inTrouble(one, messageOf(error));
      }
      const failures = this.#failures.get(node) ?? 0;
      this.#failures.set(node, failures + 1);
      await pause(Math.min(retryMsMin * 2 ** failures, retryMsMax));
    } finally {
      if (connection !== undefined) this.#disconnect(connection);
    }
  }

  async #askOn(leader: Leader, connection: BrokerConnection): Promise<void> {
    const { limits } = this.#options;
    let unpacked = Promise.resolve();
    while (!this.#isClosed) {
      const led = [...this.#partitions.values()].filter((one) => one.leader === leader.node);
      if (led.length === 0) return;
      const wanted = led.filter(({ paused }) => !paused);
      if (wanted.length === 0) {
        await new Promise<void>((resolve) => {
          leader.wake = resolve;
        });
        continue;
      }
      const answer = await connection.ask(fetchCommitted(wanted, limits), limits.waitMs);
      this.#failures.delete(leader.node);
      const shares = this.#sharesOf(new Set(wanted), answer);
      await unpacked;
      // While these are unpacked, the next are on their way.
      unpacked = this.#unpacking.then(async () => {
        await this.#unpackAll(shares);
        connection.reuse(answer.response);
      });
      this.#unpacking = unpacked;
      if (answer.throttledMs > 0) await pause(answer.throttledMs);
    }
  }

  #sharesOf(asked: ReadonlySet<Partition>, { error, partitions }: FetchAnswer): Share[] {
    if (error !== kafkaCodes.none) throw brokerError(error);
    return partitions.flatMap((answer) => {
      const partition = this.#partitions.get(keyOf(answer));
      // Removed, or begun anew: what was asked for is not wanted.
      if (partition === undefined || !asked.has(partition)) return [];
      return this.#shareOf(partition, answer) ?? [];
    });
  }

  #shareOf(partition: Partition, answer: FetchedRecords): Share | undefined {
    const { error, records, aborted, lastStableOffset } = answer;
    const { offset: from } = partition;
    if (error !== kafkaCodes.none) {
      const failure = this.#failureOf(partition, error);
      const nothing = { whole: 0, isCompressed: false, end: undefined };
      return failure && { partition, from, records, aborted, ...nothing, problem: failure };
    }
    partition.unknownSince = undefined;
    const whole = wholeBatches(records, this.#options.readsLz4);
    const { end: wholeEnd, next = from, isCompressed } = whole;
    partition.offset = Math.max(from, next);
    const problem = this.#standing(partition, whole.problem, wholeEnd > 0);
    if (problem === undefined && whole.problem === undefined) this.#isWell(partition);
    const isEnd = partition.offset >= lastStableOffset && partition.endTold !== partition.offset;
    const end = isEnd ? partition.offset : undefined;
    if (isEnd) partition.endTold = partition.offset;
    if (wholeEnd === 0 && !isEnd && problem === undefined) return undefined;
    return { partition, from, records, whole: wholeEnd, isCompressed, aborted, end, problem };
  }

  /** Undefined for a batch that is to be fetched once more. */
  #standing(
    partition: Partition,
    problem: Problem | undefined,
    hasMoved: boolean,
  ): Problem | undefined {
    if (hasMoved) partition.damaged = 0;
    if (problem?.kind !== 'unreadable' || !problem.mayPass) return problem;
    return ++partition.damaged < damagedTimesMax ? undefined : problem;
  }

  /** What a broker says of a partition; undefined for what may pass: then the leader is looked for anew. */
  #failureOf(partition: Partition, code: number): Failure | undefined {
    const { message: reason } = brokerError(code);
    const now = this.#options.clock.monotonic();
    if (code === kafkaCodes.unknownTopicOrPartition) partition.unknownSince ??= now;
    const isGone = now - (partition.unknownSince ?? now) > unknownTopicMs;
    const isCorrupt = code === kafkaCodes.corruptMessage && ++partition.damaged >= damagedTimesMax;
    if (isGone || isCorrupt || isPermanent(code)) return { kind: 'failed', code, reason };
    partition.leader = undefined;
    this.#inTrouble(partition, reason);
    return undefined;
  }

  #inTrouble(partition: Partition, problem: string): void {
    const backoffMs = Math.min(retryMsMin * 2 ** partition.failures++, retryMsMax);
    partition.retryAt = this.#options.clock.monotonic() + backoffMs;
    this.#listener.onTrouble(partition, problem);
  }

  #isWell(partition: Partition): void {
    if (partition.failures === 0) return;
    partition.failures = 0;
    this.#listener.onWell(partition);
  }

  async #unpackAll(shares: readonly Share[]): Promise<void> {
    for (const share of shares) {
      const { partition } = share;
      let { problem, end } = share;
      let batches: PackedBatch[] = [];
      try {
        batches = await this.#unpacked(share);
      } catch (error) {
        problem = { kind: 'unreadable', reason: messageOf(error), mayPass: false };
        end = undefined;
      }
      if (this.#partitions.get(keyOf(partition)) !== partition) continue;
      partition.told = batches.at(-1)?.nextOffset ?? partition.told;
      if (batches.length > 0 || end !== undefined) {
        this.#listener.onFetched(partition, batches, end);
      }
      this.#settle(partition, problem);
    }
    this.#arrange();
  }

  async #unpacked({ from, records, whole, isCompressed, aborted }: Share): Promise<PackedBatch[]> {
    if (whole === 0) return [];
    const { unpack } = this.#options;
    const plain = isCompressed ? await decompressed(records, whole) : records;
    const images = await unpack(plain, isCompressed ? plain.length : whole, from, aborted);
    return images.map((image) => new PackedBatch(image));
  }

  /** Looks for the leaders that are not known, until each is. */
  async #locate(): Promise<void> {
    if (this.#isLocating) return;
    this.#isLocating = true;
    for (let retryMs = retryMsMin; !this.#isClosed; retryMs = Math.min(retryMs * 2, retryMsMax)) {
      const lost = [...this.#partitions.values()].filter(({ leader }) => leader === undefined);
      if (lost.length === 0) break;
      const topics = [...new Set(lost.map(({ topic }) => topic))];
      try {
        await this.#learn(topics);
      } catch (error) {
        const now = this.#options.clock.monotonic();
        const overdue = !this.#isLetIn && now - (this.#since ?? now) > firstAnswerMs;
        if (isFinal(error) || overdue) this.#giveUp(messageOf(error));
        else for (const one of lost) this.#inTrouble(one, messageOf(error));
      }
      if (lost.every(({ leader }) => leader !== undefined)) continue;
      await pause(retryMs);
    }
    this.#isLocating = false;
    this.#arrange();
  }

  async #learn(topics: readonly string[]): Promise<void> {
    const connection = await this.#connectAny();
    try {
      const answer = await connection.ask(metadata(topics));
      this.#brokers.clear();
      for (const { node, host, port } of answer.brokers) this.#brokers.set(node, { host, port });
      const now = this.#options.clock.monotonic();
      for (const { topic, error, partitions } of answer.topics) {
        for (const one of this.#partitions.values()) {
          if (one.topic !== topic || one.leader !== undefined || one.retryAt > now) continue;
          const found = partitions.find(({ partition }) => partition === one.partition);
          const failure =
            error === kafkaCodes.none
              ? (found?.error ?? kafkaCodes.unknownTopicOrPartition)
              : error;
          if (failure !== kafkaCodes.none) this.#settle(one, this.#failureOf(one, failure));
          else if (found !== undefined && this.#brokers.has(found.leader)) {
            one.leader = found.leader;
          } else this.#inTrouble(one, brokerError(kafkaCodes.leaderNotAvailable).message);
        }
      }
    } finally {
      this.#disconnect(connection);
    }
  }

  /** To any broker that answers: one we know of, or those we began with. */
  async #connectAny(): Promise<BrokerConnection> {
    const addresses = [...this.#brokers.values(), ...this.#options.bootstrap];
    let last: unknown = new Error('no broker is known');
    for (let tried = 0; tried < addresses.length && !this.#isClosed; tried++) {
      try {
        return await this.#connect(addresses[this.#first % addresses.length]);
      } catch (error) {
        if (isFinal(error)) throw error;
        last = error;
        this.#first++;
      }
    }
    throw last;
  }

  async #connect(address: BrokerAddress | undefined): Promise<BrokerConnection> {
    if (address === undefined) throw new Error('the broker is not known any more');
    const { access, limits } = this.#options;
    const needed = [fetchCommitted([], limits), metadata([])];
    const connection = await BrokerConnection.open(address, access, needed);
    this.#connections.add(connection);
    this.#isLetIn = true;
    if (this.#isClosed) connection.close();
    return connection;
  }

  #disconnect(connection: BrokerConnection): void {
    this.#connections.delete(connection);
    connection.close();
  }

  /** What comes of a partition's problem, when all before it was told. */
  #settle(partition: Partition, problem: Problem | Failure | undefined): void {
    if (problem === undefined || this.#partitions.get(keyOf(partition)) !== partition) return;
    const { kind, reason } = problem;
    if (kind === 'for-client') this.#handBack(partition, reason);
    else this.#fail(partition, kind === 'failed' ? problem.code : kafkaCodes.badMessage, reason);
  }

  #handBack({ topic, partition, told }: Partition, reason: string): void {
    this.#partitions.delete(keyOf({ topic, partition }));
    this.#listener.onHandedBack({ topic, partition, offset: told }, reason);
  }

  #fail({ topic, partition, told }: Partition, code: number, message: string): void {
    this.#partitions.delete(keyOf({ topic, partition }));
    const error = { code, message, topic, partition };
    this.#listener.onFailed({ topic, partition, offset: told }, error);
  }

  #giveUp(reason: string): void {
    this.#isUsable = false;
    for (const one of [...this.#partitions.values()]) this.#handBack(one, reason);
  }
}

/** A refusal; or a response that cannot be read, which would be none the second time. */
function isFinal(error: unknown): boolean {
  return error instanceof RefusedError || error instanceof RangeError;
}

function pause(ms: number): Promise<void> {
  return setTimeout(ms, undefined, { ref: false });
}
