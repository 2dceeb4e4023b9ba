/** A table: the newest value of each key, and its changes as (new, old). */
import type { Step } from '../engine/graph/node.ts';
import type { StoreHandle } from '../engine/graph/store-spec.ts';
import type { Sink } from '../engine/graph/topic.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { WindowSpec } from '../engine/time/windows/spec.ts';
import type { Flow } from './flow.ts';
import { Stream } from './stream.ts';
import { type SuppressOptions, suppressStep } from './suppress.ts';
import { changesStep, tableFilterStep, tableMapStep } from './table-steps.ts';

/** Of a windowed table: its windows, and how the key within the window is written. */
export interface TableWindow {
  readonly spec: WindowSpec;
  readonly base: Serde<unknown>;
}

export class Table<K, V> implements StoreHandle<K, V> {
  readonly store: string;
  readonly #flow: Flow<K, V>;
  readonly #window: TableWindow | undefined;

  constructor(flow: Flow<K, V>, store: string, window?: TableWindow) {
    this.#flow = flow;
    this.store = store;
    this.#window = window;
  }

  filter(predicate: (value: V, key: K) => boolean): Table<K, V> {
    return this.#then(tableFilterStep(predicate), this.#flow.value);
  }

  map<W>(fn: (value: V, key: K) => W): Table<K, W> {
    return this.#then<W>(tableMapStep(fn), undefined);
  }

  /** Every change as a record; a deletion has the value null. */
  changes(): Stream<K, V> {
    const { graph, key, value } = this.#flow;
    return new Stream({ graph, port: graph.step(changesStep(), [this.#flow.port]), key, value });
  }

  /** Holds changes back: until the window is closed, or for a time. */
  suppress(name: string, options: SuppressOptions): Table<K, V> {
    const base = this.#window?.base ?? (this.#flow.key as Serde<unknown>);
    const value = this.#flow.value ?? msgpack<V>();
    const step = suppressStep(name, options, this.#window?.spec, base, value as Serde<unknown>);
    return this.#then(step, value);
  }

  to(topic: Sink<K, V>): void {
    this.#flow.graph.sink(topic, this.#flow.port);
  }

  #then<W>(step: Step, value: Serde<W> | undefined): Table<K, W> {
    const { graph, key } = this.#flow;
    const port = graph.step(step, [this.#flow.port]);
    return new Table<K, W>({ graph, port, key, value }, this.store, this.#window);
  }
}
