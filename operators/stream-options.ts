/** Options of stream operators. */
import type { Partitioner } from '../engine/graph/topic.ts';
import type { Serde } from '../engine/serde/serde.ts';

export interface TableJoinWait {
  /** Records wait this much stream time (ms), in a store of this name; versioned tables only. */
  readonly wait?: { readonly name: string; readonly graceMs: number };
}

export interface KeyBySettings<K, V> {
  /** Serde of the records in the repartition topic. */
  readonly value?: Serde<V>;
  readonly partitioner?: Partitioner<K, V>;
  /**
   * 'time': records are buffered until the watermark has passed them, and forwarded by (timestamp,
   * source partition, offset). For order-dependent steps: first, last, collect, reduce, process.
   * They are delayed to the slowest source partition. Default 'arrival': the order in which
   * upstream tasks wrote them.
   */
  readonly order?: 'arrival' | 'time';
}
