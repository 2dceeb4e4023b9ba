/** A stream cut into windows: which implementation computes an aggregate over them. */

import { MillraceError } from '../engine/base/errors.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { sessionWindowed, timeWindowed, type Windowed } from '../engine/serde/windowed.ts';
import type { WindowSpec } from '../engine/time/windows/spec.ts';
import { HoppingWindows } from './aggregate-hopping.ts';
import { SessionWindows } from './aggregate-session.ts';
import { SlicedWindows } from './aggregate-sliced.ts';
import { SlidingWindows } from './aggregate-sliding.ts';
import type { Aggregate, MergeableAggregate } from './aggregate-value.ts';
import { count } from './aggregates/count.ts';
import { reduce } from './aggregates/reduce.ts';
import type { Flow } from './flow.ts';
import { Table } from './table.ts';
import { type WindowFamily, type WindowStepOptions, windowedStep } from './windowed-step.ts';

export interface WindowAggregateOptions<K, V, A> extends WindowStepOptions<K, V> {
  /** How results are written; default MessagePack. */
  readonly value?: Serde<A>;
}

function mergeable<V, A>(aggregate: Aggregate<V, A>): aggregate is MergeableAggregate<V, A> {
  return aggregate.merge !== undefined;
}

function familyOf<K, V, A>(
  name: string,
  spec: WindowSpec,
  aggregate: Aggregate<V, A>,
  key: Serde<K>,
  value: Serde<A>,
  closing: boolean,
): WindowFamily<K, V, A> {
  if (spec.type === 'sliding') return new SlidingWindows(name, spec, aggregate, key, value);
  if (spec.type === 'session') {
    if (!mergeable(aggregate)) {
      const problem = 'a session window needs an aggregate with merge: sessions grow together';
      throw new MillraceError('CONFIG_INVALID', { field: `${name}.aggregate.merge`, problem });
    }
    return new SessionWindows(name, spec, aggregate, key, value);
  }
  const overlapping = spec.sizeMs > spec.advanceMs;
  return overlapping && mergeable(aggregate) && aggregate.ordered !== true
    ? new SlicedWindows(name, spec, aggregate, key, value, !closing)
    : new HoppingWindows(name, spec, aggregate, key, value);
}

export class WindowedStream<K, V> {
  readonly #flow: Flow<K, V>;
  readonly #spec: WindowSpec;

  constructor(flow: Flow<K, V>, spec: WindowSpec) {
    this.#flow = flow;
    this.#spec = spec;
  }

  aggregate<A>(
    name: string,
    aggregate: Aggregate<V, A>,
    options: WindowAggregateOptions<K, V, A> = {},
  ): Table<Windowed<K>, A> {
    const spec = this.#spec;
    const { graph, key, port: input } = this.#flow;
    const value = options.value ?? msgpack<A>();
    const closing = options.emit === 'close';
    const family = familyOf(name, spec, aggregate, key, value, closing);
    const step = windowedStep(name, spec, family, options, aggregate.name);
    const windowKey =
      spec.type === 'hopping' ? timeWindowed(key, spec.sizeMs) : sessionWindowed(key);
    const table: Flow<Windowed<K>, A> = {
      graph,
      port: graph.step(step, [input]),
      key: windowKey,
      value,
    };
    return new Table(table, name, { window: { spec, base: key as Serde<unknown> } });
  }

  count(
    name: string,
    options: WindowAggregateOptions<K, V, number> = {},
  ): Table<Windowed<K>, number> {
    return this.aggregate(name, count<V>(), options);
  }

  reduce(
    name: string,
    fn: (total: V, value: V) => V,
    options: WindowAggregateOptions<K, V, V> = {},
  ): Table<Windowed<K>, V> {
    return this.aggregate(name, reduce(fn), {
      value: this.#flow.value ?? msgpack<V>(),
      ...options,
    });
  }
}
