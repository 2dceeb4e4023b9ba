/** A producer of librdkafka: passes records to its queue, and waits for their delivery. */
import type { Append } from '../../log.ts';
import type { ClientCalls } from './client-calls.ts';
import type { Delivered, MessageProducer, MessageTransport } from './messages.ts';
import type { Producer } from './rdkafka.ts';

const queueFullPauseMs = 2;

export interface ClientProducerOptions {
  /** Creates a producer, not connected. */
  readonly create: () => Producer;
  readonly connect: (client: Producer) => Promise<void>;
  readonly transport: MessageTransport;
  readonly calls: ClientCalls;
}

export class ClientProducer {
  readonly client: Producer;
  readonly messages: MessageProducer;
  readonly #calls: ClientCalls;

  private constructor(client: Producer, messages: MessageProducer, calls: ClientCalls) {
    this.client = client;
    this.messages = messages;
    this.#calls = calls;
  }

  static async connected(options: ClientProducerOptions): Promise<ClientProducer> {
    const client = options.create();
    const messages = options.transport.producer(client);
    await options.connect(client);
    return new ClientProducer(client, messages, options.calls);
  }

  async append({ topic, partition, batch }: Append): Promise<void> {
    for (let from = 0; from < batch.count; ) {
      const next = this.messages.produce(topic, partition, batch, from);
      if (next < batch.count) {
        this.client.poll();
        await this.#calls.timing.scheduler.sleep(queueFullPauseMs);
      }
      from = next;
    }
  }

  /** Waits until all appended records are delivered or have failed. */
  flush(): Promise<Delivered> {
    return this.messages.flush(this.#calls.timeoutMs);
  }

  /** Closes the producer; the coordinator aborts an open transaction at the next init. */
  async close(): Promise<void> {
    this.messages.release();
    const disconnected = this.#calls.answered<unknown>((done) => this.client.disconnect(done));
    await disconnected.catch(() => {});
  }
}
