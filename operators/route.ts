/** route: writes each record to one of several topics, chosen by its content. */
import { synchronous } from '../engine/base/promises.ts';
import { aFunction, anObject, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { Sink } from '../engine/graph/topic.ts';

/** @param choose returns the name of a topic; null: the record is written nowhere */
export function routeStep<K, V>(
  topics: Readonly<Record<string, Sink<K, V>>>,
  choose: (value: V, key: K) => string | null,
): Step {
  checkSetting('route.topics', topics, anObject);
  checkSetting('route.choose', choose, aFunction);
  const routeOf = synchronous(choose, "route's function");
  const names = Object.values(topics).map(({ name }) => name);
  return {
    kind: 'route',
    name: 'route',
    detail: { topics: names },
    stores: [],
    sinks: Object.values(topics) as Sink<never, never>[],
    build: ({ task }) => [
      {
        receive: (key, value, timestamp) => {
          const chosen = routeOf(value as V, key as K);
          if (chosen === null) return;
          const topic = Object.hasOwn(topics, chosen) ? topics[chosen] : undefined;
          if (topic === undefined) {
            const known = Object.keys(topics).join(', ');
            throw new RangeError(`there is no route ${JSON.stringify(chosen)}, but ${known}`);
          }
          task.emit(topic, key as K, value as V, timestamp);
        },
      },
    ],
  };
}
