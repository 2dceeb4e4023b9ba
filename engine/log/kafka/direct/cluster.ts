/** Which broker leads or coordinates what, and a connection to each that is needed. */
import type { TopicPartition } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import {
  type BrokerAccess,
  type BrokerAddress,
  BrokerConnection,
} from '../wire/broker-connection.ts';
import { brokerError } from '../wire/broker-errors.ts';
import { findCoordinator, metadata } from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import type { Request } from '../wire/request.ts';
import { RefusedError } from '../wire/sasl-login.ts';

export interface ClusterOptions {
  /** To begin with; the cluster says which there are. */
  readonly bootstrap: readonly BrokerAddress[];
  readonly access: BrokerAccess;
  /** Requests that each broker must know, in these versions. */
  readonly needed: readonly Request<unknown>[];
  /** Told when a broker does not let us in, or does not speak our versions, at the beginning or later on. */
  readonly onRefused: (reason: string) => void;
}

export class Cluster {
  readonly #options: ClusterOptions;
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  /** One object a broker, by host and port. */
  readonly #addresses = new Map<string, BrokerAddress>();
  readonly #leaders = new Map<string, BrokerAddress>();
  #answered: BrokerAddress | undefined;
  #isClosed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    for (const { host, port } of options.bootstrap) this.#address(host, port);
  }

  /** Undefined when it is not known now; `learn` asks. */
  leaderOf(at: TopicPartition): BrokerAddress | undefined {
    return this.#leaders.get(keyOf(at));
  }

  forgetLeader(at: TopicPartition): void {
    this.#leaders.delete(keyOf(at));
  }

  /** Asks for the leaders of topics' partitions; of those that have one. */
  async learn(topics: readonly string[]): Promise<void> {
    const connection = await this.#any();
    const answer = await connection.ask(metadata(topics));
    const brokers = new Map(
      answer.brokers.map(({ node, host, port }) => [node, this.#address(host, port)]),
    );
    for (const { topic, partitions } of answer.topics) {
      for (const { partition, error, leader } of partitions) {
        const address = brokers.get(leader);
        if (error === kafkaCodes.none && address !== undefined) {
          this.#leaders.set(keyOf({ topic, partition }), address);
        }
      }
    }
  }

  /** Rejects with the error of a broker that does not name it. */
  async coordinatorOf(of: 'group' | 'transaction', key: string): Promise<BrokerAddress> {
    const connection = await this.#any();
    const { error, host, port } = await connection.ask(findCoordinator(of, key));
    if (error !== kafkaCodes.none) throw brokerError(error);
    return this.#address(host, port);
  }

  /** A connection that is open: a broker closes those on which nothing is said for long. */
  async to(address: BrokerAddress): Promise<BrokerConnection> {
    const name = nameOf(address);
    const known = this.#connections.get(name);
    if (known !== undefined) {
      const connection = await known.catch(() => undefined);
      if (connection?.isOpen) return connection;
      // Somebody else has opened another meanwhile.
      if (this.#connections.get(name) !== known) return this.to(address);
    }
    const { access, needed, onRefused } = this.#options;
    const opening = BrokerConnection.open(address, access, needed);
    this.#connections.set(name, opening);
    try {
      const connection = await opening;
      if (this.#isClosed) connection.close();
      return connection;
    } catch (error) {
      if (error instanceof RefusedError) onRefused(error.message);
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const opening of this.#connections.values()) {
      opening.then(
        (connection) => connection.close(),
        () => {},
      );
    }
  }

  /** To a broker that answers: the last that did, or another we know of. */
  async #any(): Promise<BrokerConnection> {
    let last: unknown = new Error('no broker is known');
    const all = this.#addresses.values();
    for (const address of new Set(this.#answered ? [this.#answered, ...all] : all)) {
      try {
        const connection = await this.to(address);
        this.#answered = address;
        return connection;
      } catch (error) {
        if (error instanceof RefusedError) throw error;
        last = error;
      }
    }
    throw last;
  }

  #address(host: string, port: number): BrokerAddress {
    const name = nameOf({ host, port });
    const address = this.#addresses.get(name) ?? { host, port };
    this.#addresses.set(name, address);
    return address;
  }
}

function nameOf({ host, port }: BrokerAddress): string {
  return `${host}:${port}`;
}
