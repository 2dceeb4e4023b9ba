/** Reads committed offsets of groups without being a member. */
import type { CommittedOffset, TopicPartition } from '../../log.ts';
import type { ClientCalls } from '../rdkafka/client-calls.ts';
import type { MessageConsumer, MessageTransport } from '../rdkafka/messages.ts';
import type { KafkaConsumer } from '../rdkafka/rdkafka.ts';

export interface GroupOffsetsOptions {
  readonly calls: ClientCalls;
  readonly transport: MessageTransport;
  /** A connected consumer whose options name the group. */
  readonly consumer: (group: string) => Promise<KafkaConsumer>;
}

export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;
  readonly #groups = new Map<string, Promise<MessageConsumer>>();

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
  }

  /** Uses an existing consumer to read the offsets of its group. */
  use(group: string, client: KafkaConsumer): void {
    this.#groups.set(group, Promise.resolve(this.#options.transport.consumer(client)));
  }

  /** The committed offset; undefined if there is none. */
  async committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined> {
    const { calls } = this.#options;
    const messages = await this.#of(group);
    try {
      const [found] = await messages.committed([at], calls.timeoutMs);
      if (found?.offset === undefined) return undefined;
      const { offset, metadata } = found;
      return metadata === undefined || metadata === '' ? { offset } : { offset, metadata };
    } catch (error) {
      const what = `ask for the offset of group ${group} in ${at.topic}/${at.partition}`;
      throw calls.errorOf({ what, topic: at.topic }, error);
    }
  }

  #of(group: string): Promise<MessageConsumer> {
    let messages = this.#groups.get(group);
    if (messages === undefined) {
      const { consumer, transport } = this.#options;
      messages = consumer(group).then((client) => transport.consumer(client));
      this.#groups.set(group, messages);
      messages.catch(() => this.#groups.delete(group));
    }
    return messages;
  }
}
