/** A producer of librdkafka: records are handed to its queue, and waited for. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Append } from '../../log.ts';
import { answered } from './client-calls.ts';
import type { Delivered, MessageProducer, MessageTransport } from './messages.ts';
import type { Producer } from './rdkafka.ts';

const queueFullPauseMs = 2;

export interface ClientProducerOptions {
  /** A new producer, which is not connected. */
  readonly create: () => Producer;
  readonly connect: (client: Producer) => Promise<void>;
  readonly transport: MessageTransport;
  /** Deadline of one call of the client, ms. */
  readonly callTimeoutMs: number;
}

export class ClientProducer {
  readonly client: Producer;
  readonly messages: MessageProducer;
  readonly #callTimeoutMs: number;

  private constructor(client: Producer, messages: MessageProducer, callTimeoutMs: number) {
    this.client = client;
    this.messages = messages;
    this.#callTimeoutMs = callTimeoutMs;
  }

  static async connected(options: ClientProducerOptions): Promise<ClientProducer> {
    const client = options.create();
    const messages = options.transport.producer(client);
    await options.connect(client);
    return new ClientProducer(client, messages, options.callTimeoutMs);
  }

  async append({ topic, partition, batch }: Append): Promise<void> {
    for (let from = 0; from < batch.count; ) {
      const next = this.messages.produce(topic, partition, batch, from);
      if (next < batch.count) {
        this.client.poll();
        await pause(queueFullPauseMs);
      }
      from = next;
    }
  }

  /** Waits until everything that was appended is delivered or has failed. */
  flush(): Promise<Delivered> {
    return this.messages.flush(this.#callTimeoutMs);
  }

  /** An open transaction is left to the coordinator, which aborts it at the next init. */
  async close(): Promise<void> {
    this.messages.release();
    const disconnected = answered<unknown>(this.#callTimeoutMs, (done) =>
      this.client.disconnect(done),
    );
    await disconnected.catch(() => {});
  }
}
