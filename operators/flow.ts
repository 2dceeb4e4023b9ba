/** The position of streams and tables in the graph. */
import { refuseSetting } from '../engine/base/settings.ts';
import type { GraphBuilder } from '../engine/graph/graph.ts';
import type { Port } from '../engine/graph/node.ts';
import type { Serde } from '../engine/serde/serde.ts';

/**
 * Checks that streams and tables belong to the same topology.
 * @throws CONFIG_INVALID
 */
export function sameTopology(step: string, graph: GraphBuilder, other: GraphBuilder): void {
  if (graph === other) return;
  refuseSetting(step, 'its sides belong to different topologies: define them in one');
}

export interface Flow<K, V> {
  readonly graph: GraphBuilder;
  readonly port: Port;
  readonly key: Serde<K>;
  /** Serde for values that must be written; undefined if the value's type has changed. */
  readonly value: Serde<V> | undefined;
}
