/**
 * The store of `process`: a key's state, its timers, its lists and maps. A key of which nothing is
 * left has no cell.
 */
import type { StoreRow, StoreSpec } from '../engine/graph/store-spec.ts';
import { faithful } from '../engine/serde/faithful.ts';
import { decodeAll, type Serde } from '../engine/serde/serde.ts';
import type { Collections, KeyedListSpec, KeyedMapSpec } from './keyed-collections.ts';
import {
  type Collection,
  emptyProcessCell,
  endOf,
  nextTimer,
  type ProcessCell,
} from './process-cell.ts';
import { processCodec, processParts } from './process-codec.ts';

export interface ProcessStoreOptions<K, S> {
  readonly name: string;
  readonly key: Serde<K>;
  readonly state: Serde<S>;
  readonly clock: 'stream' | 'key' | 'wall';
  readonly collections: Collections;
  /** +Infinity: a key's state does not expire. */
  readonly ttlMs: number;
}

export function processStore<K, S>(
  options: ProcessStoreOptions<K, S>,
): StoreSpec<K, ProcessCell<S>> {
  const { name, key, clock, ttlMs, collections } = options;
  const codec = processCodec(faithful(options.state));
  const due = (cell: ProcessCell<S>): number => {
    const next = nextTimer(cell)?.at ?? Number.POSITIVE_INFINITY;
    return Math.min(next, endOf(cell, ttlMs));
  };
  return {
    name,
    kind: 'process',
    key,
    // Also for the key's clock: task time decides when timers fire.
    clock: clock === 'wall' ? 'wall' : 'stream',
    format: `process.2(${codec.format})`,
    due,
    write: (cell, to) => codec.write(cell, to, true),
    decode: (bytes, start, end) => {
      const cell = emptyProcessCell<S>();
      codec.read(cell, bytes, start, end);
      return cell;
    },
    ...(Object.keys(collections).length === 0 ? {} : { parts: processParts(codec) }),
    rows: function* rows(cell, k) {
      if (cell.state !== undefined) yield { key: k, value: cell.state, timestamp: cell.now };
      for (const one of cell.collections) yield* collectionRows(one, collections, k);
    },
  };
}

/**
 * One row per entry, with the name of its collection; no rows for collections that the step no
 * longer has.
 */
function* collectionRows(
  { name, isMap, list }: Collection,
  collections: Collections,
  key: unknown,
): Generator<StoreRow> {
  const spec = collections[name] as KeyedListSpec<unknown> | KeyedMapSpec<unknown> | undefined;
  if (spec === undefined || (spec.type === 'map') !== isMap) return;
  for (const { keys, columns, i } of list.all()) {
    const value = decodeAll(spec.value, columns[0]?.[i] as Uint8Array);
    const at = keys[i] as number | string;
    if (typeof at === 'number') yield { key, value: { collection: name, value }, timestamp: at };
    else yield { key, value: { collection: name, name: at, value } };
  }
}
