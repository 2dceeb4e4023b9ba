/** What streams and tables know of where they stand in the graph. */
import { refuseSetting } from '../engine/base/settings.ts';
import type { GraphBuilder } from '../engine/graph/graph.ts';
import type { Port } from '../engine/graph/node.ts';
import type { Serde } from '../engine/serde/serde.ts';

/**
 * Streams and tables of one topology only meet one another.
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
  /**
   * How values are written where they must be; undefined when the values have a type of their own.
   */
  readonly value: Serde<V> | undefined;
}
