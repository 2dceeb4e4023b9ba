/**
 * The topics of a log and the groups' offsets, in memory; durable adapters store them as well.
 */
import { must } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import type { CommittedOffset, GroupOffset, TopicDescription, TopicPartition } from './log.ts';
import { keyOf } from './partition-key.ts';

export interface PartitionState {
  /** Offset of the first record still kept. */
  start: number;
  /** Offset of the next record. */
  end: number;
  /** The end offset at the last compaction; records before it may be missing. */
  cleaned: number;
  /** Number of records after the last compaction. */
  kept: number;
}

/** True if a compaction would read at most as many old records as new ones. */
export function wantsCompaction({ end, cleaned, kept }: PartitionState): boolean {
  return end > cleaned && end - cleaned >= kept;
}

export interface TopicState {
  readonly id: number;
  readonly description: TopicDescription;
  readonly partitions: PartitionState[];
}

export class LogCatalogue {
  readonly topics = new Map<string, TopicState>();
  /** group -> 'topic/partition' -> next offset */
  readonly groups = new Map<string, Map<string, CommittedOffset>>();
  /** writer id -> its last commit id */
  readonly commits = new Map<string, number>();

  /** Checks a topic before its creation; returns false if it exists. */
  isNew(topic: TopicDescription): boolean {
    const known = this.topics.get(topic.name);
    if (known === undefined) return true;
    if (known.description.partitions !== topic.partitions) {
      throw new MillraceError('TOPIC_MISMATCH', {
        topic: topic.name,
        actual: known.description.partitions,
        expected: topic.partitions,
      });
    }
    return false;
  }

  add(id: number, description: TopicDescription): TopicState {
    const partitions = Array.from({ length: description.partitions }, () => ({
      start: 0,
      end: 0,
      cleaned: 0,
      kept: 0,
    }));
    const topic = { id, description, partitions };
    this.topics.set(description.name, topic);
    return topic;
  }

  partition(at: TopicPartition): PartitionState {
    return must(
      this.topic(at).partitions[at.partition],
      () => `${at.topic} has no partition ${at.partition}`,
    );
  }

  topic(at: { readonly topic: string }): TopicState {
    const topic = this.topics.get(at.topic);
    if (topic === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic: at.topic });
    return topic;
  }

  committed(group: string, at: TopicPartition): CommittedOffset | undefined {
    return this.groups.get(group)?.get(keyOf(at));
  }

  /** The smallest committed offset of all groups that read a partition; 0 if there is none. */
  consumedBefore({ topic, partition }: TopicPartition): number {
    let least = Number.POSITIVE_INFINITY;
    for (const offsets of this.groups.values()) {
      least = Math.min(
        least,
        offsets.get(keyOf({ topic, partition }))?.offset ?? Number.POSITIVE_INFINITY,
      );
    }
    return Number.isFinite(least) ? least : 0;
  }

  /** Partitions of which a group has committed an offset. */
  offsetsOf(group: string): TopicPartition[] {
    return [...(this.groups.get(group) ?? new Map<string, CommittedOffset>()).keys()].map(
      (name) => {
        const slash = name.lastIndexOf('/');
        return { topic: name.slice(0, slash), partition: Number(name.slice(slash + 1)) };
      },
    );
  }

  /** A partition without its records; its offsets continue. */
  emptied({ end }: PartitionState): PartitionState {
    return { start: end, end, cleaned: end, kept: 0 };
  }

  setOffsets(group: string, offsets: readonly GroupOffset[]): void {
    let known = this.groups.get(group);
    if (known === undefined) {
      known = new Map();
      this.groups.set(group, known);
    }
    for (const { topic, partition, offset, metadata } of offsets) {
      known.set(
        keyOf({ topic, partition }),
        metadata === undefined ? { offset } : { offset, metadata },
      );
    }
  }
}
