/** What streams and tables know of where they stand in the graph. */
import type { GraphBuilder } from '../engine/graph/graph.ts';
import type { Port } from '../engine/graph/node.ts';
import type { Serde } from '../engine/serde/serde.ts';

export interface Flow<K, V> {
  readonly graph: GraphBuilder;
  readonly port: Port;
  readonly key: Serde<K>;
  /** How values are written where they must be; undefined when the values have a type of their own. */
  readonly value: Serde<V> | undefined;
}
