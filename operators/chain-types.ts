/**
 * Breaks an import cycle: a table creates streams and groups, which create tables. `Stream` and
 * `GroupedTable` register here when their files are loaded; other files create them with these
 * functions.
 */
import { assert } from '../engine/base/assert.ts';
import type { Flow } from './flow.ts';
import type { GroupedTable, groupTable } from './group-table.ts';
import type { Stream } from './stream.ts';

export interface ChainTypes {
  readonly stream: new <K, V>(flow: Flow<K, V>) => Stream<K, V>;
  readonly groupTable: typeof groupTable;
}

const known: { -readonly [Type in keyof ChainTypes]?: ChainTypes[Type] } = {};

/** Called once by the file of each type. */
export function handIn(types: Partial<ChainTypes>): void {
  Object.assign(known, types);
}

export function streamOf<K, V>(flow: Flow<K, V>): Stream<K, V> {
  assert(known.stream !== undefined, 'operators/stream.ts is loaded with any topology');
  return new known.stream(flow);
}

/** As `groupTable` of group-table.ts. */
export function groupsOf<K, V, K2, V2>(
  ...given: Parameters<typeof groupTable<K, V, K2, V2>>
): GroupedTable<K2, V2> {
  assert(known.groupTable !== undefined, 'operators/group-table.ts is loaded with any topology');
  return known.groupTable(...given);
}
