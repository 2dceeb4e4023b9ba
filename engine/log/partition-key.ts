import type { TopicPartition } from './log.ts';

/** Names a partition in maps, as 'topic/partition'. */
export function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`;
}
