/** A stream cut into windows, and the choice of the implementation of an aggregate over them. */

import {
  anObject,
  aSerde,
  checkSettings,
  choice,
  ms,
  optional,
  refuseSetting,
} from '../engine/base/settings.ts';
import type { Port, Step } from '../engine/graph/node.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { sessionWindowed, timeWindowed, type Windowed } from '../engine/serde/windowed.ts';
import type { TimedWindow, WindowSpec } from '../engine/time/windows/window-spec.ts';
import { accumulatorsOf } from './accumulators.ts';
import { countWindowStep } from './aggregate-count.ts';
import { HoppingWindows } from './aggregate-hopping.ts';
import { SessionWindows } from './aggregate-session.ts';
import { SlicedWindows } from './aggregate-sliced.ts';
import { SlidingWindows } from './aggregate-sliding.ts';
import { FinalSlidingWindows } from './aggregate-sliding-final.ts';
import {
  type Aggregate,
  checkAggregate,
  type MergeableAggregate,
  withoutNulls,
} from './aggregate-value.ts';
import { count } from './aggregates/count.ts';
import { reduce } from './aggregates/reduce.ts';
import type { Flow } from './flow.ts';
import { synchronousAggregate } from './synchronous.ts';
import { Table } from './table.ts';
import {
  type UpdatesWanted,
  type WindowFamily,
  type WindowStepOptions,
  windowedStep,
} from './windowed-step.ts';

export interface WindowAggregateOptions<K, V, A> extends WindowStepOptions<K, V> {
  /** Serde of the results; default MessagePack. */
  readonly value?: Serde<A>;
}

function mergeable<V, A>(aggregate: Aggregate<V, A>): aggregate is MergeableAggregate<V, A> {
  return aggregate.merge !== undefined;
}

function familyOf<K, V, A>(
  name: string,
  spec: TimedWindow,
  aggregate: Aggregate<V, A>,
  key: Serde<K>,
  value: Serde<A>,
  { emit, retentionMs }: WindowStepOptions<K, V>,
): WindowFamily<K, V, A> {
  const whenClosing = retentionMs === undefined ? 'nothing' : 'windows';
  const wanted: UpdatesWanted = emit === 'close' ? whenClosing : 'results';
  const mergesFreely = mergeable(aggregate) && aggregate.ordered !== true;
  if (spec.type === 'sliding') {
    return wanted === 'nothing' && mergesFreely
      ? new FinalSlidingWindows(name, spec, aggregate, key, value)
      : new SlidingWindows(name, spec, aggregate, key, value);
  }
  const accumulators = accumulatorsOf(aggregate, value);
  if (spec.type === 'session') {
    return new SessionWindows(name, spec, accumulators, key, wanted);
  }
  const overlapping = spec.type === 'hopping' && spec.sizeMs > spec.advanceMs;
  return overlapping && mergesFreely
    ? new SlicedWindows(name, spec, aggregate, accumulators, key, wanted)
    : new HoppingWindows(name, spec, accumulators, key, wanted);
}

function stepFor<K, V, A>(
  name: string,
  spec: WindowSpec,
  aggregate: Aggregate<V, A>,
  key: Serde<K>,
  value: Serde<A>,
  options: WindowStepOptions<K, V>,
): Step {
  checkSettings<WindowAggregateOptions<K, V, A>>(name, options, {
    value: optional(aSerde),
    emit: optional(choice('update', 'close')),
    late: optional(anObject),
    retentionMs: optional(ms(0)),
    clock: optional(choice('stream', 'key')),
  });
  const { emit = 'update', ...others } = options;
  if (spec.type !== 'count') {
    const family = familyOf(name, spec, aggregate, key, value, options);
    const step = windowedStep(name, spec, family, options, aggregate.name);
    if (spec.type !== 'session' || mergeable(aggregate)) return step;
    const problem =
      'a session window needs an aggregate with merge, because sessions grow together: give it one, or take another window';
    return { ...step, problem };
  }
  for (const field of ['late', 'retentionMs', 'clock'] as const) {
    if (others[field] === undefined) continue;
    const problem =
      'a count window does not depend on time, so it has no such option: leave it out';
    refuseSetting(`${name}.${field}`, problem);
  }
  return countWindowStep(name, spec, aggregate, key, value, emit);
}

/** The serde of a window's key, without the end if it follows from the start. */
function windowKeySerde<K>(spec: WindowSpec, key: Serde<K>): Serde<Windowed<K>> {
  if (spec.type === 'hopping') return timeWindowed(key, spec.sizeMs);
  return spec.type === 'count' ? timeWindowed(key, spec.size) : sessionWindowed(key);
}

export interface WindowedTableParts<K, V, A> {
  /** The graph and the key's serde. */
  readonly flow: Pick<Flow<K, V>, 'graph' | 'key'>;
  readonly inputs: readonly Port[];
  readonly name: string;
  readonly spec: WindowSpec;
  readonly aggregate: Aggregate<V, A>;
  readonly options: WindowAggregateOptions<K, V, A>;
  /** Turns the step of one input into a step with several. */
  readonly stepOf?: (step: Step) => Step;
}

/** Adds a window aggregate to the graph: its family, its step, and the table of its results. */
export function windowedTable<K, V, A>(parts: WindowedTableParts<K, V, A>): Table<Windowed<K>, A> {
  const { flow, inputs, name, spec, aggregate, options, stepOf = (step) => step } = parts;
  const { graph, key } = flow;
  const value = options.value ?? msgpack<A>();
  checkAggregate(name, aggregate);
  const added = withoutNulls(synchronousAggregate(aggregate));
  const step = stepOf(stepFor(name, spec, added, key, value, options));
  const table: Flow<Windowed<K>, A> = {
    graph,
    port: graph.step(step, inputs),
    key: windowKeySerde(spec, key),
    value,
  };
  return new Table(table, name, {
    window: { spec, base: key as Serde<unknown>, clock: options.clock ?? 'stream' },
  });
}

export class WindowedStream<K, V> {
  readonly #flow: Flow<K, V>;
  readonly #spec: WindowSpec;

  constructor(flow: Flow<K, V>, spec: WindowSpec) {
    this.#flow = flow;
    this.#spec = spec;
  }

  /**
   * The aggregate of each key and window; `name` names the store. A record with a null key or value
   * has no effect, nor does a late one; all are counted. With `late`, late records are also written
   * to a topic. If the aggregate returns null, the window has no row. Example:
   * `clicks.window(session({ gap: minutes(30), grace: 0 })).aggregate('visits', count(), { emit:
   * 'close' })`.
   * @throws CONFIG_INVALID if the window cannot use the aggregate (sessions need `merge`)
   */
  aggregate<A>(
    name: string,
    aggregate: Aggregate<V, A>,
    options: WindowAggregateOptions<K, V, A> = {},
  ): Table<Windowed<K>, A> {
    const [flow, spec] = [this.#flow, this.#spec];
    return windowedTable({ flow, inputs: [flow.port], name, spec, aggregate, options });
  }

  /** The number of records of each key and window; otherwise as `aggregate`. */
  count(
    name: string,
    options: WindowAggregateOptions<K, V, number> = {},
  ): Table<Windowed<K>, number> {
    return this.aggregate(name, count<V>(), options);
  }

  /**
   * Folds the records of each key and window, starting with the first one; otherwise as
   * `aggregate`.
   */
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
