/**
 * Tracks whether the brokers respond. The client reports broken connections, but never restored
 * ones, so it is polled.
 */
import { type ClientCalls, graceMs } from '../rdkafka/client-calls.ts';
import { codeOf } from '../rdkafka/client-errors.ts';
import type { KafkaConsumer, LibrdKafkaError } from '../rdkafka/rdkafka.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

/** Timeout of a request to the cluster, and the pause before the next, ms. */
const askMs = 2_000;
const pauseMs = 500;

export interface ReachabilityOptions {
  /** A polled consumer, which reports its events. */
  readonly polled: KafkaConsumer;
  /** The client for the requests. */
  readonly probe: KafkaConsumer;
  readonly calls: ClientCalls;
  readonly onAway: (problem: string) => void;
  readonly onBack: (awayMs: number) => void;
}

export class Reachability {
  readonly #options: ReachabilityOptions;
  #isAsking = false;
  readonly #closing = new AbortController();

  constructor(options: ReachabilityOptions) {
    this.#options = options;
    options.polled.on('event.error', (error: LibrdKafkaError) => {
      const code = codeOf(error);
      // "All brokers down" is not always reported; a broken connection is.
      if (code === kafkaCodes.allBrokersDown || code === kafkaCodes.transport) {
        void this.#ask(error.message);
      }
    });
  }

  /** A request in progress ends with its deadline. */
  close(): void {
    this.#closing.abort();
  }

  async #ask(problem: string): Promise<void> {
    const { calls, onAway, onBack } = this.#options;
    const { clock, scheduler } = calls.timing;
    const { signal } = this.#closing;
    if (this.#isAsking || signal.aborted) return;
    this.#isAsking = true;
    const since = clock.monotonic();
    if (!(await this.#answers())) {
      if (!signal.aborted) onAway(problem);
      while (!signal.aborted && !(await this.#answers())) {
        await scheduler.sleep(pauseMs, signal);
      }
      if (!signal.aborted) onBack(clock.monotonic() - since);
    }
    this.#isAsking = false;
  }

  #answers(): Promise<boolean> {
    const { calls, probe } = this.#options;
    const answer = calls.answered<unknown>(
      (done) => probe.getMetadata({ timeout: askMs }, done as never),
      askMs + graceMs,
    );
    return answer.then(
      () => true,
      () => false,
    );
  }
}
