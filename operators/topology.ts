/** Where a topology begins: `topology(name, t => ...)` with sources and tables. */
import {
  aFunction,
  checkSetting,
  checkSettings,
  choice,
  flag,
  ms,
  msOrInfinity,
  optional,
  refuseSetting,
  text,
} from '../engine/base/settings.ts';
import type { ErrorHandler } from '../engine/graph/error-handler.ts';
import { GraphBuilder, type Topology, type TopologySettings } from '../engine/graph/graph.ts';
import type { SourceOptions } from '../engine/graph/node.ts';
import type { Topic } from '../engine/graph/topic.ts';
import './group-table.ts';
import { GlobalTable } from './join-global.ts';
import { Stream } from './stream.ts';
import { Table } from './table.ts';
import { expiringTable } from './table-expiring.ts';
import { tableSource } from './table-steps.ts';
import { versionedTable } from './table-versioned.ts';

export interface StreamOptions<K, V> {
  /** Event time of a record, ms UTC; default: the timestamp in the log. */
  readonly time?: (value: V, key: K, timestamp: number) => number;
  /**
   * Records later than the log's own timestamp by more than this many ms go to the dead letters.
   */
  readonly maxFutureSkewMs?: number;
  /**
   * How far records of a partition may be out of order, ms. Time is so much behind the newest
   * record: such records are not late, and results, timers and order come so much later. Default 0;
   * when it is given, also as 0, windows close and timers fire by the watermark even where no keyBy
   * comes before them.
   */
  readonly disorder?: number;
  /**
   * A timestamp further ahead of the wall clock than so many ms goes to the dead letters and moves
   * no time. Default one day; Infinity: every one is taken.
   */
  readonly maxAhead?: number;
  /**
   * In history: a record that jumps further ahead of its partition than so many ms counts when
   * another one confirms it; a lone one goes to the dead letters. Default 366 days; Infinity: every
   * one is taken.
   */
  readonly maxJump?: number;
  /**
   * A partition that is read to its end and silent for so many ms of the wall clock is idle: it
   * promises the wall clock less this. Default: as the process says (`--idle-after`).
   */
  readonly idleAfter?: number;
}

export interface TableOptions {
  /** Keeps each key's values of so much stream time, for joins as of a record's time. */
  readonly historyMs?: number;
  /** Deletes a row when stream time is so much later than its last change. Not with `historyMs`. */
  readonly ttlMs?: number;
  /**
   * 'source': the topic, which must be compacted, is the table's changelog too. Nothing is written
   * twice, and several applications share the one topic as a table that none of them writes.
   * Restored is what the topic still has: what was compacted away before it was read here is not.
   * Not with `historyMs` or `ttlMs`.
   */
  readonly changelog?: 'own' | 'source';
}

export class TopologyBuilder {
  readonly #graph: GraphBuilder;

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** The records of a topic. Null values have no effect and are counted. */
  stream<K, V>(topic: Topic<K, V>, options: StreamOptions<K, V> = {}): Stream<K, V> {
    checkSettings(`stream(${topic.name})`, options, {
      time: optional(aFunction),
      maxFutureSkewMs: optional(ms(0)),
      disorder: optional(ms(0)),
      maxAhead: optional(msOrInfinity(0)),
      maxJump: optional(msOrInfinity(0)),
      idleAfter: optional(ms(0)),
    });
    const port = this.#graph.source(topic, options as SourceOptions);
    return new Stream({ graph: this.#graph, port, key: topic.key, value: topic.value });
  }

  /**
   * What becomes of a record that fails, in any step or in one: the answer of a function. It is
   * asked instead of the policy of the process, also about records that cannot be read or written.
   * @param options.step name of a step, or of a topic that is read or written; default all
   */
  onError(handler: ErrorHandler, options: { readonly step?: string } = {}): void {
    checkSetting('onError.handler', handler, aFunction);
    checkSettings('onError', options, { step: optional(text) });
    this.#graph.onError({ ...options, handler });
  }

  /**
   * The last value of each key of a topic, all partitions, in every task: what a stream of any key
   * may look up. It is loaded before the first record; after that, changes count as they come, in
   * no order of time with the streams. It must fit into memory.
   */
  globalTable<K, V>(topic: Topic<K, V>): GlobalTable<K, V> {
    this.#graph.global(topic);
    return new GlobalTable(topic);
  }

  /** The last value of each key of a topic; a null value deletes the key. */
  table<K, V>(name: string, topic: Topic<K, V>, options: TableOptions = {}): Table<K, V> {
    checkSettings(name, options, {
      historyMs: optional(ms(0)),
      ttlMs: optional(ms(1)),
      changelog: optional(choice('own', 'source')),
    });
    const { key, value } = topic;
    const { historyMs, ttlMs, changelog = 'own' } = options;
    if (historyMs !== undefined && ttlMs !== undefined) {
      const problem = 'a table has either a historyMs, which forgets what is older, or a ttlMs';
      refuseSetting(`${name}.ttlMs`, problem);
    }
    if (changelog === 'source' && (historyMs ?? ttlMs) !== undefined) {
      const problem =
        'a table that keeps a history, or lets rows expire, has a changelog of its own';
      refuseSetting(`${name}.changelog`, problem);
    }
    const source = this.#graph.source(topic);
    const { step, getter } =
      historyMs !== undefined
        ? versionedTable(name, historyMs, key, value)
        : ttlMs !== undefined
          ? expiringTable(name, ttlMs, key, value)
          : tableSource(name, topic, changelog);
    const port = this.#graph.step(step, [source]);
    const versioned = historyMs !== undefined;
    return new Table({ graph: this.#graph, port, key, value }, name, {
      getter,
      versioned,
      ...(versioned ? { stale: { ...port, port: 1 } } : {}),
    });
  }
}

/**
 * Defines a topology. What `define` returns is kept as `exports`: the tables that tests and queries
 * read by handle. Throws TOPOLOGY_INVALID that lists every problem with its line.
 */
export function topology<E = unknown>(
  name: string,
  define: (t: TopologyBuilder) => E,
  settings: TopologySettings = {},
): Topology<E> {
  checkSetting('topology.define', define, aFunction);
  checkSettings('topology', settings, { asKafkaStreams: optional(flag) });
  const graph = new GraphBuilder(name, settings);
  const exports = define(new TopologyBuilder(graph));
  if (exports instanceof Promise) {
    // Its failure is told by this error already.
    exports.catch(() => {});
    const problem = 'must not be asynchronous: steps after its first await would be missing';
    refuseSetting('topology.define', problem);
  }
  return graph.build(exports);
}
