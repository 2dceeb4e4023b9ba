/** Transactions with a producer of librdkafka. */
import type { Append, GroupOffset } from '../../log.ts';
import { refusalOf, type Transactions } from '../direct/transactions.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import { kafkaCodes } from '../wire/error-codes.ts';
import { graceMs } from './client-calls.ts';
import { ClientProducer, type ClientProducerOptions } from './client-producer.ts';
import type { KafkaConsumer, LibrdKafkaError } from './rdkafka.ts';

export interface ClientTransactionsOptions extends ClientProducerOptions {
  /** The consumer whose offsets are committed; undefined if none are. */
  readonly consumer: (() => KafkaConsumer) | undefined;
}

/**
 * Initialises a producer whose options name a transactional id.
 * @param onDoubt called for errors between calls
 */
export async function openClientTransactions(
  options: ClientTransactionsOptions,
  onDoubt: () => void,
): Promise<Transactions> {
  const { calls } = options;
  const producer = await ClientProducer.connected(options);
  const { client } = producer;
  client.on('event.error', onDoubt);
  try {
    await calls.answered<void>((done) => client.initTransactions(calls.timeoutMs, done));
  } catch (error) {
    await producer.close();
    throw error;
  }
  return new ClientTransactions(options, producer);
}

class ClientTransactions implements Transactions {
  readonly #options: ClientTransactionsOptions;
  readonly #producer: ClientProducer;

  constructor(options: ClientTransactionsOptions, producer: ClientProducer) {
    this.#options = options;
    this.#producer = producer;
  }

  begin(): Promise<void> {
    return this.#call((done) => this.#producer.client.beginTransaction(done));
  }

  append(append: Append): Promise<void> {
    return this.#producer.append(append);
  }

  async flush(): Promise<readonly GroupOffset[]> {
    const { ends, failures } = await this.#producer.flush();
    const [failure] = failures;
    if (failure !== undefined) throw (await this.#reasonOf(failures)) ?? refusalOf(failure);
    return ends;
  }

  async sendOffsets(offsets: readonly GroupOffset[]): Promise<void> {
    const { consumer, calls } = this.#options;
    if (consumer === undefined) throw new Error('a writer without a member commits no offsets');
    await this.#producer.messages.sendOffsets(consumer(), offsets, calls.timeoutMs);
  }

  commit(): Promise<void> {
    const { timeoutMs } = this.#options.calls;
    return this.#call((done) => this.#producer.client.commitTransaction(timeoutMs, done));
  }

  close(): Promise<void> {
    return this.#producer.close();
  }

  #call(start: (done: (error: LibrdKafkaError) => void) => void): Promise<void> {
    const { calls } = this.#options;
    return calls.answered<void>((done) => start((error) => done(error)), calls.timeoutMs + graceMs);
  }

  /** Why the library gave up the transaction, if it only reports the records as dropped. */
  async #reasonOf(failures: readonly PartitionError[]): Promise<Error | undefined> {
    const code = failures[0]?.code;
    if (code !== kafkaCodes.purgedInQueue && code !== kafkaCodes.purgedInFlight) return undefined;
    try {
      // In the middle of a transaction this begins nothing, but returns the error that voided it.
      await this.begin();
      return undefined;
    } catch (error) {
      const reason = error as LibrdKafkaError;
      if (Number(reason.code) === kafkaCodes.state) return undefined;
      const topics = [...new Set(failures.map(({ topic }) => topic))].join(', ');
      const problem = new Error(`writing ${topics}: ${reason.message}`, { cause: error });
      return Object.assign(problem, { code: reason.code });
    }
  }
}
