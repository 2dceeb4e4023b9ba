/** All records of a topic, decoded, partition by partition in the order of their offsets. */
import type { Topic } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import { partitionOf } from '../record/partitioner.ts';
import type { Log } from './log.ts';

export interface TopicRecord<K, V> {
  readonly key: K;
  readonly value: V;
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

/** @param ofKey only reads the partition of this key */
export async function* topicRecords<K, V>(
  log: Log,
  topic: Topic<K, V>,
  ofKey?: K,
): AsyncGenerator<TopicRecord<K, V>> {
  const { name, key: keys } = topic;
  const partitions = (await log.topics()).find((known) => known.name === name)?.partitions ?? 0;
  const only =
    ofKey === undefined ? undefined : partitionOf(Buffer.from(keys.encode(ofKey)), partitions);
  for (let partition = 0; partition < partitions; partition++) {
    if (only !== undefined && partition !== only) continue;
    const at = { topic: name, partition };
    for (let from = await log.startOffset(at); ; ) {
      const batch = await log.read(at, from, { records: 10_000 });
      if (batch === undefined) break;
      yield* recordsIn(batch, partition, topic);
      from = batch.nextOffset;
    }
  }
}

/** The records of a batch, decoded; those with a null key or a null value are left out. */
export function* recordsIn<K, V>(
  batch: PackedBatch,
  partition: number,
  { key: keys, value: values }: Pick<Topic<K, V>, 'key' | 'value'>,
): Generator<TopicRecord<K, V>> {
  for (let i = 0; i < batch.count; i++) {
    const [key, value] = [batch.key(i), batch.value(i)];
    if (key === null || value === null) continue;
    yield {
      key: keys.decode(key, 0, key.byteLength),
      value: values.decode(value, 0, value.byteLength),
      timestamp: batch.timestamps[i] as number,
      partition,
      offset: batch.offsets[i] as number,
    };
  }
}
