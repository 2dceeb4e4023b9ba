/** Reads the output of a topology from its log, record by record, for recordings. */

import type { Topology } from '../../graph/graph.ts';
import type { StoreHandle } from '../../graph/store-spec.ts';
import { writtenTopics } from '../../graph/sub-topology.ts';
import type { Source } from '../../graph/topic.ts';
import { deadLetterTopic } from '../../graph/topic-names.ts';
import type { Log } from '../../log/log.ts';
import { keyOf } from '../../log/partition-key.ts';
import { decodeHeaders } from '../../record/headers.ts';
import type { RecordSeen } from './recording.ts';

export interface OutputOptions {
  readonly topology: Topology;
  readonly application: string;
  readonly log: Log;
  /** By topic. */
  readonly partitionsOf: Readonly<Record<string, number>>;
}

type Batch = NonNullable<Awaited<ReturnType<Log['read']>>>;
type Decoder = Pick<Source<unknown, unknown>, 'keyDecoder' | 'valueDecoder'>;

/** Reads the next records of each topic since the last call. */
export class Outputs {
  readonly #options: OutputOptions;
  readonly #positions = new Map<string, number>();
  readonly #topics: readonly string[];

  private constructor(options: OutputOptions) {
    this.#options = options;
    const written = writtenTopics(options.topology).map(({ name }) => name);
    this.#topics = [...new Set([...written, deadLetterTopic(options.application)])];
  }

  /** Starts with records that are written from now on. */
  static async from(options: OutputOptions): Promise<Outputs> {
    const outputs = new Outputs(options);
    for (const at of outputs.#partitions()) {
      outputs.#positions.set(keyOf(at), await options.log.endOffset(at));
    }
    return outputs;
  }

  /** By topic, partition and offset. */
  async next(): Promise<RecordSeen[]> {
    const seen: RecordSeen[] = [];
    for (const at of this.#partitions()) {
      const from = this.#positions.get(keyOf(at)) ?? 0;
      const batch = await this.#options.log.read(at, from, { records: 1_000_000 });
      if (batch === undefined) continue;
      this.#positions.set(keyOf(at), batch.nextOffset);
      const { topic, partition } = at;
      const several = (this.#options.partitionsOf[topic] ?? 1) > 1 ? { partition } : {};
      for (let i = 0; i < batch.count; i++)
        seen.push({ ...this.#seen(topic, batch, i), ...several });
    }
    return seen;
  }

  #partitions() {
    return this.#topics.flatMap((topic) => {
      const count = this.#options.partitionsOf[topic] ?? 0;
      return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
    });
  }

  #seen(topic: string, batch: Batch, i: number): RecordSeen {
    const timestamp = batch.timestamps[i] as number;
    const headers = decodeHeaders(batch.headerBytes(i));
    const [key, value] = [batch.key(i), batch.value(i)];
    const isDead = topic === deadLetterTopic(this.#options.application);
    const decoder = this.#decoderOf(isDead ? (headers['topic'] ?? '') : topic);
    // Leave out the line in the author's code, which moves with every edit above it.
    const { callSite: _, ...lasting } = headers;
    return {
      topic,
      timestamp,
      key: decoded(key, decoder?.keyDecoder),
      value: decoded(value, decoder?.valueDecoder),
      headers: isDead ? lasting : headers,
    };
  }

  /** The decoder of a topic; a topic that is only written has none, so its bytes are shown. */
  #decoderOf(topic: string): Decoder | undefined {
    const { topology } = this.#options;
    const read = topology.nodes.flatMap((node) => (node.type === 'source' ? [node.topic] : []));
    const all: readonly ({ readonly name: string } & Partial<Decoder>)[] = [
      ...read,
      ...writtenTopics(topology),
    ];
    const found = all.find(({ name, keyDecoder }) => name === topic && keyDecoder !== undefined);
    const { keyDecoder, valueDecoder } = found ?? {};
    return keyDecoder && valueDecoder ? { keyDecoder, valueDecoder } : undefined;
  }
}

/** The tables that a topology exports, by name. */
export function exportedTables({ exports }: Topology): [name: string, table: StoreHandle][] {
  if (typeof exports !== 'object' || exports === null) return [];
  return Object.entries(exports as Readonly<Record<string, Partial<StoreHandle> | null>>).flatMap(
    ([name, table]) =>
      typeof table?.store === 'string' ? [[name, table as StoreHandle] as const] : [],
  ) as [string, StoreHandle][];
}

/** Decodes bytes; if that fails, which may be the reason for the dead letter, returns the bytes. */
function decoded(
  bytes: Buffer | null,
  decoder: { decode(bytes: Buffer, from: number, to: number): unknown } | undefined,
): unknown {
  if (bytes === null || decoder === undefined) return bytes;
  try {
    return decoder.decode(bytes, 0, bytes.byteLength);
  } catch {
    return bytes;
  }
}
