/**
 * The subscribers of a right table's row in a foreign-key join, stored under the row's key.
 */
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { type EntryLayout, EntryList } from './entry-list.ts';
import { type AnyList, listParts } from './list-parts.ts';

/** Bytes of the hash of a left row. */
export const hashBytes = 16;

/** By left key (its bytes, as Latin-1). Columns: hash of the left row, time of the subscription. */
export interface Subscribers {
  readonly list: EntryList<string>;
}

export interface Subscriber {
  readonly leftKey: string;
  readonly hash: Buffer;
  /** ms UTC. */
  readonly timestamp: number;
}

/** u32 count · for each: f64 time, u32 length of the key, hash, key. */
const layout: EntryLayout<string> = {
  text: true,
  width: 2,
  write: (to, { keys, columns }, from, end) => {
    const [hashes, times] = columns as [Buffer[], number[]];
    to.uint32(end - from);
    for (let i = from; i < end; i++) {
      const leftKey = keys[i] as string;
      to.float64(times[i] as number);
      to.uint32(leftKey.length);
      to.append(hashes[i] as Buffer);
      to.latin1(leftKey);
    }
  },
  decode: (bytes, start) => {
    const [keys, hashes, times]: [string[], Buffer[], number[]] = [[], [], []];
    let at = start + 4;
    for (let n = bytes.readUInt32LE(start); n > 0; n--) {
      const keyAt = at + 12 + hashBytes;
      const keyEnd = keyAt + bytes.readUInt32LE(at + 8);
      times.push(bytes.readDoubleLE(at));
      hashes.push(Buffer.from(bytes.subarray(at + 12, keyAt)));
      keys.push(bytes.toString('latin1', keyAt, keyEnd));
      at = keyEnd;
    }
    return { keys, columns: [hashes, times] };
  },
};

export function subscriberStore(
  name: string,
  key: Serde<unknown>,
): StoreSpec<unknown, Subscribers> {
  return {
    name,
    kind: 'fk-subscribers',
    key,
    format: 'fk-subscribers',
    write: ({ list }, to) => {
      const all = list.joined();
      layout.write(to, all, 0, all.keys.length);
    },
    decode: (bytes, start, end) => ({
      list: new EntryList(layout, layout.decode(bytes, start, end)),
    }),
    parts: listParts<Subscribers>({
      lists: ({ list }) => [list as AnyList],
      empty: () => ({ list: EntryList.inParts(layout) }),
    }),
    rows: function* rows(cell, k) {
      for (const { leftKey, timestamp } of subscribersOf(cell)) {
        yield { key: k, value: Buffer.from(leftKey, 'latin1').toString(), timestamp };
      }
    },
  };
}

/** Yields the subscribers in key order; the cell must not change meanwhile. */
export function* subscribersOf({ list }: Subscribers): Generator<Subscriber> {
  for (const { keys, columns, i } of list.all()) {
    const [hashes, times] = columns as [Buffer[], number[]];
    yield {
      leftKey: keys[i] as string,
      hash: hashes[i] as Buffer,
      timestamp: times[i] as number,
    };
  }
}

/** Adds, replaces or removes a subscriber of the current key. */
export function note(
  cells: Cells<Subscribers>,
  leftKey: string,
  subscriber: Omit<Subscriber, 'leftKey'> | undefined,
): void {
  const cell = cells.get() ?? { list: new EntryList(layout) };
  const { list } = cell;
  const place = list.find(leftKey);
  if (subscriber === undefined && place === undefined) return;
  if (subscriber === undefined) {
    if (place !== undefined) list.remove(place);
  } else if (place === undefined) list.insert(leftKey, subscriber.hash, subscriber.timestamp);
  else {
    const [hashes, times] = place.columns as [Buffer[], number[]];
    hashes[place.i] = subscriber.hash;
    times[place.i] = subscriber.timestamp;
    list.change(place);
  }
  if (list.size === 0) cells.remove();
  else cells.put(cell);
}
