/** The entry point of a topology: `topology(name, t => ...)` with sources and tables. */
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
  /** Extracts the event time of a record, ms UTC; default: the timestamp in the log. */
  readonly time?: (value: V, key: K, timestamp: number) => number;
  /**
   * A record whose time is more than this many ms after the log's own timestamp becomes a dead
   * letter.
   */
  readonly maxFutureSkewMs?: number;
  /**
   * How far records of a partition may be out of order, ms. Time is this much behind the newest
   * record: such records are not late, and results, timers and ordering are that much later.
   * Default 0. If it is given, even as 0, windows and timers follow the watermark without a keyBy
   * too.
   */
  readonly disorder?: number;
  /**
   * A record further ahead of the wall clock than this (ms) becomes a dead letter and does not
   * advance time. Default one day; Infinity: no limit.
   */
  readonly maxAhead?: number;
  /**
   * In history, a record that jumps further ahead of its partition than this (ms) is accepted if
   * another record confirms it; otherwise it becomes a dead letter. Default 366 days; Infinity: no
   * limit.
   */
  readonly maxJump?: number;
  /**
   * A partition that is read to its end and silent for this many ms of the wall clock is idle: its
   * time follows the wall clock minus this. Default: the setting of the process (`--idle-after`).
   */
  readonly idleAfter?: number;
}

export interface TableOptions {
  /** Keeps each key's values of this much stream time (ms), for joins as of a record's time. */
  readonly historyMs?: number;
  /**
   * Deletes a row when stream time is this much later (ms) than its last change. Not with
   * `historyMs`.
   */
  readonly ttlMs?: number;
  /**
   * 'source': the topic, which must be compacted, is also the table's changelog. Nothing is written
   * twice, and several applications can share the topic as a table that none of them writes. A
   * restore sees only the records that the topic still has. Not with `historyMs` or `ttlMs`.
   */
  readonly changelog?: 'own' | 'source';
}

export class TopologyBuilder {
  readonly #graph: GraphBuilder;

  constructor(graph: GraphBuilder) {
    this.#graph = graph;
  }

  /** The records of a topic. Records with a null value have no effect and are counted. */
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
   * Sets the handler of failed records, for all steps or one. It replaces the policy of the
   * process, also for records that cannot be read or written. See docs/OPERATING.md.
   * @param options.step name of a step, or of a topic that is read or written; default all
   */
  onError(handler: ErrorHandler, options: { readonly step?: string } = {}): void {
    checkSetting('onError.handler', handler, aFunction);
    checkSettings('onError', options, { step: optional(text) });
    this.#graph.onError({ ...options, handler });
  }

  /**
   * The last value of each key of a topic, of all partitions, in every task, for lookups by streams
   * with any key. It is loaded before the first record; later changes apply as they arrive,
   * independent of the streams' time. It must fit into memory.
   */
  globalTable<K, V>(topic: Topic<K, V>): GlobalTable<K, V> {
    this.#graph.global(topic);
    return new GlobalTable(topic);
  }

  /**
   * The last value of each key of a topic; a null value deletes the row. Records with a null key
   * are dropped and counted. `name` names the store.
   */
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
 * Defines a topology. The result of `define` becomes `exports`: the tables that tests and queries
 * read by handle.
 * @throws TOPOLOGY_INVALID that lists every problem with its line
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
    // The error below already reports the failure.
    exports.catch(() => {});
    const problem = 'must not be asynchronous: steps after its first await would be missing';
    refuseSetting('topology.define', problem);
  }
  return graph.build(exports);
}
