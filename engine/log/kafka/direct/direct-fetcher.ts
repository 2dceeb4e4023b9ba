/**
 * Fetches committed records from the leaders of partitions, without librdkafka: it unpacks whole
 * batches of a response at once, while librdkafka creates an object per message. librdkafka still
 * handles the group, its offsets and transactions.
 *
 * If only librdkafka can read a partition (old message formats, brokers without our versions), the
 * fetcher hands it back, with the offset to continue from. It retries and reports transient errors,
 * such as a leader that moves or a missing broker. It reports permanent errors as failures: a
 * refusal, a missing offset, an unreadable batch.
 */
import { messageOf } from '../../../base/errors.ts';
import type { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import type { BrokerAddress, BrokerConnection } from '../wire/broker-connection.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { metadata } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { type FetchAnswer, fetchCommitted } from '../wire/fetch-request.ts';
import { Cluster } from './cluster.ts';
import { FetchedPartition, type Share, unpacked } from './fetched-partition.ts';
import type { Failure, Fetcher, FetcherOptions, FetchListener } from './fetching.ts';
import { isFinal, LeaderSearch } from './leader-search.ts';
import type { Problem } from './record-sets.ts';

/** A broker that leads partitions, with its fetch loop. */
interface Leader {
  readonly broker: BrokerAddress;
  wake: () => void;
}

export class DirectFetcher implements Fetcher {
  readonly #options: FetcherOptions;
  readonly #listener: FetchListener;
  readonly #cluster: Cluster;
  readonly #search: LeaderSearch;
  readonly #partitions = new Map<string, FetchedPartition>();
  readonly #leaders = new Map<BrokerAddress, Leader>();
  /** Unpacking runs in sequence, so that order is kept when a partition moves to another leader. */
  #unpacking = Promise.resolve();
  readonly #closing = new AbortController();
  #isUsable = true;

  constructor(options: FetcherOptions, listener: FetchListener) {
    this.#options = options;
    this.#listener = listener;
    const { view, access, limits, timing } = options;
    const needed = [fetchCommitted([], limits), metadata([])];
    this.#cluster = new Cluster({ view, access, timing, needed });
    this.#search = new LeaderSearch({
      cluster: this.#cluster,
      timing,
      partitions: () => this.#partitions.values(),
      onFound: () => this.#arrange(),
      onRemade: (partition) => {
        const { topicRemade } = kafkaCodes;
        this.#fail(partition, topicRemade, brokerError(topicRemade).message);
      },
      onError: (partition, code) => this.#settle(partition, partition.failureOf(code)),
      onRefused: (reason) => this.#giveUp(reason),
    });
  }

  get isUsable(): boolean {
    return this.#isUsable;
  }

  add(from: GroupOffset): void {
    if (this.#closing.signal.aborted) return;
    const { clock } = this.#options.timing;
    const leader = this.#cluster.view.leaderOf(from);
    const partition = new FetchedPartition(from, leader, { listener: this.#listener, clock });
    this.#partitions.set(keyOf(from), partition);
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
    this.#closing.abort();
    this.#partitions.clear();
    this.#search.close();
    this.#cluster.close();
    for (const { wake } of this.#leaders.values()) wake();
  }

  /** Makes sure that each partition has a fetch loop or a leader search. */
  #arrange(): void {
    for (const { leader, paused } of this.#partitions.values()) {
      if (leader === undefined) this.#search.wake();
      else if (!paused) this.#lead(leader);
    }
  }

  #lead(broker: BrokerAddress): void {
    const known = this.#leaders.get(broker);
    if (known !== undefined) {
      known.wake();
      return;
    }
    const leader: Leader = { broker, wake: () => {} };
    this.#leaders.set(broker, leader);
    void this.#serve(leader).finally(() => {
      this.#leaders.delete(broker);
      this.#arrange();
    });
  }

  /**
   * Fetches from one leader as long as it leads; after any error, its partitions look for their
   * leaders again.
   */
  async #serve(leader: Leader): Promise<void> {
    const { broker } = leader;
    let connection: BrokerConnection | undefined;
    try {
      connection = await this.#cluster.own(broker);
      await this.#askOn(leader, connection);
    } catch (error) {
      if (isFinal(error)) this.#giveUp(messageOf(error));
      for (const one of this.#partitions.values()) {
        if (one.leader !== broker) continue;
        this.#cluster.view.forgetLeader(one);
        one.inTrouble(messageOf(error));
      }
    } finally {
      if (connection !== undefined) this.#cluster.release(connection);
    }
  }

  async #askOn(leader: Leader, connection: BrokerConnection): Promise<void> {
    const { broker } = leader;
    const { limits, timing } = this.#options;
    let done = Promise.resolve();
    while (!this.#closing.signal.aborted) {
      const led = [...this.#partitions.values()].filter((one) => one.leader === broker);
      if (led.length === 0) return;
      const wanted = led.filter(({ paused }) => !paused);
      if (wanted.length === 0) {
        await new Promise<void>((resolve) => {
          leader.wake = resolve;
        });
        continue;
      }
      const answer = await connection.ask(fetchCommitted(wanted, limits), limits.waitMs);
      const shares = this.#sharesOf(new Set(wanted), answer);
      await done;
      // The next response is on its way while these are unpacked.
      done = this.#unpacking.then(async () => {
        await this.#unpackAll(shares);
        connection.reuse(answer.response);
      });
      this.#unpacking = done;
      const { throttledMs } = answer;
      if (throttledMs > 0) await timing.scheduler.sleep(throttledMs, this.#closing.signal);
    }
  }

  #sharesOf(asked: ReadonlySet<FetchedPartition>, { error, partitions }: FetchAnswer): Share[] {
    if (error !== kafkaCodes.none) throw brokerError(error);
    return partitions.flatMap((answer) => {
      const partition = this.#partitions.get(keyOf(answer));
      // Removed or restarted: the response is stale.
      if (partition === undefined || !asked.has(partition)) return [];
      const share = partition.shareOf(answer, this.#options.readsLz4);
      if (partition.leader === undefined) this.#cluster.view.forgetLeader(partition);
      return share ?? [];
    });
  }

  async #unpackAll(shares: readonly Share[]): Promise<void> {
    for (const share of shares) {
      const { partition } = share;
      let { problem, end } = share;
      let batches: PackedBatch[] = [];
      try {
        batches = await unpacked(share, this.#options.unpack);
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

  /** Handles a partition's problem, after all earlier records were delivered. */
  #settle(partition: FetchedPartition, problem: Problem | Failure | undefined): void {
    if (problem === undefined || this.#partitions.get(keyOf(partition)) !== partition) return;
    const { kind, reason } = problem;
    if (kind === 'for-client') this.#handBack(partition, reason);
    else this.#fail(partition, kind === 'failed' ? problem.code : kafkaCodes.badMessage, reason);
  }

  #handBack({ topic, partition, told }: FetchedPartition, reason: string): void {
    this.#partitions.delete(keyOf({ topic, partition }));
    this.#listener.onHandedBack({ topic, partition, offset: told }, reason);
  }

  #fail({ topic, partition, told }: FetchedPartition, code: number, message: string): void {
    this.#partitions.delete(keyOf({ topic, partition }));
    const error = { code, message, topic, partition };
    this.#listener.onFailed({ topic, partition, offset: told }, error);
  }

  #giveUp(reason: string): void {
    this.#isUsable = false;
    for (const one of [...this.#partitions.values()]) this.#handBack(one, reason);
  }
}
