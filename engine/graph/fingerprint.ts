/** A stable hash of a topology: equal in every thread and every run of the same code. */
import { createHash } from 'node:crypto';
import type { Topology } from './graph.ts';
import type { GraphNode } from './node.ts';

/** SHA-256, hex. Functions are not part of it: it distinguishes graphs, not lambdas. */
export function fingerprint(topology: Topology): string {
  const shape = {
    name: topology.name,
    nodes: topology.nodes.map(shapeOf),
    ...globalsOf(topology),
    ...timeOf(topology),
  };
  return createHash('sha256').update(JSON.stringify(shape)).digest('hex');
}

/** Absent if there are none, so that existing topologies keep their fingerprint. */
function globalsOf({ globals }: Topology): { readonly globals?: readonly string[] } {
  return globals.length === 0 ? {} : { globals: globals.map(({ name }) => name) };
}

/** Absent by default, for the same reason. */
function timeOf({ asKafkaStreams }: Topology): { readonly asKafkaStreams?: true } {
  return asKafkaStreams === true ? { asKafkaStreams } : {};
}

function shapeOf(node: GraphNode): unknown {
  switch (node.type) {
    case 'source':
      return [
        'source',
        node.topic.name,
        node.topic.keyDecoder.format,
        node.topic.valueDecoder.format,
      ];
    case 'sink':
      return [
        'sink',
        node.topic.name,
        node.topic.keyEncoder.format,
        node.topic.valueEncoder.format,
        node.input,
      ];
    case 'step': {
      const { kind, name, detail, stores } = node.step;
      const formats = stores.map((store) => [
        store.name,
        store.kind,
        store.key.format,
        store.format,
      ]);
      return ['step', kind, name, detail ?? null, formats, node.inputs];
    }
  }
}
