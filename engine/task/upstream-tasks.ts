/** Counts the upstream tasks that send promises to a task. */
import { must } from '../base/assert.ts';
import type { Topology } from '../graph/graph.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { PartTime } from '../graph/time-plan.ts';
import { repartitionTopic } from '../graph/topic-names.ts';
import type { HostConfig } from './host-port.ts';

/**
 * Number of tasks that write each source with promises of a part, by the topic's logical name.
 * @param parts of the topology, with the `times` of each
 */
export function upstreamTasks(
  part: SubTopology,
  topology: Topology,
  parts: readonly SubTopology[],
  times: readonly PartTime[],
  { application, partitionsOf }: HostConfig,
): ReadonlyMap<string, number> {
  const tasks = new Map<string, number>();
  part.sources.forEach(({ topic }, i) => {
    const input = times[part.id]?.inputs[i];
    if (input?.kind !== 'told') return;
    const source = must(parts[input.part]?.sources[0], 'a part has a source');
    const node = topology.nodes[source.node];
    const name =
      source.repartition && node?.type === 'step'
        ? repartitionTopic(application, node.step.name)
        : source.topic.name;
    tasks.set(
      topic.name,
      must(partitionsOf[name], () => `partitions of ${name} are unknown`),
    );
  });
  return tasks;
}
