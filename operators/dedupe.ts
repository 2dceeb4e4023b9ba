/**
 * dedupe: forwards the first record of an id and drops its repetitions, until stream time has
 * passed the first one by more than `withinMs`. An older record is late, because its id may have
 * been forgotten.
 */
import { synchronous } from '../engine/base/promises.ts';
import { aFunction, checkSetting, ms } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { StoreSpec } from '../engine/graph/store-spec.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import { encodeTo, type Serde } from '../engine/serde/serde.ts';
import { columnLayout } from './cell-codec.ts';
import { type EntryLayout, EntryList, kept, removed } from './entry-list.ts';
import { defineStep } from './kit/define-step.ts';
import type { KeyedStore } from './kit/keyed-store.ts';
import { type AnyList, listParts } from './list-parts.ts';

/** Seen ids of a key, sorted. One column: the time of their first record. */
interface Seen {
  readonly ids: EntryList<string>;
}

/** Encoded form of few ids: by time, ascending. */
type SeenPairs = readonly (readonly [time: number, id: string])[];

const nothing: Serde<unknown> = {
  format: 'nothing',
  encode: () => new Uint8Array(0),
  decode: () => undefined,
};
const columns = columnLayout<string, unknown>(true, 1, nothing);
const layout: EntryLayout<string> = {
  text: true,
  width: 1,
  write: (to, { keys, columns: [times = []] }, from, end) =>
    columns.write(to, { keys, columns: [times, keys as unknown[]] }, from, end),
  decode: (bytes, start, end) => {
    const { keys, columns: found } = columns.decode(bytes, start, end);
    return { keys, columns: found.slice(0, 1) };
  },
  wake: ({ columns: [times = []] }, i) => times[i] as number,
};

function pairsOf({ ids }: Seen): SeenPairs {
  const {
    keys,
    columns: [times = []],
  } = ids.joined();
  const pairs = keys.map((id, i) => [times[i] as number, id] as const);
  return pairs.sort((a, b) => a[0] - b[0]);
}

export function dedupeStep<K, V>(
  name: string,
  idOf: (value: V, key: K) => string,
  withinMs: number,
  key: Serde<K>,
): Step {
  checkSetting(`${name}.idOf`, idOf, aFunction);
  checkSetting(`${name}.withinMs`, withinMs, ms(0));
  const first = synchronous(idOf, "dedupe's function");
  return defineStep<K, V, V, { readonly seen: StoreSpec<K, Seen> }>({
    kind: 'dedupe',
    name,
    detail: { withinMs },
    nulls: 'made',
    stores: (input) => ({ seen: seenStore(name, withinMs, input.key) }),
    build: ({ stores: { seen }, task, forward }) => ({
      due: { store: seen, take: (until) => forgetBefore(seen, until - withinMs) },
      record: (k, value, timestamp, now) => {
        if (timestamp + withinMs < now) {
          task.drop(name, 'late');
          return;
        }
        const id = first(value, k);
        const cell = seen.get() ?? { ids: new EntryList(layout) };
        const known = cell.ids.find(id);
        const times = (known?.columns[0] ?? []) as number[];
        if (known !== undefined && (times[known.i] as number) + withinMs >= now) {
          task.drop(name, 'duplicate');
          return;
        }
        if (known === undefined) cell.ids.insert(id, timestamp);
        else {
          // Expired, but not removed yet.
          times[known.i] = timestamp;
          cell.ids.change(known);
        }
        seen.put(cell);
        forward(k, value, timestamp);
      },
    }),
  }).at({ key, value: undefined });
}

/** Removes the ids of the current key that were first seen before `oldest`, ms UTC. */
function forgetBefore(seen: KeyedStore<Seen>, oldest: number): readonly never[] {
  const cell = seen.get();
  if (cell === undefined) return [];
  cell.ids.scanWaking(oldest - 1, ({ columns: [times = []] }, i) =>
    (times[i] as number) < oldest ? removed : kept,
  );
  if (cell.ids.size === 0) seen.remove();
  else seen.put(cell);
  return [];
}

function seenStore<K>(name: string, withinMs: number, key: Serde<K>): StoreSpec<K, Seen> {
  const list = msgpack<SeenPairs>();
  return {
    name,
    kind: 'seen',
    key,
    format: 'seen',
    due: ({ ids }) => ids.wake + withinMs + 1,
    write: (seen, to) => encodeTo(list, pairsOf(seen), to),
    decode: (bytes, start, end) => {
      const pairs = [...list.decode(bytes, start, end)].sort((a, b) => byText(a[1], b[1]));
      const keys = pairs.map(([, id]) => id);
      return { ids: new EntryList(layout, { keys, columns: [pairs.map(([time]) => time)] }) };
    },
    parts: listParts<Seen>({
      lists: ({ ids }) => [ids as AnyList],
      empty: () => ({ ids: EntryList.inParts(layout) }),
    }),
    rows: (seen, k) => pairsOf(seen).map(([timestamp, id]) => ({ key: k, value: id, timestamp })),
  };
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
