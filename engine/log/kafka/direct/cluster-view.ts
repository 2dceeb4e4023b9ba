/**
 * What the cluster has last said of itself: which brokers there are, and which of them leads what.
 * A log has one, for all that reads and writes past the client.
 */
import type { TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import type { BrokerAddress } from '../wire/broker-connection.ts';
import type { Metadata } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

export class ClusterView {
  /** One object a broker that was ever known, by host and port. */
  readonly #known = new Map<string, BrokerAddress>();
  readonly #bootstrap: readonly BrokerAddress[];
  /** Those that the cluster has last named. */
  #named: readonly BrokerAddress[] = [];
  readonly #leaders = new Map<string, BrokerAddress>();
  #answered: BrokerAddress | undefined;
  /** Of each topic the id under which it was first told. */
  readonly #ids = new Map<string, string>();
  readonly #remade = new Set<string>();

  /** @param bootstrap to begin with; the cluster says which there are */
  constructor(bootstrap: readonly BrokerAddress[]) {
    this.#bootstrap = bootstrap.map(({ host, port }) => this.brokerAt(host, port));
  }

  /**
   * Whom to ask of the cluster: who answered last, then the others; those that have left are not
   * asked.
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

  /** Undefined when it is not known now. */
  leaderOf(at: TopicPartition): BrokerAddress | undefined {
    return this.#leaders.get(keyOf(at));
  }

  /** To be called when the leader does not answer, or says that it is none. */
  forgetLeader(at: TopicPartition): void {
    this.#leaders.delete(keyOf(at));
  }

  /**
   * The topic was deleted and made anew since it was first told: offsets of before mean nothing.
   */
  isRemade(topic: string): boolean {
    return this.#remade.has(topic);
  }

  /** To be called when we delete topics, or make them, ourselves. */
  forgetTopics(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#ids.delete(topic);
      this.#remade.delete(topic);
    }
  }

  /** Takes note of an answer: of the partitions in it, whose leader is told and whose is not. */
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
