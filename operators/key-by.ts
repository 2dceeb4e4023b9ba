/**
 * keyBy: gives records a new key and sends them through a repartition topic to the partition of
 * that key. Only keyBy divides sub-topologies. A record whose new key is null is dropped and
 * counted.
 */
import { synchronous } from '../engine/base/promises.ts';
import { aFunction, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import { declaredTopic, type Partitioner } from '../engine/graph/topic.ts';
import type { Serde } from '../engine/serde/serde.ts';

export function keyByStep<K, V, K2>(
  name: string,
  keyOf: (value: V, key: K) => K2 | null | undefined,
  key: Serde<K2>,
  value: Serde<V>,
  partitioner: Partitioner<K2, V> | undefined,
): Step {
  checkSetting(`${name}.keyOf`, keyOf, aFunction);
  const newKeyOf = synchronous(keyOf, `${name}: keyBy's function`);
  const by = partitioner === undefined ? {} : { partitioner };
  const carrier = declaredTopic<K2, V>(`${name}-repartition`, { key, value, ...by });
  return {
    kind: 'key-by',
    name,
    stores: [],
    repartition: { topic: carrier as never },
    build: (context) => [
      {
        receive: (oldKey, record, timestamp) => {
          const newKey = newKeyOf(record as V, oldKey as K);
          if (newKey === null || newKey === undefined) context.task.drop(name, 'null_key');
          else context.task.emit(carrier, newKey, record as V, timestamp);
        },
      },
    ],
  };
}
