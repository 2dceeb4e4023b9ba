/** Join of a stream with a global table: any record may look up any row (SEMANTICS B.8). */
import { keyTextOf } from '../engine/base/bytes.ts';
import { aFunction, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { Topic } from '../engine/graph/topic.ts';

export class GlobalTable<K, V> {
  readonly topic: Topic<K, V>;

  constructor(topic: Topic<K, V>) {
    this.topic = topic;
  }
}

/** @param keyOf returns the key of the row; null: no row */
export function globalJoinStep(
  kind: 'inner' | 'left',
  topic: Topic<unknown, unknown>,
  keyOf: (value: unknown, key: unknown) => unknown,
  joiner: (value: unknown, row: unknown, key: unknown) => unknown,
): Step {
  checkSetting('joinGlobal.keyOf', keyOf, aFunction);
  checkSetting('joinGlobal.joiner', joiner, aFunction);
  return {
    kind: 'join-global',
    name: `join-${topic.name}`,
    detail: { join: kind, table: topic.name },
    stores: [],
    build: (context) => {
      const next = context.output(0);
      return [
        {
          receive: (key, value, timestamp) => {
            const rowKey = keyOf(value, key);
            const row =
              rowKey === null || rowKey === undefined
                ? undefined
                : context.globalRow(topic.name, keyTextOf(topic.key.encode(rowKey)));
            if (row === undefined && kind === 'inner') return;
            next.receive(key, joiner(value, row?.value, key), timestamp);
          },
        },
      ];
    },
  };
}
