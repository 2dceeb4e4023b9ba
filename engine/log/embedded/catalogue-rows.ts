/** Database rows other than batches: JSON, with a checksum that also covers the key. */
import { checksummed } from '../../base/checksummed.ts';
import type { BackendWrite } from '../../storage/backend.ts';
import type { GroupOffset, TopicDescription } from '../log.ts';
import type { PartitionState } from '../topic-catalogue.ts';
import { keptKey, offsetKey, partitionKey, topicKey, writerKey } from './log-keys.ts';

export function row(key: Buffer, value: unknown): BackendWrite {
  return { key, value: checksummed(Buffer.from(JSON.stringify(value)), key) };
}

export function deletion(key: Buffer): BackendWrite {
  return { key, value: undefined };
}

/** The role of a topic is passed at each start and not stored. */
export function topicRow(
  id: number,
  { name, partitions, settings }: TopicDescription,
): BackendWrite {
  return row(topicKey(name), { id, description: { name, partitions, settings } });
}

export function partitionRow(
  topicId: number,
  partition: number,
  state: PartitionState,
): BackendWrite {
  return row(partitionKey(topicId, partition), state);
}

/** @param bases base offsets of the batches that a compaction kept */
export function keptRow(topicId: number, partition: number, bases: readonly number[]) {
  return row(keptKey(topicId, partition), bases);
}

export function offsetRow(group: string, at: GroupOffset): BackendWrite {
  const { topic, partition, offset, metadata } = at;
  return row(offsetKey(group, topic, partition), { offset, metadata });
}

export function writerRow(id: string, commitId: number): BackendWrite {
  return row(writerKey(id), commitId);
}
