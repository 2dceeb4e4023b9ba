/** A store whose cell is one list of records by time, for joins and buffers. */
import type { StoreSpec } from '../engine/graph/store-spec.ts';
import { type EntryLayout, EntryList } from './entry-list.ts';
import { type AnyList, listParts } from './list-parts.ts';

/** Records of a key, by time, then arrival. The first column holds their values. */
export interface RecordList {
  readonly list: EntryList<number>;
}

export interface ListStore {
  readonly store: StoreSpec<unknown, RecordList>;
  newList(): EntryList<number>;
}

type Settings = Pick<StoreSpec<unknown, RecordList>, 'name' | 'kind' | 'key' | 'format' | 'due'>;

/** @param settings `due` returns ms UTC, or Infinity for an empty list */
export function listStore(settings: Settings, layout: EntryLayout<number>): ListStore {
  const store: StoreSpec<unknown, RecordList> = {
    ...settings,
    write: ({ list }, to) => {
      const all = list.joined();
      layout.write(to, all, 0, all.keys.length);
    },
    decode: (bytes, start, end) => ({
      list: new EntryList(layout, layout.decode(bytes, start, end)),
    }),
    parts: listParts<RecordList>({
      lists: ({ list }) => [list as AnyList],
      empty: () => ({ list: EntryList.inParts(layout) }),
    }),
    rows: function* rows({ list }, k) {
      for (const { keys, columns, i } of list.all()) {
        yield { key: k, value: columns[0]?.[i], timestamp: keys[i] as number };
      }
    },
  };
  return { store, newList: () => new EntryList(layout) };
}
