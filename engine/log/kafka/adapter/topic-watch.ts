/**
 * Checks every two seconds that a member's topics are the ones it started with, and that it may
 * still use the group. A topic that was deleted and created again has other records at the same
 * offsets: a reader that continues there skips records, and no broker reports it. The client itself
 * reports a lost right on the group only when the session ends. Brokers before 2.8 have no topic
 * ids, so there a topic that was created again is not noticed.
 */
import { MillraceError } from '../../../base/errors.ts';
import { after } from '../../../base/timing.ts';
import { Cluster, type Reach } from '../direct/cluster.ts';
import { kafkaError } from '../rdkafka/client-errors.ts';
import { type BrokerError, brokerError } from '../wire/broker-errors.ts';
import { findCoordinator, metadata } from '../wire/cluster-requests.ts';
import { isRefused } from '../wire/error-codes.ts';

/** Between two checks, ms. */
const lookEveryMs = 2_000;

export interface Watched {
  readonly reach: Reach;
  readonly topics: readonly string[];
  readonly group: string;
  /** The brokers as configured, for messages. */
  readonly brokers: string;
  /** Called once, with a permanent error. */
  readonly onFailure: (failure: MillraceError) => void;
}

export class TopicWatch {
  readonly #watched: Watched;
  readonly #cluster: Cluster;
  #callOff: () => void = () => {};
  #isClosed = false;

  constructor(watched: Watched) {
    this.#watched = watched;
    const needed = [metadata([]), findCoordinator('group', '')];
    this.#cluster = new Cluster({ ...watched.reach, needed });
  }

  start(): void {
    void this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#callOff();
    this.#cluster.close();
  }

  async #look(): Promise<void> {
    const { reach, topics, group, onFailure } = this.#watched;
    let failure: MillraceError | undefined;
    try {
      const found = await this.#cluster.learn(topics);
      const refused = found.topics.find(({ error }) => isRefused(error));
      const remade = topics.find((topic) => reach.view.isRemade(topic));
      if (remade !== undefined) failure = new MillraceError('TOPIC_REMADE', { topic: remade });
      if (refused !== undefined) {
        failure ??= this.#refusal(`read ${refused.topic}`, brokerError(refused.error));
      }
      await this.#cluster.coordinatorOf('group', group);
    } catch (error) {
      // Unreachable brokers and refused logins are reported elsewhere.
      const code = Number((error as Partial<BrokerError>).code);
      if (isRefused(code)) failure ??= this.#refusal(`read group ${group}`, error as BrokerError);
    }
    if (this.#isClosed) return;
    if (failure !== undefined) onFailure(failure);
    else this.#callOff = after(reach.timing.scheduler, lookEveryMs, () => void this.#look());
  }

  #refusal(what: string, error: BrokerError): MillraceError {
    return kafkaError({ brokers: this.#watched.brokers, what }, error);
  }
}
