/**
 * A member of a Kafka consumer group. Rebalances come as changes that wait for the runtime's answer, so
 * that a partition is let go only when all of it is committed and closed (R1-R6 of a hand-over).
 */
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { GroupOffset, ReadLimits, TopicPartition } from '../log.ts';
import type { AssignmentChange, Fetched, Member } from '../member.ts';
import { answered, constructed, kafkaCodes, kafkaError } from './calls.ts';
import type { MessageError, MessageTransport } from './messages.ts';
import { Pump } from './pump.ts';
import type { KafkaConsumer, LibrdKafkaError, RdkafkaModule } from './rdkafka.ts';
import type { KafkaReader } from './reader.ts';

const leaveTimeoutMs = 15_000;

export interface KafkaMemberOptions {
  readonly rdkafka: RdkafkaModule;
  readonly transport: MessageTransport;
  /** Options of the group's consumer, without callbacks. */
  readonly consumer: Readonly<Record<string, unknown>>;
  readonly connect: (client: KafkaConsumer) => Promise<void>;
  readonly topics: readonly string[];
  readonly brokers: string;
  readonly bufferBytes: number;
  readonly maxPollIntervalMs: number;
  /** Reads partitions that are not the group's. */
  readonly reader: KafkaReader;
  readonly clock: Clock;
}

export class KafkaMember implements Member {
  readonly sole = false;
  readonly client: KafkaConsumer;
  readonly #options: KafkaMemberOptions;
  readonly #pump: Pump;
  readonly #changes: AssignmentChange[] = [];
  #news = false;
  #wake: (() => void) | undefined;
  #left = false;

  private constructor(options: KafkaMemberOptions) {
    this.#options = options;
    const onRebalance = (error: LibrdKafkaError, partitions: TopicPartition[]) =>
      this.#rebalanced(error, partitions);
    const config = { ...options.consumer, rebalance_cb: onRebalance };
    this.client = constructed(() => new options.rdkafka.KafkaConsumer(config as never, {}));
    this.client.on('event.error', () => {});
    this.#pump = new Pump({
      client: this.client,
      messages: options.transport.consumer(this.client),
      clock: options.clock,
      bufferBytes: options.bufferBytes,
      idleStopMs: options.maxPollIntervalMs,
      onError: (error) => memberError(options.brokers, error),
      onNews: () => this.#tell(),
    });
    options.reader.onNews = () => this.#tell();
  }

  static async join(options: KafkaMemberOptions): Promise<KafkaMember> {
    const member = new KafkaMember(options);
    await options.connect(member.client);
    member.client.subscribe([...options.topics]);
    member.#pump.start();
    return member;
  }

  takeChange(): AssignmentChange | undefined {
    this.#pump.touch();
    return this.#changes.shift();
  }

  async fetch(at: TopicPartition, from: number, limits: ReadLimits): Promise<Fetched> {
    if (this.#pump.has(at)) return this.#pump.fetch(at, from, limits);
    return this.#options.reader.follow(at, from, limits);
  }

  async lag(at: TopicPartition, position: number): Promise<number> {
    const end = await this.#options.reader.endOffset(at);
    // Behind the last record stand marks of transactions that no reader gets.
    const seen = this.#pump.endSeen(at, position) ?? position;
    return Math.max(0, end - Math.max(seen, position));
  }

  wait(waitMs: number, signal?: AbortSignal): Promise<void> {
    this.#pump.touch();
    if (this.#news || signal?.aborted === true) {
      this.#news = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#wake = undefined;
        this.#news = false;
        resolve();
      };
      const timer = setTimeout(done, waitMs);
      signal?.addEventListener('abort', done);
      this.#wake = done;
    });
  }

  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    for (const change of this.#changes.splice(0)) await change.answer([]);
    await this.#pump.stop();
    // Whoever does not answer within the time leaves by the session timeout.
    await answered<unknown>(leaveTimeoutMs, (done) => this.client.disconnect(done)).catch(() => {});
  }

  #rebalanced(error: LibrdKafkaError, partitions: readonly TopicPartition[]): void {
    const given = partitions.map(({ topic, partition }) => ({ topic, partition }));
    const kind = error.code === kafkaCodes.assignPartitions ? 'assigned' : 'revoked';
    const answer = async (positions: readonly GroupOffset[]) => {
      if (kind === 'assigned') this.#assign(given, positions);
      else this.#unassign(given);
    };
    if (this.#left) {
      // The runtime has closed everything already.
      this.#unassign(given);
      return;
    }
    this.#changes.push({ kind, partitions: given, answer });
    this.#tell();
  }

  #assign(partitions: readonly TopicPartition[], positions: readonly GroupOffset[]): void {
    for (const position of positions) this.#pump.add(position);
    const offsetOf = new Map(positions.map((p) => [`${p.topic}/${p.partition}`, p.offset]));
    const list = partitions.map((at) => {
      const offset = offsetOf.get(`${at.topic}/${at.partition}`);
      return offset === undefined ? at : { ...at, offset };
    });
    this.#applied(() => {
      if (this.client.rebalanceProtocol() === 'COOPERATIVE') this.client.incrementalAssign(list);
      else this.client.assign(list);
    });
  }

  #unassign(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#pump.remove(at);
    this.#applied(() => {
      if (this.client.rebalanceProtocol() === 'COOPERATIVE') {
        this.client.incrementalUnassign([...partitions]);
      } else this.client.unassign();
    });
  }

  /** The group may have gone on before the answer: the client refuses it then, and calls back anew. */
  #applied(answer: () => void): void {
    try {
      answer();
    } catch {
      // What holds comes as the next change.
    }
  }

  #tell(): void {
    this.#news = true;
    this.#wake?.();
  }
}

/** What a poll's error means for the run; undefined for what the client mends by itself. */
function memberError(brokers: string, error: MessageError): MillraceError | undefined {
  const { topic } = error;
  if (error.code === kafkaCodes.fencedInstanceId) {
    return new MillraceError('LOG_FENCED', { writer: 'of this instance id' }, { cause: error });
  }
  const named = topic === undefined ? {} : { topic };
  const failure = kafkaError({ brokers, what: 'read', ...named }, error);
  return failure.code === 'LOG_UNREACHABLE' ? undefined : failure;
}
