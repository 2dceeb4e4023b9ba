/** Records that wait for other members of the group. */
import type { Log, TopicPartition } from '../log/log.ts';
import { waitsToOf } from './ledger.ts';

/**
 * The first of `partitions` with committed records that the group has not consumed. Offsets are not
 * enough: after the last record there are transaction markers that readers do not see, and records
 * that wait for a witness of their time are not consumed.
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
