/**
 * The transactional writer of a process. A commit is one transaction over outputs, changelogs,
 * cursors and offsets, in the older transaction protocol, in which a late commit or abort can hit
 * the next transaction (KAFKA-17754). Rule T1: after any doubt (an error, a lost broker, a call of
 * over a second) the producer is closed and a new one is initialised before the next transaction.
 */
import type { Clock } from '../../../base/clock.ts';
import { isPassing, MillraceError, messageOf } from '../../../base/errors.ts';
import type { Commit, CommitReceipt, GroupOffset, Writer } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import { refusalOf, type Transactions } from '../direct/transactions.ts';
import { kafkaError } from '../rdkafka/client-errors.ts';
import type { ClientProducer } from '../rdkafka/client-producer.ts';
import type { LibrdKafkaError } from '../rdkafka/rdkafka.ts';
import type { BrokerError } from '../wire/broker-errors.ts';
import { isMissing, kafkaCodes } from '../wire/error-codes.ts';

/** A transactional call that takes longer causes a doubt, ms (T1). */
const doubtAfterMs = 1_000;

export interface KafkaWriterOptions {
  readonly id: string;
  /**
   * Initialises a producer with the writer's transactional id; every older one is fenced. `onDoubt`
   * is called for possible errors between calls.
   */
  readonly open: (onDoubt: () => void) => Promise<Transactions>;
  /**
   * For at-least-once: topics selected by `early` are written and delivered before the transaction
   * begins. Changelogs, cursors and offsets stay in it, so that the writer of state is fenced.
   */
  readonly outside?: {
    readonly early: (topic: string) => boolean;
    readonly open: () => Promise<ClientProducer>;
  };
  /** Makes waits for brokers end within seconds. */
  readonly hurry?: () => void;
  /** Topics that only this application writes, and that may not lose a record. */
  readonly isState?: (topic: string) => boolean;
  /** True if its offsets belong to a group, whose protocol decides who may commit them. */
  readonly ofMember: boolean;
  readonly brokers: string;
  readonly transactionTimeoutMs: number;
  readonly clock: Clock;
}

export class KafkaWriter implements Writer {
  /** Unknown: the ledger has it, task by task. */
  readonly lastCommitId = 0;
  readonly #options: KafkaWriterOptions;
  #transactions: Transactions | undefined;
  #outside: ClientProducer | undefined;
  #doubt = false;
  /** Last known end offsets of the partitions of state topics. */
  readonly #ends = new Map<string, number>();

  private constructor(options: KafkaWriterOptions) {
    this.#options = options;
  }

  /** Opens a writer; every older one with this id is fenced. */
  static async open(options: KafkaWriterOptions): Promise<KafkaWriter> {
    const writer = new KafkaWriter(options);
    await writer.#open();
    return writer;
  }

  async commit(commit: Commit): Promise<CommitReceipt> {
    const { clock, id, transactionTimeoutMs, ofMember } = this.#options;
    const begin = clock.monotonic();
    try {
      const transactions = await this.#certain();
      return await this.#transact(transactions, await this.#writeEarly(commit));
    } catch (error) {
      this.#doubt = true;
      if (error instanceof MillraceError && !isPassing(error)) throw error;
      const code = Number((error as LibrdKafkaError).code);
      // The coordinator also fences a transaction that timed out; a newer writer fences at once.
      const timedOut = clock.monotonic() - begin > transactionTimeoutMs / 2;
      if (isFenced(code) && !timedOut && !ofMember) {
        throw new MillraceError('LOG_FENCED', { writer: id }, { cause: error });
      }
      const failure = this.#error('commit', error);
      if (!isPassing(failure)) throw failure;
      const context = { commitId: commit.commitId, problem: messageOf(error) };
      throw new MillraceError('COMMIT_DOUBTFUL', context, { cause: error });
    }
  }

  hurry(): void {
    this.#options.hurry?.();
  }

  async close(): Promise<void> {
    const open = [this.#transactions, this.#outside];
    this.#transactions = undefined;
    this.#outside = undefined;
    for (const producer of open) await producer?.close();
  }

  /** Writes appends that need not be in the transaction; returns the rest of the commit. */
  async #writeEarly(commit: Commit): Promise<Commit> {
    const { outside } = this.#options;
    if (outside === undefined) return commit;
    this.#outside ??= await outside.open();
    const early = commit.appends.filter(({ topic }) => outside.early(topic));
    for (const append of early) await this.#outside.append(append);
    const { failures } = await this.#outside.flush();
    const [failure] = failures;
    if (failure !== undefined) throw refusalOf(failure);
    return { ...commit, appends: commit.appends.filter(({ topic }) => !outside.early(topic)) };
  }

  async #transact(transactions: Transactions, commit: Commit): Promise<CommitReceipt> {
    const { appends, offsets } = commit;
    await this.#timed(() => transactions.begin());
    await commit.onPhase?.('append');
    for (const append of appends) await transactions.append(append);
    await commit.onPhase?.('flush');
    const ends = await transactions.flush();
    // A retried request that the broker had already accepted returns no offsets.
    const told = new Set(ends.map(keyOf));
    const silent = appends.find((append) => append.batch.count > 0 && !told.has(keyOf(append)));
    if (silent !== undefined) {
      throw new Error(`${keyOf(silent)}: written, but it is not told where`);
    }
    this.#checkEnds(ends);
    await commit.onPhase?.('offsets');
    if (offsets.length > 0) await this.#timed(() => transactions.sendOffsets(offsets));
    await commit.onPhase?.('commit');
    await this.#timed(() => transactions.commit());
    return { ends };
  }

  /**
   * A changelog partition whose end has moved back has lost records: its topic was deleted and
   * created again. A commit on it would hide the loss.
   */
  #checkEnds(ends: readonly GroupOffset[]): void {
    const { isState = () => false } = this.#options;
    for (const end of ends) {
      if (!isState(end.topic)) continue;
      const key = keyOf(end);
      if (end.offset <= (this.#ends.get(key) ?? -1)) {
        throw new MillraceError('TOPIC_REMADE', { topic: end.topic });
      }
      this.#ends.set(key, end.offset);
    }
  }

  /** A producer without a doubt. */
  async #certain(): Promise<Transactions> {
    if (this.#doubt && this.#transactions !== undefined) {
      const doubtful = this.#transactions;
      this.#transactions = undefined;
      await doubtful.close();
    }
    return this.#transactions ?? (await this.#open());
  }

  async #open(): Promise<Transactions> {
    const { id, open } = this.#options;
    let transactions: Transactions;
    try {
      transactions = await open(() => {
        this.#doubt = true;
      });
    } catch (error) {
      throw this.#error(`begin as ${id}`, error);
    }
    this.#transactions = transactions;
    this.#doubt = false;
    return transactions;
  }

  /** Runs a transactional call; a long one causes a doubt. */
  async #timed(call: () => Promise<void>): Promise<void> {
    const { clock } = this.#options;
    const begin = clock.monotonic();
    await call();
    if (clock.monotonic() - begin > doubtAfterMs) this.#doubt = true;
  }

  #error(what: string, error: unknown): MillraceError {
    if (error instanceof MillraceError) return error;
    const { code, topic } = error as LibrdKafkaError & Partial<BrokerError>;
    // The wait has lasted as long as the creation of a topic may take.
    if (topic !== undefined && isMissing(Number(code))) {
      return new MillraceError('TOPIC_DELETED', { topic }, { cause: error });
    }
    return kafkaError({ brokers: this.#options.brokers, what }, error as LibrdKafkaError);
  }
}

function isFenced(code: number): boolean {
  return (
    code === kafkaCodes.fenced ||
    code === kafkaCodes.producerFenced ||
    code === kafkaCodes.invalidProducerEpoch
  );
}
