/** What may be said of operators of a stream beside what they do. */
import type { Partitioner } from '../engine/graph/topic.ts';
import type { Serde } from '../engine/serde/serde.ts';

export interface TableJoinWait {
  /** Records wait for so much stream time, in a store of that name; versioned tables only. */
  readonly wait?: { readonly name: string; readonly graceMs: number };
}

export interface KeyBySettings<K, V> {
  /** How records are written to the repartition topic. */
  readonly value?: Serde<V>;
  readonly partitioner?: Partitioner<K, V>;
  /**
   * 'time': records are held until the watermark has passed them, and go on by (timestamp, source
   * partition, offset). For what depends on order: first, last, collect, reduce, process. They come
   * as late as the slowest source partition. Default 'arrival': as the tasks before wrote them.
   */
  readonly order?: 'arrival' | 'time';
}
