/** Whether the brokers answer. The client says when a connection breaks, never that one is back: it is asked. */
import type { Clock } from '../../../base/clock.ts';
import { answered, graceMs } from '../rdkafka/client-calls.ts';
import { codeOf } from '../rdkafka/client-errors.ts';
import type { KafkaConsumer, LibrdKafkaError } from '../rdkafka/rdkafka.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

/** A question for the cluster, and the pause to the next, ms. */
const askMs = 2_000;
const pauseMs = 500;

export interface ReachabilityOptions {
  /** A consumer that is polled, and so tells what happens to it. */
  readonly polled: KafkaConsumer;
  /** The client that is asked. */
  readonly probe: KafkaConsumer;
  readonly clock: Clock;
  readonly onAway: (problem: string) => void;
  readonly onBack: (awayMs: number) => void;
}

export class Reachability {
  readonly #options: ReachabilityOptions;
  #isAsking = false;
  #isClosed = false;

  constructor(options: ReachabilityOptions) {
    this.#options = options;
    options.polled.on('event.error', (error: LibrdKafkaError) => {
      const code = codeOf(error);
      // That all are down is not always said; a connection that broke is.
      if (code === kafkaCodes.allBrokersDown || code === kafkaCodes.transport) {
        void this.#ask(error.message);
      }
    });
  }

  /** What is asked now ends with its deadline. */
  close(): void {
    this.#isClosed = true;
  }

  async #ask(problem: string): Promise<void> {
    const { clock, onAway, onBack } = this.#options;
    if (this.#isAsking || this.#isClosed) return;
    this.#isAsking = true;
    const since = clock.monotonic();
    if (!(await this.#answers())) {
      if (!this.#isClosed) onAway(problem);
      while (!this.#isClosed && !(await this.#answers())) {
        await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
      }
      if (!this.#isClosed) onBack(clock.monotonic() - since);
    }
    this.#isAsking = false;
  }

  #answers(): Promise<boolean> {
    return answered<unknown>(askMs + graceMs, (done) =>
      this.#options.probe.getMetadata({ timeout: askMs }, done as never),
    ).then(
      () => true,
      () => false,
    );
  }
}
