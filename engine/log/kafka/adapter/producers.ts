/**
 * Producers of a log: direct ones if the settings and the brokers allow it, otherwise the client's.
 */
import { DirectTransactions } from '../direct/direct-transactions.ts';
import type { Transactions } from '../direct/transactions.ts';
import type { ClientCalls } from '../rdkafka/client-calls.ts';
import { ClientProducer, type ClientProducerOptions } from '../rdkafka/client-producer.ts';
import { openClientTransactions } from '../rdkafka/client-transactions.ts';
import type { MessageTransport } from '../rdkafka/messages.ts';
import type { KafkaConsumer } from '../rdkafka/rdkafka.ts';
import { plainProducerOptions, producerOptions } from '../settings/client-configs.ts';
import type { KafkaSettings } from '../settings/kafka-settings.ts';
import type { Patience } from '../wire/retry.ts';
import { RefusedError } from '../wire/sasl-login.ts';
import type { ClientPool } from './client-pool.ts';
import type { DirectWriting } from './transport-choice.ts';

export interface ProducersOptions {
  readonly settings: KafkaSettings;
  readonly calls: ClientCalls;
  readonly clients: ClientPool;
  readonly transport: MessageTransport;
  /** Undefined: the client writes. */
  readonly writing: DirectWriting | undefined;
  /** Called when the client must write after all. */
  readonly onHandedBack: (reason: string) => void;
}

export class Producers {
  readonly #options: ProducersOptions;
  #writing: DirectWriting | undefined;

  constructor(options: ProducersOptions) {
    this.#options = options;
    this.#writing = options.writing;
  }

  /** A producer outside of transactions. */
  plain(): Promise<ClientProducer> {
    return ClientProducer.connected(this.#ofClient(plainProducerOptions(this.#options.settings)));
  }

  /**
   * A direct producer if possible; a refusal of the brokers is reported by the client as well.
   * @param consumer consumer whose offsets are committed; undefined if none are
   * @param patience how long to wait for transient errors
   */
  async transactional(
    transactionalId: string,
    consumer: (() => KafkaConsumer) | undefined,
    onDoubt: () => void,
    patience: Patience,
  ): Promise<Transactions> {
    const { settings } = this.#options;
    const { callTimeoutMs, transactionTimeoutMs } = settings;
    const writing = this.#writing;
    if (writing !== undefined) {
      const { membership } = writing;
      try {
        return await DirectTransactions.open({
          ...writing,
          transactionalId,
          transactionTimeoutMs,
          callTimeoutMs,
          patience,
          membership: consumer && (() => membership(consumer())),
          onRefused: (reason) => this.#handBack(reason),
        });
      } catch (error) {
        if (!(error instanceof RefusedError)) throw error;
      }
    }
    const options = this.#ofClient(producerOptions(settings, transactionalId));
    return openClientTransactions({ ...options, consumer }, onDoubt);
  }

  /** Lets the client write from the next producer on. */
  #handBack(reason: string): void {
    if (this.#writing === undefined) return;
    this.#writing = undefined;
    this.#options.onHandedBack(reason);
  }

  #ofClient(options: Readonly<Record<string, unknown>>): ClientProducerOptions {
    const { clients, transport, calls } = this.#options;
    const reports = transport.kind === 'plain' ? { dr_cb: true } : {};
    return {
      create: () => clients.producer({ ...options, ...reports }),
      connect: (client) => clients.connect(client),
      transport,
      calls,
    };
  }
}
