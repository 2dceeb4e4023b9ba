/** Creates the source queues of a task. */
import type { SourceNode } from '../graph/node.ts';
import type { AnyReceiver } from '../graph/processor.ts';
import { SourceTime, UpstreamTime } from '../time/watermark.ts';
import { SourceQueue } from './source-queue.ts';
import type { TaskOptions } from './task-options.ts';

/**
 * @param entries receivers of their records;
 * @param names of repartition topics in the log, by logical name
 */
export function sourceQueues(
  options: TaskOptions,
  entries: readonly AnyReceiver[],
  names: ReadonlyMap<string, string>,
): readonly SourceQueue[] {
  const { topology, part, positions, time, times, upstreamTasks } = options;
  return part.sources.map(({ topic, node, repartition }, i) => {
    const name = names.get(topic.name) ?? topic.name;
    const settings = repartition ? {} : (topology.nodes[node] as SourceNode).options;
    const told = time.inputs[i]?.kind === 'told';
    const input = told
      ? new UpstreamTime(upstreamTasks.get(topic.name) ?? 1)
      : new SourceTime(settings.disorder);
    input.restore(times.get(name) ?? '');
    const receiver = entries[i] as AnyReceiver;
    const position = positions.get(name) ?? 0;
    return new SourceQueue(name, topic, settings, receiver, position, input, repartition);
  });
}
