/** Steps on the edges of a table: every change is (new, old), a deletion has the new value null. */
import { aFunction, checkSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells } from '../engine/graph/store-spec.ts';
import type { Topic } from '../engine/graph/topic.ts';
import { type AggregateCell, aggregateStore } from './aggregate.ts';
import { present } from './present.ts';
import { rowOf, storeGetter, type TableGetter } from './table-getter.ts';
import { type UnderWay, underWay } from './under-way.ts';

function edge(
  kind: string,
  change: (next: AnyReceiver) => AnyReceiver['receive'],
  detail?: Readonly<Record<string, unknown>>,
): Step {
  return {
    kind,
    name: kind,
    ...(detail === undefined ? {} : { detail }),
    stores: [],
    build: (context) => [{ receive: change(context.output(0)) }],
  };
}

/**
 * A row that no longer passes becomes a deletion; a row that never passed is not forwarded. In a
 * versioned table every change is forwarded, as in Kafka Streams (KIP-914), because the previous
 * change may not be the older one.
 */
export function tableFilterStep<K, V>(
  predicate: (value: V, key: K) => boolean,
  versioned: boolean,
): Step {
  checkSetting('filter.predicate', predicate, aFunction);
  return edge('table-filter', (next) => (key, value, timestamp, old) => {
    const now = present(value) && predicate(value as V, key as K) ? value : null;
    const before = present(old) && predicate(old as V, key as K) ? old : undefined;
    if (versioned || now !== null || before !== undefined)
      next.receive(key, now, timestamp, before);
  });
}

/** A row mapped to null or undefined is not a row, as if a filter rejected it. */
export function tableMapStep<K, V, W>(
  fn: (value: V, key: K) => W | null | undefined,
  versioned: boolean,
): Step {
  checkSetting('map.fn', fn, aFunction);
  return edge('table-map', (next) => (key, value, timestamp, old) => {
    const now = present(value) ? (fn(value as V, key as K) ?? null) : null;
    const before = present(old) ? (fn(old as V, key as K) ?? undefined) : undefined;
    // A deletion is forwarded even if there was no row, as in Kafka Streams.
    if (versioned || now !== null || before !== undefined || !present(value)) {
      next.receive(key, now, timestamp, before);
    }
  });
}

/** The table's changes as plain records: the new values, deletions as null. */
export function changesStep(): Step {
  return edge('changes', (next) => (key, value, timestamp) => next.receive(key, value, timestamp));
}

/**
 * A table read from a topic: the last value of each key, null deletes.
 * @param changelog 'source': the topic is the changelog as well
 */
export function tableSource<K, V>(
  name: string,
  topic: Topic<K, V>,
  changelog: 'own' | 'source',
): { readonly step: Step; readonly getter: TableGetter<V> } {
  const { key, value } = topic;
  const own = aggregateStore<K, V>(name, key, value);
  const cell = (bytes: Buffer, timestamp: number) => {
    const accumulator = value.decode(bytes, 0, bytes.byteLength);
    return present(accumulator) ? { accumulator, timestamp } : undefined;
  };
  const store = changelog === 'own' ? own : { ...own, source: { topic: topic.name, cell } };
  const { cleanup = 'delete' } = topic.settings;
  const problem = `topic '${topic.name}' cannot be its changelog: what clean-up '${cleanup}' takes away would be missing after a restore. Declare the topic with cleanup 'compact', or leave the option out`;
  const step: Step = {
    kind: 'table-source',
    name,
    nulls: true,
    ...(changelog === 'own' ? {} : { detail: { changelog: topic.name } }),
    ...(changelog === 'source' && cleanup !== 'compact' ? { problem } : {}),
    stores: [store],
    build: (context) => [new TableSource<V>(name, context, context.cells(store))],
  };
  return { step, getter: storeGetter(store) };
}

class TableSource<V> implements AnyReceiver {
  readonly #name: string;
  readonly #context: BuildContext;
  readonly #cells: Cells<AggregateCell<V>>;
  readonly #next: AnyReceiver;
  readonly #underWay: UnderWay<V>;

  constructor(name: string, context: BuildContext, cells: Cells<AggregateCell<V>>) {
    this.#name = name;
    this.#context = context;
    this.#cells = cells;
    this.#next = context.output(0);
    this.#underWay = underWay(cells);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    if (key === null) {
      this.#context.task.drop(this.#name, 'null_key');
      return;
    }
    const before = rowOf(this.#cells.get());
    if (present(value)) this.#cells.put({ accumulator: value as V, timestamp });
    else this.#cells.remove();
    this.#underWay.tell(before, this.#next, key, value ?? null, timestamp);
  }
}
