/**
 * Feeds the job through an idempotent producer, apart from the engine: it may be cut off from its
 * broker and writes every event once all the same. Both topics get each event, the second one in
 * another order.
 */
import rdkafka, { type Producer } from 'node-rdkafka';
import { partitionOf } from '../../engine/record/partitioner.ts';
import { partitions, seen, sent, timeOf, userOf } from './job.ts';

/** Events a round, and rounds a second. */
const round = 20;
const roundMs = 100;

export class Feeder {
  readonly #producer: Producer;
  #events = 0;
  #delivered = 0;
  #problem: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(producer: Producer) {
    this.#producer = producer;
  }

  static async start(brokers: string): Promise<Feeder> {
    const producer = new rdkafka.Producer(
      {
        'bootstrap.servers': brokers,
        'enable.idempotence': true,
        log_level: 0,
        dr_cb: true,
      },
      {},
    );
    const feeder = new Feeder(producer);
    producer.on('event.error', () => {});
    producer.on('delivery-report', (error) => {
      if (error) feeder.#problem ??= error.message;
      else feeder.#delivered++;
    });
    await new Promise<void>((done, fail) =>
      producer.connect({ timeout: 30_000 }, (error) => (error ? fail(error) : done())),
    );
    producer.setPollInterval(roundMs);
    feeder.#timer = setInterval(() => feeder.#write(), roundMs);
    return feeder;
  }

  /** Stops, waits until all is delivered, and answers how many events there are. */
  async stop(): Promise<number> {
    clearInterval(this.#timer);
    while (this.#delivered < 2 * this.#events) {
      if (this.#problem !== undefined) throw new Error(`the feeder: ${this.#problem}`);
      await new Promise((done) => setTimeout(done, roundMs));
    }
    await new Promise((done) => this.#producer.disconnect(done));
    return this.#events;
  }

  #write(): void {
    const events = Array.from({ length: round }, (_, i) => this.#events + i);
    this.#events += round;
    for (const event of events) this.#produce(sent.name, event);
    for (const event of events.reverse()) this.#produce(seen.name, event);
  }

  #produce(topic: string, event: number): void {
    const key = Buffer.from(`event-${event}`);
    const value = Buffer.from(userOf(event));
    this.#producer.produce(topic, partitionOf(key, partitions), value, key, timeOf(event));
  }
}
