/**
 * A topic: its name and the serdes of its keys and values. A topology names topics; the log stores
 * them. `Source` and `Sink` are the two one-way views, so that a narrowed stream can be written to
 * a wider topic.
 */

import {
  aFunction,
  aSerde,
  checkSetting,
  checkSettings,
  choice,
  ms,
  optional,
  partitionCount,
  text,
} from '../base/settings.ts';
import { msgpack } from '../serde/msgpack.ts';
import type { Decoder, Encoder, Serde } from '../serde/serde.ts';
import { utf8 } from '../serde/utf8.ts';

export interface TopicSettings {
  /** Number of partitions when Millrace creates the topic; default: the application's. */
  readonly partitions?: number;
  /**
   * 'delete': batches are deleted after `retentionMs`; 'compact': the last value of each key stays;
   * 'consumed': batches are deleted when every group that reads the topic has consumed them.
   */
  readonly cleanup?: 'delete' | 'compact' | 'consumed';
  /** How long records are kept, in ms by record timestamp; absent: without limit. */
  readonly retentionMs?: number;
}

/**
 * Returns the partition of a record, from 0 to `partitions` - 1. It must return the same for all
 * records of a key, also after a restart; otherwise the key's state is split.
 */
export type Partitioner<in K, in V> = (
  key: K | null,
  value: V | null,
  partitions: number,
) => number;

export interface Source<out K, out V> {
  readonly name: string;
  readonly settings: TopicSettings;
  readonly keyDecoder: Decoder<K> & { readonly format: string };
  readonly valueDecoder: Decoder<V> & { readonly format: string };
  readonly partitioner?: Partitioner<never, never>;
}

export interface Sink<in K, in V> {
  readonly name: string;
  readonly settings: TopicSettings;
  readonly keyEncoder: Encoder<K> & {
    readonly format: string;
    partitionLength?(length: number): number;
  };
  readonly valueEncoder: Encoder<V> & { readonly format: string };
  /** Default: murmur2 of the key's bytes, as Kafka's. */
  readonly partitioner?: Partitioner<K, V>;
}

export interface Topic<K, V> extends Source<K, V>, Sink<K, V> {
  readonly key: Serde<K>;
  readonly value: Serde<V>;
  readonly partitioner?: Partitioner<K, V>;
}

export interface TopicOptions<K, V> extends TopicSettings {
  /** Default: UTF-8 text. */
  readonly key?: Serde<K>;
  /** Default: MessagePack. */
  readonly value?: Serde<V>;
  /**
   * Other writers of the topic must use the same partitioner. Default: murmur2 of the key's bytes,
   * as in Kafka.
   */
  readonly partitioner?: Partitioner<K, V>;
}

/**
 * The last argument of functions that define keys: options, which must include a key serde unless
 * keys are strings. The default serde, UTF-8, would refuse every other key.
 */
export type KeyOptions<K, Options> = [K] extends [string]
  ? [options?: Options & { readonly key?: Serde<K> }]
  : [options: Options & { readonly key: Serde<K> }];

/**
 * Declares a topic, e.g. `topic<string, Order>('orders')`. Keys that are not strings need a serde:
 * `topic<number, Order>('orders', { key: int64 })`.
 * @throws CONFIG_INVALID for an invalid setting
 */
export function topic<K = string, V = unknown>(
  name: string,
  ...rest: KeyOptions<K, TopicOptions<K, V>>
): Topic<K, V> {
  return declaredTopic(name, rest[0]);
}

/** As `topic`, for keys of any type. */
export function declaredTopic<K, V>(name: string, options: TopicOptions<K, V> = {}): Topic<K, V> {
  checkSetting('topic.name', name, text);
  checkSettings(`topic(${name})`, options, {
    key: optional(aSerde),
    value: optional(aSerde),
    partitioner: optional(aFunction),
    partitions: optional(partitionCount),
    cleanup: optional(choice('delete', 'compact', 'consumed')),
    retentionMs: optional(ms(1)),
  });
  const { key = utf8 as unknown as Serde<K>, value = msgpack<V>(), ...rest } = options;
  const { partitioner, ...settings } = rest;
  return Object.freeze({
    name,
    settings: Object.freeze(settings),
    key,
    value,
    keyDecoder: key,
    keyEncoder: key,
    valueDecoder: value,
    valueEncoder: value,
    ...(partitioner === undefined ? {} : { partitioner }),
  });
}
