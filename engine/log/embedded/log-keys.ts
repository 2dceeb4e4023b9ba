/**
 * Keys in the embedded log's database; values have a checksum (base/checksummed.ts) unless said:
 *
 *   [0]                                        sequence number of the last commit
 *   [1][topic name]                            {id, description}
 *   [2][topic id u32][partition u32]           {start, end}
 *   [3][topic id][partition][base offset, 8]   a packed batch, which carries its own CRC-32C
 *   [4][group][0][topic][0][partition u32]     next offset of a group
 *   [5][writer]                                last commit id of a writer
 *   [6][sequence number, 8]                    the journal: a row per commit (journal.ts)
 *   [7][topic id][partition]                   base offsets of the batches that a compaction kept
 */
import { orderedTimeBytes, readOrderedTime, writeOrderedTime } from '../../base/bytes.ts';

export const sequenceKey: Buffer = Buffer.from([0]);

export const prefixes = {
  topics: Buffer.from([1]),
  partitions: Buffer.from([2]),
  offsets: Buffer.from([4]),
  writers: Buffer.from([5]),
  journal: Buffer.from([6]),
  kept: Buffer.from([7]),
} as const;

/** First bytes of the rows that a start reads: topics, ends, offsets, writers, kept batches. */
export const catalogueTags: ReadonlySet<number> = new Set([1, 2, 4, 5, 7]);

export function journalKey(sequence: number): Buffer {
  const key = Buffer.alloc(1 + orderedTimeBytes, prefixes.journal);
  writeOrderedTime(key, 1, sequence);
  return key;
}

/** The sequence number in a journal row's key. */
export function sequenceOf(key: Buffer): number {
  return readOrderedTime(key, 1);
}

/** Names a partition in memory. */
export function partitionId(topicId: number, partition: number): string {
  return `${topicId}/${partition}`;
}

export function topicKey(name: string): Buffer {
  return Buffer.concat([prefixes.topics, Buffer.from(name)]);
}

export function partitionKey(topicId: number, partition: number): Buffer {
  return keyOfPartition(prefixes.partitions, topicId, partition);
}

export function keptKey(topicId: number, partition: number): Buffer {
  return keyOfPartition(prefixes.kept, topicId, partition);
}

function keyOfPartition(prefix: Buffer, topicId: number, partition: number): Buffer {
  const key = Buffer.alloc(9, prefix);
  key.writeUInt32BE(topicId, 1);
  key.writeUInt32BE(partition, 5);
  return key;
}

export function batchKey(topicId: number, partition: number, baseOffset: number): Buffer {
  const key = Buffer.alloc(9 + orderedTimeBytes);
  key.writeUInt8(3, 0);
  key.writeUInt32BE(topicId, 1);
  key.writeUInt32BE(partition, 5);
  writeOrderedTime(key, 9, baseOffset);
  return key;
}

/** The base offset in a batch's key. */
export function baseOffsetOf(key: Buffer): number {
  return readOrderedTime(key, 9);
}

export function offsetKey(group: string, topic: string, partition: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32BE(partition, 0);
  return Buffer.concat([prefixes.offsets, Buffer.from(`${group}\0${topic}\0`), number]);
}

export function parseOffsetKey(key: Buffer): { group: string; topic: string; partition: number } {
  const partition = key.readUInt32BE(key.byteLength - 4);
  const [group = '', topic = ''] = key.toString('utf8', 1, key.byteLength - 4).split('\0');
  return { group, topic, partition };
}

export function writerKey(id: string): Buffer {
  return Buffer.concat([prefixes.writers, Buffer.from(id)]);
}
