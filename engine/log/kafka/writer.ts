/**
 * The transactional writer of a process. A commit is one transaction over outputs, changelogs, cursors
 * and offsets. librdkafka speaks the older transaction protocol, in which a late commit or abort can hit
 * the next transaction (KAFKA-17754). Rule T1: after any doubt (an error, a broker that went away, a call
 * over a second) the producer is dropped and a new one initialised before the next transaction.
 */
import type { Clock } from '../../base/clock.ts';
import { MillraceError, messageOf } from '../../base/errors.ts';
import type { Append, Commit, CommitReceipt, GroupOffset, Writer } from '../log.ts';
import { answered, kafkaCodes, kafkaError } from './calls.ts';
import type { MessageError, MessageProducer, MessageTransport } from './messages.ts';
import type { KafkaConsumer, LibrdKafkaError, Producer } from './rdkafka.ts';

/** A transactional call that takes longer leaves a doubt, ms (T1). */
const doubtAfterMs = 1_000;
const queueFullPauseMs = 2;

export interface KafkaWriterOptions {
  readonly id: string;
  /** A new producer with the writer's transactional id. */
  readonly create: () => Producer;
  readonly connect: (client: Producer) => Promise<void>;
  /**
   * At least once: what `early` says of a topic is written and delivered before the transaction begins.
   * Changelogs, cursors and offsets stay in it, so that the writer of state is fenced all the same.
   */
  readonly outside?: {
    readonly early: (topic: string) => boolean;
    readonly create: () => Producer;
  };
  readonly transport: MessageTransport;
  /** The consumer whose offsets are committed; undefined for a writer that commits none. */
  readonly consumer: (() => KafkaConsumer) | undefined;
  readonly brokers: string;
  readonly callTimeoutMs: number;
  readonly transactionTimeoutMs: number;
  readonly clock: Clock;
}

interface OpenProducer {
  readonly client: Producer;
  readonly messages: MessageProducer;
}

export class KafkaWriter implements Writer {
  /** The ledger beside the offsets tells, task by task. */
  readonly lastCommitId = 0;
  readonly #options: KafkaWriterOptions;
  #producer: OpenProducer | undefined;
  #outside: OpenProducer | undefined;
  #doubt = false;

  private constructor(options: KafkaWriterOptions) {
    this.#options = options;
  }

  /** Opens a writer; every older one of that id is fenced. */
  static async open(options: KafkaWriterOptions): Promise<KafkaWriter> {
    const writer = new KafkaWriter(options);
    await writer.#open();
    return writer;
  }

  async commit(commit: Commit): Promise<CommitReceipt> {
    const { clock, id, transactionTimeoutMs } = this.#options;
    const begin = clock.monotonic();
    try {
      const producer = await this.#certain();
      return await this.#transact(producer, await this.#writeEarly(commit));
    } catch (error) {
      this.#doubt = true;
      if (error instanceof MillraceError && error.code !== 'LOG_UNREACHABLE') throw error;
      const code = Number((error as LibrdKafkaError).code);
      // The coordinator fences a transaction that timed out as well; a newer writer fences at once.
      const timedOut = clock.monotonic() - begin > transactionTimeoutMs / 2;
      if (isFenced(code) && !timedOut && this.#options.consumer === undefined) {
        throw new MillraceError('LOG_FENCED', { writer: id }, { cause: error });
      }
      const failure = this.#error('commit', error);
      if (failure.code === 'KAFKA_REFUSED' || failure.code === 'TOPIC_UNKNOWN') throw failure;
      const context = { commitId: commit.commitId, problem: messageOf(error) };
      throw new MillraceError('COMMIT_DOUBTFUL', context, { cause: error });
    }
  }

  async close(): Promise<void> {
    const open = [this.#producer, this.#outside];
    this.#producer = undefined;
    this.#outside = undefined;
    for (const producer of open) if (producer !== undefined) await this.#drop(producer);
  }

  /** Writes what need not be in the transaction; answers the rest of the commit. */
  async #writeEarly(commit: Commit): Promise<Commit> {
    const { outside, callTimeoutMs } = this.#options;
    if (outside === undefined) return commit;
    this.#outside ??= await this.#connected(outside.create());
    const early = commit.appends.filter(({ topic }) => outside.early(topic));
    for (const append of early) await this.#produce(this.#outside, append);
    const { failures } = await this.#outside.messages.flush(callTimeoutMs);
    const [failure] = failures;
    if (failure !== undefined) throw this.#refusal(failure);
    return { ...commit, appends: commit.appends.filter(({ topic }) => !outside.early(topic)) };
  }

  async #transact(producer: OpenProducer, commit: Commit): Promise<CommitReceipt> {
    const { client } = producer;
    await this.#call((done) => client.beginTransaction(done));
    await commit.at?.('C4');
    for (const append of commit.appends) await this.#produce(producer, append);
    await commit.at?.('C5');
    const { ends, failures } = await producer.messages.flush(this.#options.callTimeoutMs);
    const [failure] = failures;
    if (failure !== undefined) {
      throw (await this.#transactionError(client, failures)) ?? this.#refusal(failure);
    }
    // A retried request that the broker had taken before comes back without offsets.
    const told = new Set(ends.map(({ topic, partition }) => `${topic}/${partition}`));
    const silent = commit.appends.find(
      ({ topic, partition, batch }) => batch.count > 0 && !told.has(`${topic}/${partition}`),
    );
    if (silent !== undefined) {
      throw new Error(`${silent.topic}/${silent.partition}: written, but it is not told where`);
    }
    await commit.at?.('C6');
    await this.#sendOffsets(producer, commit.offsets);
    await commit.at?.('C7');
    await this.#call((done) => client.commitTransaction(this.#options.callTimeoutMs, done));
    return { ends: ends.map(({ topic, partition, offset }) => ({ topic, partition, offset })) };
  }

  async #produce({ client, messages }: OpenProducer, append: Append): Promise<void> {
    const { topic, partition, batch } = append;
    for (let from = 0; from < batch.count; ) {
      const next = messages.produce(topic, partition, batch, from);
      if (next < batch.count) {
        client.poll();
        await new Promise((resolve) => setTimeout(resolve, queueFullPauseMs));
      }
      from = next;
    }
  }

  async #sendOffsets(producer: OpenProducer, offsets: readonly GroupOffset[]): Promise<void> {
    const { consumer, callTimeoutMs } = this.#options;
    if (offsets.length === 0) return;
    if (consumer === undefined) throw new Error('a writer without a member commits no offsets');
    await this.#timed(producer.messages.sendOffsets(consumer(), offsets, callTimeoutMs));
  }

  /** The producer, without a doubt about it. */
  async #certain(): Promise<OpenProducer> {
    if (this.#doubt && this.#producer !== undefined) {
      const doubtful = this.#producer;
      this.#producer = undefined;
      await this.#drop(doubtful);
    }
    return this.#producer ?? (await this.#open());
  }

  async #open(): Promise<OpenProducer> {
    const { create, callTimeoutMs } = this.#options;
    const producer = await this.#connected(create());
    const { client } = producer;
    client.on('event.error', () => {
      this.#doubt = true;
    });
    try {
      await answered<void>(callTimeoutMs, (done) => client.initTransactions(callTimeoutMs, done));
    } catch (error) {
      await this.#drop(producer);
      throw this.#error(`begin as ${this.#options.id}`, error);
    }
    this.#producer = producer;
    this.#doubt = false;
    return producer;
  }

  async #connected(client: Producer): Promise<OpenProducer> {
    const messages = this.#options.transport.producer(client);
    await this.#options.connect(client);
    return { client, messages };
  }

  /** A producer with an open transaction leaves it to the coordinator, which aborts it at the next init. */
  async #drop({ client, messages }: OpenProducer): Promise<void> {
    const { callTimeoutMs } = this.#options;
    messages.release();
    await answered<unknown>(callTimeoutMs, (done) => client.disconnect(done)).catch(() => {});
  }

  #call(start: (done: (error: LibrdKafkaError) => void) => void): Promise<void> {
    const { callTimeoutMs } = this.#options;
    return this.#timed(
      answered<void>(callTimeoutMs + doubtAfterMs, (done) => start((error) => done(error))),
    );
  }

  /** A transactional call: one that takes long leaves a doubt. */
  async #timed(call: Promise<void>): Promise<void> {
    const { clock } = this.#options;
    const begin = clock.monotonic();
    await call;
    if (clock.monotonic() - begin > doubtAfterMs) this.#doubt = true;
  }

  /** Why the library gave the transaction up, when all it says of the records is that it dropped them. */
  async #transactionError(
    client: Producer,
    failures: readonly MessageError[],
  ): Promise<Error | undefined> {
    const code = failures[0]?.code;
    if (code !== kafkaCodes.purgedInQueue && code !== kafkaCodes.purgedInFlight) return undefined;
    try {
      // Begins nothing in the middle of a transaction; answers with the error that made it void.
      await this.#call((done) => client.beginTransaction(done));
      return undefined;
    } catch (error) {
      const reason = error as LibrdKafkaError;
      if (Number(reason.code) === kafkaCodes.state) return undefined;
      const topics = [...new Set(failures.map(({ topic }) => topic))].join(', ');
      const problem = new Error(`writing ${topics}: ${reason.message}`, { cause: error });
      return Object.assign(problem, { code: reason.code });
    }
  }

  /** A record the broker does not take belongs to the configuration: trying again would not mend it. */
  #refusal({ code, message, topic = '', partition = 0 }: MessageError): Error {
    if (code === kafkaCodes.messageTooLarge || code === kafkaCodes.invalidTimestamp) {
      return new MillraceError('RECORD_REFUSED', { topic, partition, problem: message });
    }
    return Object.assign(new Error(`${topic}/${partition}: ${message}`), { code });
  }

  #error(what: string, error: unknown): MillraceError {
    if (error instanceof MillraceError) return error;
    return kafkaError({ brokers: this.#options.brokers, what }, error as LibrdKafkaError);
  }
}

function isFenced(code: number): boolean {
  return code === kafkaCodes.fenced || code === kafkaCodes.invalidProducerEpoch;
}
