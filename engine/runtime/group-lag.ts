/** What waits for the other members of the group. */
import type { Log, TopicPartition } from '../log/log.ts';
import { waitsToOf } from './ledger.ts';

/**
 * The first of `partitions` that holds committed records which the group has not committed as read.
 * Offsets alone do not tell: behind the last record stand marks of transactions that no reader
 * gets, and what waits for a witness of its time is not committed.
 */
export async function firstUnread(
  log: Log,
  group: string,
  partitions: Iterable<TopicPartition>,
): Promise<TopicPartition | undefined> {
  for (const at of partitions) {
    const { offset = 0, metadata } = (await log.committed(group, at)) ?? {};
    const from = Math.max(offset, waitsToOf(metadata) ?? 0, await log.startOffset(at));
    if (from >= (await log.endOffset(at))) continue;
    if ((await log.read(at, from, { records: 1 })) !== undefined) return at;
  }
  return undefined;
}
