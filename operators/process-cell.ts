/** The state of a key of `process`, in memory. */
import { EntryList } from './entry-list.ts';
import { listLayout, mapLayout } from './keyed-collections.ts';

export interface Timer {
  readonly name: string;
  at: number;
}

export type AnyEntryList = EntryList<number> | EntryList<string>;

export interface Collection {
  /** '' as long as its name is not known: parts may be restored before their head. */
  name: string;
  readonly isMap: boolean;
  readonly list: AnyEntryList;
}

export interface ProcessCell<S> {
  state: S | undefined;
  now: number;
  /** One per name; usually one or two. */
  readonly timers: Timer[];
  /** In the order of their numbers. */
  collections: Collection[];
  /** The cell is in parts. */
  inParts: boolean;
  /** The head as the changelog has it, of a cell in parts. */
  head: Buffer | undefined;
}

const none: Collection[] = [];

export function emptyProcessCell<S>(): ProcessCell<S> {
  return {
    state: undefined,
    now: Number.NEGATIVE_INFINITY,
    timers: [],
    collections: none,
    inParts: false,
    head: undefined,
  };
}

export function nextTimer<S>({ timers }: ProcessCell<S>): Timer | undefined {
  let next = timers[0];
  for (let i = 1; i < timers.length; i++) {
    const timer = timers[i] as Timer;
    const { name, at } = next as Timer;
    if (timer.at < at || (timer.at === at && timer.name < name)) next = timer;
  }
  return next;
}

/** Nothing is to be known of the key any more. */
export function isEmptyCell<S>({ state, timers, collections }: ProcessCell<S>): boolean {
  if (state !== undefined || timers.length > 0) return false;
  for (const { list } of collections) if (list.size > 0) return false;
  return true;
}

/** The key's collection of that name; created if missing. */
export function collectionOf<S>(cell: ProcessCell<S>, name: string, isMap: boolean): AnyEntryList {
  for (const one of cell.collections) {
    if (one.name === name && one.isMap === isMap) return one.list;
  }
  const one = newCollection(name, isMap, cell.inParts);
  cell.collections = [...cell.collections, one];
  return one.list;
}

/** The last instant of a key's state; a later record finds none. */
export function endOf<S>({ now }: ProcessCell<S>, ttlMs: number): number {
  return ttlMs === Number.POSITIVE_INFINITY ? ttlMs : now + ttlMs - 1;
}

export function newCollection(name: string, isMap: boolean, inParts: boolean): Collection {
  const listOf = <K extends number | string>(layout: EntryList<K>['layout']) =>
    inParts ? EntryList.inParts(layout) : new EntryList(layout);
  return { name, isMap, list: isMap ? listOf(mapLayout) : listOf(listLayout) };
}
