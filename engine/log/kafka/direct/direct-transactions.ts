/**
 * Transactions without librdkafka: a commit's records are packed and compressed at once, while
 * librdkafka creates an object per message. Handles the common path only. Retries transient errors:
 * a coordinator that still ends the last transaction, a leader that moves or does not respond; a
 * resent batch keeps its sequence, by which the broker recognises it. Any other error closes the
 * producer (rule T1, kafka-writer.ts).
 */
import type { Append, GroupOffset, TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import { type BrokerAddress, LostError } from '../wire/broker-connection.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { findCoordinator, metadata } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { type Patience, passes, retried } from '../wire/retry.ts';
import {
  addOffsets,
  addPartitions,
  commitOffsets,
  endTransaction,
  initProducerId,
  type Membership,
  type Produced,
  type ProducerId,
  produce,
} from '../wire/transaction-requests.ts';
import type { Request } from '../wire/wire-request.ts';
import { Cluster, type Reach } from './cluster.ts';
import { fillIn, type Pack, recordsIn } from './produced-batches.ts';
import { refusalOf, type Transactions } from './transactions.ts';

export interface DirectTransactionsOptions extends Reach {
  readonly transactionalId: string;
  /** The coordinator aborts an unfinished transaction after this time, ms. */
  readonly transactionTimeoutMs: number;
  /** How long transient errors are retried, ms. */
  readonly callTimeoutMs: number;
  /** The same, shortened while the process stops. */
  readonly patience: Patience;
  readonly pack: Pack;
  /** Called when a broker refuses the login, or does not support our versions. */
  readonly onRefused: (reason: string) => void;
  /** The member whose offsets are committed; undefined if none are. */
  readonly membership: (() => Promise<Membership>) | undefined;
}

/** Maximal bytes of a request, unless it has a single batch. */
const requestBytesMax = 16 * 1024 * 1024;
/** Requests whose versions a broker must support. */
const needed = neededRequests();

function neededRequests(): Request<unknown>[] {
  const nobody = { transactionalId: '', id: 0, epoch: 0 };
  return [
    metadata([]),
    findCoordinator('group', ''),
    initProducerId('', 0),
    addPartitions(nobody, []),
    produce('', 0, []),
    addOffsets(nobody, ''),
    commitOffsets(nobody, { group: '', member: '', generation: 0 }, []),
    endTransaction(nobody),
  ];
}

/** The unwritten batches of a partition, in order. */
interface Writing extends TopicPartition {
  readonly batches: Buffer[];
  /** The offset after the last written record. */
  end: number;
}

interface NotWritten {
  readonly writing: Writing;
  readonly error: unknown;
}

interface Failure {
  readonly error: number;
  readonly topic?: string;
}

export class DirectTransactions implements Transactions {
  readonly #options: DirectTransactionsOptions;
  readonly #cluster: Cluster;
  readonly #producer: ProducerId;
  #coordinator: BrokerAddress | undefined;
  #groupCoordinator: BrokerAddress | undefined;
  /** Sequence of the next record, by partition. */
  readonly #sequences = new Map<string, number>();
  /** Batches appended since the last flush, being packed. */
  #packing: { readonly at: TopicPartition; readonly packed: Promise<readonly ArrayBuffer[]> }[] =
    [];
  /** True if the coordinator knows of partitions in the transaction. */
  #isBegun = false;

  private constructor(
    options: DirectTransactionsOptions,
    cluster: Cluster,
    coordinator: BrokerAddress,
    producer: ProducerId,
  ) {
    this.#options = options;
    this.#cluster = cluster;
    this.#coordinator = coordinator;
    this.#producer = producer;
  }

  /** Opens a producer; rejects with RefusedError if the brokers refuse. */
  static async open(options: DirectTransactionsOptions): Promise<DirectTransactions> {
    const { transactionalId, transactionTimeoutMs } = options;
    const cluster = new Cluster({ ...options, needed });
    try {
      const request = initProducerId(transactionalId, transactionTimeoutMs);
      const begun = async () => {
        const coordinator = await cluster.coordinatorOf('transaction', transactionalId);
        const connection = await cluster.to(coordinator);
        const { error, id, epoch } = await connection.ask(request);
        if (error !== kafkaCodes.none) throw brokerError(error);
        const producer = { transactionalId, id, epoch };
        return new DirectTransactions(options, cluster, coordinator, producer);
      };
      return await retried(options.timing, options.patience, begun, passesOrIsLost);
    } catch (error) {
      cluster.close();
      throw error;
    }
  }

  /** Nothing to send: brokers learn of a transaction from its content. */
  async begin(): Promise<void> {}

  async append({ topic, partition, batch }: Append): Promise<void> {
    if (batch.count === 0) return;
    const packed = this.#options.pack(batch.image);
    // Awaited by the flush.
    packed.catch(() => {});
    this.#packing.push({ at: { topic, partition }, packed });
  }

  async flush(): Promise<readonly GroupOffset[]> {
    const packing = this.#packing;
    this.#packing = [];
    if (packing.length === 0) return [];
    const written = new Map<string, Writing>();
    for (const { at } of packing) written.set(keyOf(at), { ...at, batches: [], end: -1 });
    const [packed] = await Promise.all([
      Promise.all(packing.map(async ({ at, packed }) => ({ at, images: await packed }))),
      this.#addPartitions([...written.values()]),
    ]);
    for (const { at, images } of packed) {
      const key = keyOf(at);
      for (const image of images) {
        const batch = Buffer.from(image);
        const { id, epoch } = this.#producer;
        this.#sequences.set(key, fillIn(batch, id, epoch, this.#sequences.get(key) ?? 0));
        written.get(key)?.batches.push(batch);
      }
    }
    await this.#write([...written.values()]);
    return [...written.values()].map(({ topic, partition, end }) => ({
      topic,
      partition,
      offset: end,
    }));
  }

  async sendOffsets(offsets: readonly GroupOffset[]): Promise<void> {
    const { membership, timing, patience } = this.#options;
    if (membership === undefined) throw new Error('a writer without a member commits no offsets');
    const member = await membership();
    await this.#ask(addOffsets(this.#producer, member.group), errorOf);
    this.#isBegun = true;
    await retried(timing, patience, async () => {
      this.#groupCoordinator ??= await this.#cluster.coordinatorOf('group', member.group);
      const connection = await this.#cluster.to(this.#groupCoordinator);
      const answers = await connection.ask(commitOffsets(this.#producer, member, offsets));
      const refused = answers.find(({ error }) => error !== kafkaCodes.none);
      if (refused === undefined) return;
      this.#groupCoordinator = undefined;
      throw brokerError(refused.error, keyOf(refused), refused.topic);
    });
  }

  async commit(): Promise<void> {
    if (!this.#isBegun) return;
    await this.#ask(endTransaction(this.#producer), errorOf);
    this.#isBegun = false;
  }

  async close(): Promise<void> {
    this.#cluster.close();
  }

  async #addPartitions(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#ask(addPartitions(this.#producer, partitions), (answers) => {
      // If one partition is refused, the others are reported as not attempted.
      const errors = answers.filter(({ error }) => error !== kafkaCodes.none);
      return errors.find(({ error }) => error !== kafkaCodes.notAttempted) ?? errors[0];
    });
    this.#isBegun = true;
  }

  /**
   * Sends a request to the transaction's coordinator.
   * @param failureIn returns the error in a response
   */
  #ask<Answer>(
    request: Request<Answer>,
    failureIn: (answer: Answer) => Failure | undefined,
  ): Promise<void> {
    const { transactionalId } = this.#producer;
    return retried(this.#options.timing, this.#options.patience, async () => {
      this.#coordinator ??= await this.#cluster.coordinatorOf('transaction', transactionalId);
      const connection = await this.#cluster.to(this.#coordinator);
      const failure = failureIn(await connection.ask(request));
      if (failure === undefined) return;
      if (failure.error === kafkaCodes.notCoordinator) this.#coordinator = undefined;
      throw brokerError(failure.error, failure.topic);
    });
  }

  /**
   * Writes in rounds, one batch of each partition per round, so that a partition's batches stay in
   * order.
   */
  async #write(all: readonly Writing[]): Promise<void> {
    for (let left = all; left.length > 0; left = left.filter(({ batches }) => batches.length > 0)) {
      let waiting = left;
      const round = async () => {
        const failures = await this.#writeFirst(waiting);
        waiting = failures.map(({ writing }) => writing);
        for (const writing of waiting) this.#cluster.view.forgetLeader(writing);
        const [failure] = failures;
        if (failure !== undefined) throw failure.error;
      };
      await retried(this.#options.timing, this.#options.patience, round, passesOrIsLost);
    }
  }

  /** Writes the first batch of each partition; returns those that failed with a transient error. */
  async #writeFirst(waiting: readonly Writing[]): Promise<NotWritten[]> {
    const lost = waiting.filter((one) => this.#cluster.view.leaderOf(one) === undefined);
    if (lost.length > 0) await this.#cluster.learn([...new Set(lost.map(({ topic }) => topic))]);
    const shares = new Map<BrokerAddress, Writing[]>();
    const unled: NotWritten[] = [];
    for (const writing of waiting) {
      const leader = this.#cluster.view.leaderOf(writing);
      if (leader === undefined) {
        // The coordinator has accepted the partition, so the topic exists.
        const error = brokerError(kafkaCodes.leaderNotAvailable, keyOf(writing), writing.topic);
        unled.push({ writing, error });
      } else shares.set(leader, [...(shares.get(leader) ?? []), writing]);
    }
    const written = [...shares].map(([leader, share]) => this.#writeTo(leader, share));
    return [...unled, ...(await Promise.all(written)).flat()];
  }

  async #writeTo(leader: BrokerAddress, share: readonly Writing[]): Promise<NotWritten[]> {
    const failures: NotWritten[] = [];
    for (const part of inRequests(share)) {
      try {
        failures.push(...(await this.#request(leader, part)));
      } catch (error) {
        if (!(error instanceof LostError)) throw error;
        failures.push(...part.map((writing) => ({ writing, error })));
      }
    }
    return failures;
  }

  async #request(leader: BrokerAddress, part: readonly Writing[]): Promise<NotWritten[]> {
    const { timing, callTimeoutMs } = this.#options;
    const connection = await this.#cluster.to(leader);
    const firsts = part.map(({ topic, partition, batches }) => ({
      topic,
      partition,
      batch: batches[0] as Buffer,
    }));
    const request = produce(this.#producer.transactionalId, callTimeoutMs, firsts);
    const { throttledMs, partitions } = await connection.ask(request);
    const answers = new Map(partitions.map((answer) => [keyOf(answer), answer]));
    const failures: NotWritten[] = [];
    for (const writing of part) {
      const error = settled(writing, answers.get(keyOf(writing)));
      if (error !== undefined) failures.push({ writing, error });
    }
    if (throttledMs > 0) await timing.scheduler.sleep(throttledMs);
    return failures;
  }
}

/**
 * Handles the result of a partition's first batch; returns a transient error, throws a permanent
 * one.
 */
function settled(writing: Writing, answer: Produced | undefined): unknown {
  if (answer === undefined)
    throw new Error(`${keyOf(writing)}: the broker does not say whether it is written`);
  const { error: code, offset } = answer;
  if (code === kafkaCodes.none && offset >= 0) {
    writing.end = offset + recordsIn(writing.batches.shift() as Buffer);
    return undefined;
  }
  // It was resent, and the broker had already accepted it.
  if (code === kafkaCodes.none || code === kafkaCodes.duplicateSequence) {
    throw new Error(`${keyOf(writing)}: written, but it is not told where`);
  }
  const error = brokerError(code);
  if (passes(error)) return error;
  throw refusalOf({ ...writing, code, message: error.message });
}

/** Groups partitions whose first batches fit into one request. */
function inRequests(share: readonly Writing[]): Writing[][] {
  const requests: Writing[][] = [];
  let bytes = 0;
  for (const writing of share) {
    const [batch] = writing.batches as [Buffer];
    bytes += batch.byteLength;
    const last = requests.at(-1);
    if (last !== undefined && bytes <= requestBytesMax) last.push(writing);
    else {
      requests.push([writing]);
      bytes = batch.byteLength;
    }
  }
  return requests;
}

function errorOf(error: number): Failure | undefined {
  return error === kafkaCodes.none ? undefined : { error };
}

function passesOrIsLost(error: unknown): boolean {
  return passes(error) || error instanceof LostError;
}
