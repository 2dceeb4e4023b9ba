/**
 * asyncMap: maps each record with an asynchronous function; results keep the order of the records.
 */
import { aFunction, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import { type AsyncOptions, asyncSettings, InFlight } from './in-flight.ts';

/** The arguments of the function besides the value. */
export interface AsyncCall<K> {
  readonly key: K;
  /** ms UTC. */
  readonly timestamp: number;
  /** Aborted when the call exceeds its timeout. */
  readonly signal: AbortSignal;
}

export function asyncMapStep<K, V, W>(
  fn: (value: V, call: AsyncCall<K>) => W | Promise<W>,
  options: AsyncOptions,
): Step {
  checkSetting('asyncMap.fn', fn, aFunction);
  const settings = asyncSettings('asyncMap', options);
  return {
    kind: 'async-map',
    name: 'async-map',
    detail: { ...settings },
    stores: [],
    build: (context) => {
      const next = context.output(0);
      const calls = new InFlight<W>(settings, context);
      return [
        {
          receive: (key, value, timestamp) =>
            calls.add(
              key === null ? undefined : context.task.keyText,
              (signal) => fn(value as V, { key: key as K, timestamp, signal }),
              (result) => next.receive(key, result, timestamp),
            ),
        },
      ];
    },
  };
}
