/** The uncommitted output of a task: one batch per topic partition, in the order of the emits. */

import { must } from '../base/assert.ts';
import { refusePromise } from '../base/promises.ts';
import { Scratch } from '../base/scratch.ts';
import type { Sink } from '../graph/topic.ts';
import type { RecordLimits } from '../log/log.ts';
import { BatchBuilder } from '../record/batch.ts';
import { fittedLetter } from '../record/letter-headers.ts';
import { partitionOf } from '../record/partitioner.ts';
import { encodeTo } from '../serde/serde.ts';

export interface OutputBatch {
  readonly topic: string;
  readonly partition: number;
  readonly image: ArrayBuffer;
}

interface OutputTopic {
  readonly name: string;
  readonly builders: (BatchBuilder | undefined)[];
}

export class Outputs {
  readonly #partitionsOf: Readonly<Record<string, number>>;
  readonly #limits: RecordLimits | undefined;
  readonly #topics = new Map<string, OutputTopic>();
  /** Wall time, ms UTC; used if the log limits timestamps by it. */
  now = Number.POSITIVE_INFINITY;
  // Cache of the last key's bytes and partition: records of one key often follow one another.
  #lastSink: unknown;
  #lastKey: unknown;
  /** The key's bytes; undefined for a null key. */
  readonly #keyScratch = new Scratch(256);
  #key: Scratch | undefined;
  #lastPartition = 0;

  /** @param partitionsOf partitions of every topic that may be written, by name in the log */
  constructor(partitionsOf: Readonly<Record<string, number>>, limits?: RecordLimits) {
    this.#partitionsOf = partitionsOf;
    this.#limits = limits;
  }

  /**
   * Returns the batch to which the record was added.
   * @throws errors of the sink's encoders, and an error if the log would refuse the record
   */
  write<K, V>(
    topic: string,
    sink: Sink<K, V>,
    key: K | null,
    value: V | null,
    timestamp: number,
    headers: Uint8Array,
  ): BatchBuilder {
    const target = this.#topic(topic);
    if (typeof key !== 'string' || key !== this.#lastKey || sink !== this.#lastSink) {
      this.#encodeKey(target, sink, key);
    }
    const partition =
      sink.partitioner === undefined
        ? this.#lastPartition
        : chosen(sink.partitioner(key, value, target.builders.length), topic, target);
    const builder = this.#builder(target, partition);
    const keyLength = this.#key === undefined ? 0 : this.#key.length;
    const body = builder.begin(this.#key === undefined ? null : this.#key.room(0), keyLength);
    const before = body.length - keyLength;
    const hasValue = value !== null && value !== undefined;
    if (hasValue) encodeTo(sink.valueEncoder, value, body);
    if (this.#limits !== undefined) {
      this.#check(this.#limits, body.length - before + headers.byteLength, timestamp);
    }
    builder.end(hasValue, timestamp, headers);
    return builder;
  }

  /** Appends a dead letter to partition 0, with unchanged bytes, or cut to the log's limit. */
  writeRaw(
    topic: string,
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestamp: number,
    headers: Uint8Array,
  ): BatchBuilder {
    const builder = this.#builder(this.#topic(topic), 0);
    if (this.#limits === undefined) builder.append(key, value, timestamp, headers);
    else {
      const { bytes, aheadMs } = this.#limits;
      const letter = fittedLetter({ key, value, headers }, bytes);
      // The headers have the record's own time.
      const at = Math.min(timestamp, this.now + aheadMs);
      builder.append(letter.key, letter.value, at, letter.headers);
    }
    return builder;
  }

  /** Returns everything written; the outputs are empty afterwards. */
  take(): OutputBatch[] {
    const batches: OutputBatch[] = [];
    for (const { name, builders } of this.#topics.values()) {
      builders.forEach((builder, partition) => {
        if (builder === undefined || builder.count === 0) return;
        batches.push({ topic: name, partition, image: builder.finishAt(0).image });
      });
    }
    this.#lastSink = undefined;
    this.#lastKey = undefined;
    return batches;
  }

  #check({ bytes: most, aheadMs }: RecordLimits, bytes: number, timestamp: number): void {
    if (bytes > most) {
      throw new Error(`the record has ${bytes} bytes, the log takes ${most} at most`);
    }
    if (timestamp > this.now + aheadMs) {
      throw new Error(`its time, ${timestamp} ms UTC, lies further ahead than the log takes`);
    }
  }

  #encodeKey<K, V>(target: OutputTopic, sink: Sink<K, V>, key: K | null): void {
    // If encoding fails, the cache must not keep the key with other bytes.
    this.#lastSink = undefined;
    this.#putKey(target, sink, key);
    this.#lastKey = key;
    this.#lastSink = sink;
  }

  #putKey<K, V>(target: OutputTopic, { keyEncoder }: Sink<K, V>, key: K | null): void {
    const partitions = target.builders.length;
    if (key === null) {
      this.#key = undefined;
      this.#lastPartition = partitionOf(null, partitions);
      return;
    }
    const scratch = this.#keyScratch;
    scratch.length = 0;
    encodeTo(keyEncoder, key, scratch);
    this.#key = scratch;
    const deciding = keyEncoder.partitionLength?.(scratch.length) ?? scratch.length;
    this.#lastPartition = partitionOf(scratch.bytes, partitions, deciding);
  }

  #topic(name: string): OutputTopic {
    const known = this.#topics.get(name);
    if (known !== undefined) return known;
    const partitions = must(
      this.#partitionsOf[name],
      () => `partitions of topic ${name} are unknown`,
    );
    const topic = {
      name,
      builders: new Array<BatchBuilder | undefined>(partitions).fill(undefined),
    };
    this.#topics.set(name, topic);
    return topic;
  }

  #builder(topic: OutputTopic, partition: number): BatchBuilder {
    let builder = topic.builders[partition];
    if (builder === undefined) {
      builder = new BatchBuilder();
      topic.builders[partition] = builder;
    }
    return builder;
  }
}

function chosen(partition: number, topic: string, { builders: { length } }: OutputTopic): number {
  if (typeof partition === 'object') refusePromise(partition, `the partitioner of topic ${topic}`);
  if (Number.isInteger(partition) && partition >= 0 && partition < length) return partition;
  throw new Error(
    `the partitioner of topic ${topic} answers ${partition}, not a whole number from 0 to ${length - 1}`,
  );
}
