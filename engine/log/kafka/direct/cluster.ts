/**
 * One user's connections to the brokers, opened on demand, and requests to the cluster.
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

/** How to reach the brokers without the client; all users of a log share the view. */
export interface Reach {
  readonly view: ClusterView;
  readonly access: BrokerAccess;
  readonly timing: Timing;
}

export interface ClusterOptions extends Reach {
  /** Requests that each broker must support, in these versions. */
  readonly needed: readonly Request<unknown>[];
  /**
   * Called when a broker refuses the login, or does not support our versions, at the start or
   * later.
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

  /** True if a broker has accepted our login. */
  get isLetIn(): boolean {
    return this.#isLetIn;
  }

  /** Requests the leaders of topics' partitions, and stores them. */
  async learn(topics: readonly string[]): Promise<Metadata> {
    const connection = await this.#any();
    const withIds = metadataWithIds(topics);
    const answer = await connection.ask(connection.speaks(withIds) ? withIds : metadata(topics));
    this.view.take(answer);
    return answer;
  }

  /** Finds a coordinator; rejects with the broker's error if it has none. */
  async coordinatorOf(of: 'group' | 'transaction', key: string): Promise<BrokerAddress> {
    const connection = await this.#any();
    const { error, host, port } = await connection.ask(findCoordinator(of, key));
    if (error !== kafkaCodes.none) throw brokerError(error);
    return this.view.brokerAt(host, port);
  }

  /** Sends a request to any broker. */
  async askAny<Answer>(request: Request<Answer>): Promise<Answer> {
    return (await this.#any()).ask(request);
  }

  /** An open connection; brokers close idle ones, which are then replaced. */
  async to(broker: BrokerAddress): Promise<BrokerConnection> {
    const known = this.#shared.get(broker);
    if (known !== undefined) {
      const connection = await known.catch(() => undefined);
      if (connection?.isOpen) return connection;
      // Another connection was opened meanwhile.
      if (this.#shared.get(broker) !== known) return this.to(broker);
    }
    const opening = this.#open(broker);
    this.#shared.set(broker, opening);
    return opening;
  }

  /** A connection for exclusive use; `release` closes it. */
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

  /** A connection to a broker that responds: the last one, or another known one. */
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
