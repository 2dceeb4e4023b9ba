/** The clients of a log: created, connected, and disconnected with it. */
import { isPassing, MillraceError } from '../../../base/errors.ts';
import { type ClientCalls, constructed } from '../rdkafka/client-calls.ts';
import { codeOf, refusalIn } from '../rdkafka/client-errors.ts';
import type {
  KafkaConsumer,
  LibrdKafkaError,
  Producer,
  RdkafkaModule,
} from '../rdkafka/rdkafka.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

type ClientOptions = Readonly<Record<string, unknown>>;

/** One attempt to reach the brokers at the start, ms. */
const attemptMs = 3_000;

export interface ClientPoolOptions {
  readonly rdkafka: RdkafkaModule;
  readonly calls: ClientCalls;
  /** How long to wait for brokers that do not respond, ms. */
  readonly connectTimeoutMs: number;
}

export class ClientPool {
  readonly #options: ClientPoolOptions;
  readonly #consumers: KafkaConsumer[] = [];

  constructor(options: ClientPoolOptions) {
    this.#options = options;
  }

  /**
   * Connects the first clients. An attempt cannot be cancelled, so attempts are short: a refusal
   * ends the process soon.
   */
  async first(all: readonly ClientOptions[]): Promise<KafkaConsumer[]> {
    const { connectTimeoutMs, calls } = this.#options;
    const { clock } = calls.timing;
    const end = clock.monotonic() + connectTimeoutMs;
    const clients: KafkaConsumer[] = [];
    for (;;) {
      const left = end - clock.monotonic();
      const timeoutMs = Math.max(1, Math.min(left, attemptMs));
      const attempts = await Promise.allSettled(
        all.map(async (options, i) => {
          clients[i] ??= await this.consumer(options, timeoutMs);
        }),
      );
      const failed = attempts.find((attempt) => attempt.status === 'rejected');
      if (failed === undefined) return clients;
      if (!isPassing(failed.reason) || left <= attemptMs) throw failed.reason;
    }
  }

  /** A connected consumer, which is disconnected when the pool is closed. */
  async consumer(options: ClientOptions, timeoutMs?: number): Promise<KafkaConsumer> {
    const { rdkafka } = this.#options;
    const client = constructed(() => new rdkafka.KafkaConsumer({ ...options } as never, {}));
    await this.connect(client, timeoutMs);
    this.#consumers.push(client);
    return client;
  }

  /** A producer, which the caller connects and disconnects. */
  producer(options: ClientOptions): Producer {
    return constructed(() => new this.#options.rdkafka.Producer(options as never, {}));
  }

  /** Connects a client; waits for brokers that do not respond yet, but not after a refusal. */
  async connect(
    client: KafkaConsumer | Producer,
    timeoutMs = this.#options.connectTimeoutMs,
  ): Promise<void> {
    const { calls } = this.#options;
    let last: { readonly code: number; readonly message: string } | undefined;
    let refuse: (error: LibrdKafkaError) => void = () => {};
    (client as KafkaConsumer).on('event.error', (error: LibrdKafkaError) => {
      if (codeOf(error) !== kafkaCodes.allBrokersDown) last ??= error;
    });
    (client as KafkaConsumer).on('event.log', ({ message }: { readonly message: string }) => {
      const refusal = refusalIn(message);
      if (refusal === undefined) return;
      last = { code: kafkaCodes.authentication, message: refusal };
      refuse(last as LibrdKafkaError);
    });
    const purpose = { what: 'connect' };
    const start = (done: (error: LibrdKafkaError | null) => void) => {
      refuse = done;
      client.connect({ timeout: timeoutMs }, done as never);
    };
    try {
      await calls.asked<unknown>(purpose, start, timeoutMs + 1_000);
    } catch (error) {
      await disconnected(calls, client, 1_000);
      if (last === undefined || !(error instanceof MillraceError)) throw error;
      throw calls.errorOf(purpose, last);
    }
  }

  async close(): Promise<void> {
    const { calls } = this.#options;
    for (const client of this.#consumers.splice(0)) await disconnected(calls, client);
  }
}

/** Disconnects a client; gives up on one that does not respond. */
async function disconnected(
  calls: ClientCalls,
  client: KafkaConsumer | Producer,
  timeoutMs?: number,
): Promise<void> {
  const gone = calls.answered<unknown>((done) => client.disconnect(done as never), timeoutMs);
  await gone.catch(() => {});
}
