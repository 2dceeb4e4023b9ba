/**
 * The brokers as one user of them asks them: a connection to each that is needed, and what they say
 * of the cluster.
 */
import type { Timing } from '../../../base/timing.ts';
import {
  type BrokerAccess,
  type BrokerAddress,
  BrokerConnection,
} from '../wire/broker-connection.ts';
import { brokerError } from '../wire/broker-errors.ts';
import {
  findCoordinator,
  type Metadata,
  metadata,
  metadataWithIds,
} from '../wire/cluster-requests.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { RefusedError } from '../wire/sasl-login.ts';
import type { Request } from '../wire/wire-request.ts';
import type { ClusterView } from './cluster-view.ts';

/** How to reach the brokers past the client; all of a log share the view. */
export interface Reach {
  readonly view: ClusterView;
  readonly access: BrokerAccess;
  readonly timing: Timing;
}

export interface ClusterOptions extends Reach {
  /** Requests that each broker must know, in these versions. */
  readonly needed: readonly Request<unknown>[];
  /**
   * Told when a broker does not let us in, or does not speak our versions, at the beginning or
   * later on.
   */
  readonly onRefused?: (reason: string) => void;
}

export class Cluster {
  readonly view: ClusterView;
  readonly #options: ClusterOptions;
  readonly #shared = new Map<BrokerAddress, Promise<BrokerConnection>>();
  readonly #own = new Set<BrokerConnection>();
  #isLetIn = false;
  #isClosed = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.view = options.view;
  }

  /** A broker has let us in before. */
  get isLetIn(): boolean {
    return this.#isLetIn;
  }

  /** Asks for the leaders of topics' partitions, and takes note of them. */
  async learn(topics: readonly string[]): Promise<Metadata> {
    const connection = await this.#any();
    const withIds = metadataWithIds(topics);
    const answer = await connection.ask(connection.speaks(withIds) ? withIds : metadata(topics));
    this.view.take(answer);
    return answer;
  }

  /** Rejects with the error of a broker that does not name it. */
  async coordinatorOf(of: 'group' | 'transaction', key: string): Promise<BrokerAddress> {
    const connection = await this.#any();
    const { error, host, port } = await connection.ask(findCoordinator(of, key));
    if (error !== kafkaCodes.none) throw brokerError(error);
    return this.view.brokerAt(host, port);
  }

  /** Asks any broker. */
  async askAny<Answer>(request: Request<Answer>): Promise<Answer> {
    return (await this.#any()).ask(request);
  }

  /** A connection that is open: a broker closes those on which nothing is said for long. */
  async to(broker: BrokerAddress): Promise<BrokerConnection> {
    const known = this.#shared.get(broker);
    if (known !== undefined) {
      const connection = await known.catch(() => undefined);
      if (connection?.isOpen) return connection;
      // Somebody else has opened another meanwhile.
      if (this.#shared.get(broker) !== known) return this.to(broker);
    }
    const opening = this.#open(broker);
    this.#shared.set(broker, opening);
    return opening;
  }

  /** A connection on which nobody else asks; `release` closes it. */
  async own(broker: BrokerAddress): Promise<BrokerConnection> {
    const connection = await this.#open(broker);
    this.#own.add(connection);
    return connection;
  }

  release(connection: BrokerConnection): void {
    this.#own.delete(connection);
    connection.close();
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of this.#own) connection.close();
    for (const opening of this.#shared.values()) {
      opening.then(
        (connection) => connection.close(),
        () => {},
      );
    }
  }

  async #open(broker: BrokerAddress): Promise<BrokerConnection> {
    const { access, needed, timing, onRefused } = this.#options;
    try {
      const connection = await BrokerConnection.open(broker, access, needed, timing.scheduler);
      this.#isLetIn = true;
      if (this.#isClosed) connection.close();
      return connection;
    } catch (error) {
      if (error instanceof RefusedError) onRefused?.(error.message);
      throw error;
    }
  }

  /** To a broker that answers: the last that did, or another we know of. */
  async #any(): Promise<BrokerConnection> {
    let last: unknown = new Error('no broker is known');
    for (const broker of this.view.brokers) {
      if (this.#isClosed) break;
      try {
        const connection = await this.to(broker);
        this.view.answered(broker);
        return connection;
      } catch (error) {
        if (error instanceof RefusedError) throw error;
        last = error;
      }
    }
    throw last;
  }
}
