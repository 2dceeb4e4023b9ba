/**
 * The last known metadata of the cluster: its brokers, and the leaders of partitions. Shared by all
 * direct readers and writers of a log.
 */
import type { TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import type { BrokerAddress } from '../wire/broker-connection.ts';
import type { Metadata } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

export class ClusterView {
  /** One object per broker ever seen, by host and port. */
  readonly #known = new Map<string, BrokerAddress>();
  readonly #bootstrap: readonly BrokerAddress[];
  /** The brokers of the last metadata. */
  #named: readonly BrokerAddress[] = [];
  readonly #leaders = new Map<string, BrokerAddress>();
  #answered: BrokerAddress | undefined;
  /** The first reported id of each topic. */
  readonly #ids = new Map<string, string>();
  readonly #remade = new Set<string>();

  /** @param bootstrap initial brokers; the cluster returns the others */
  constructor(bootstrap: readonly BrokerAddress[]) {
    this.#bootstrap = bootstrap.map(({ host, port }) => this.brokerAt(host, port));
  }

  /**
   * Brokers to send requests to: the last one that responded first; brokers that left the cluster
   * are omitted.
   */
  get brokers(): readonly BrokerAddress[] {
    const first = this.#answered === undefined ? [] : [this.#answered];
    return [...new Set([...first, ...this.#named, ...this.#bootstrap])];
  }

  answered(broker: BrokerAddress): void {
    this.#answered = broker;
  }

  /** The same object for the same broker. */
  brokerAt(host: string, port: number): BrokerAddress {
    const name = `${host}:${port}`;
    let broker = this.#known.get(name);
    if (broker === undefined) {
      broker = { host, port };
      this.#known.set(name, broker);
    }
    return broker;
  }

  /** The leader; undefined if unknown. */
  leaderOf(at: TopicPartition): BrokerAddress | undefined {
    return this.#leaders.get(keyOf(at));
  }

  /** Call when the leader does not respond, or reports that it is not the leader. */
  forgetLeader(at: TopicPartition): void {
    this.#leaders.delete(keyOf(at));
  }

  /**
   * True if the topic was deleted and created again since it was first seen: old offsets are void.
   */
  isRemade(topic: string): boolean {
    return this.#remade.has(topic);
  }

  /** Call when Millrace itself deletes or creates topics. */
  forgetTopics(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#ids.delete(topic);
      this.#remade.delete(topic);
    }
  }

  /** Applies a metadata response: the leaders of its partitions, known or not. */
  take({ brokers, topics }: Metadata): void {
    const byNode = new Map(
      brokers.map(({ node, host, port }) => [node, this.brokerAt(host, port)]),
    );
    this.#named = [...byNode.values()];
    for (const { topic, id, partitions } of topics) {
      if (id !== undefined) {
        const known = this.#ids.get(topic);
        if (known === undefined) this.#ids.set(topic, id);
        else if (known !== id) this.#remade.add(topic);
      }
      for (const { partition, error, leader } of partitions) {
        const broker = error === kafkaCodes.none ? byNode.get(leader) : undefined;
        if (broker === undefined) this.#leaders.delete(keyOf({ topic, partition }));
        else this.#leaders.set(keyOf({ topic, partition }), broker);
      }
    }
  }
}
