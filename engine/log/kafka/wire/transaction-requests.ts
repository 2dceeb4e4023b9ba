/**
 * The requests of a transaction, in versions of brokers from 2.5 (offsets with the member's
 * generation, KIP-447) to 4.x: the older transaction protocol, in which the producer's epoch lasts
 * until the next init. Field by field as in Kafka's protocol guide; unused fields are skipped.
 */
import type { GroupOffset, TopicPartition } from '../../log.ts';
import type { WireReader, WireWriter } from './wire-format.ts';
import { byTopic, type Request } from './wire-request.ts';

/** The producer of a transaction. */
export interface ProducerId {
  readonly transactionalId: string;
  readonly id: number;
  readonly epoch: number;
}

/** A consumer in its group, as the brokers check it when its offsets are committed. */
export interface Membership {
  readonly group: string;
  readonly member: string;
  readonly generation: number;
  /** Instance id of a static member. */
  readonly instance?: string;
}

/** Ends the open transaction of an older producer with the id, and fences it. */
export function initProducerId(
  transactionalId: string,
  timeoutMs: number,
): Request<{ readonly error: number; readonly id: number; readonly epoch: number }> {
  return {
    api: 22,
    version: 1,
    write: (body) => {
      body.string(transactionalId).int32(timeoutMs);
    },
    read: (body) => {
      body.int32(); // throttled
      return { error: body.int16(), id: body.int64(), epoch: body.int16() };
    },
  };
}

export interface PartitionOutcome extends TopicPartition {
  readonly error: number;
}

export function addPartitions(
  producer: ProducerId,
  partitions: readonly TopicPartition[],
): Request<readonly PartitionOutcome[]> {
  return {
    api: 24,
    version: 1,
    write: (body) => {
      writeProducer(body, producer);
      body.array([...byTopic(partitions)], ([topic, list]) => {
        body.string(topic).array(list, ({ partition }) => body.int32(partition));
      });
    },
    read: (body) => {
      body.int32(); // throttled
      return byTopics(body, (topic) => ({ topic, partition: body.int32(), error: body.int16() }));
    },
  };
}

/** A record batch for a partition; producer, sequence and checksum are in it. */
export interface BatchFor extends TopicPartition {
  readonly batch: Uint8Array;
}

export interface Produced extends PartitionOutcome {
  /** Offset of the batch's first record; -1 if the broker no longer knows it. */
  readonly offset: number;
}

/** Writes one batch per partition; the response comes when all in-sync replicas have it. */
export function produce(
  transactionalId: string,
  timeoutMs: number,
  batches: readonly BatchFor[],
): Request<{ readonly throttledMs: number; readonly partitions: readonly Produced[] }> {
  const allInSync = -1;
  return {
    api: 0,
    version: 7,
    write: (body) => {
      body.string(transactionalId).int16(allInSync).int32(timeoutMs);
      body.array([...byTopic(batches)], ([topic, list]) => {
        body.string(topic).array(list, ({ partition, batch }) => {
          body.int32(partition).bytes(batch);
        });
      });
    },
    read: (body) => {
      const partitions = byTopics(body, (topic) => {
        const [partition, error, offset] = [body.int32(), body.int16(), body.int64()];
        body.int64(); // when it was appended
        body.int64(); // start of the log
        return { topic, partition, error, offset };
      });
      return { throttledMs: body.int32(), partitions };
    },
  };
}

/** Announces that offsets of the group will be part of the transaction. */
export function addOffsets(producer: ProducerId, group: string): Request<number> {
  return {
    api: 25,
    version: 1,
    write: (body) => {
      writeProducer(body, producer);
      body.string(group);
    },
    read: readError,
  };
}

/**
 * Sent to the group's coordinator, which refuses a member that is not in the current generation.
 */
export function commitOffsets(
  { transactionalId, id, epoch }: ProducerId,
  { group, member, generation, instance }: Membership,
  offsets: readonly GroupOffset[],
): Request<readonly PartitionOutcome[]> {
  const noEpoch = -1;
  return {
    api: 28,
    version: 3,
    isFlexible: true,
    write: (body) => {
      body.compactString(transactionalId).compactString(group).int64(id).int16(epoch);
      body.int32(generation).compactString(member).compactString(instance);
      body.compactArray([...byTopic(offsets)], ([topic, list]) => {
        body.compactString(topic).compactArray(list, ({ partition, offset, metadata = '' }) => {
          body.int32(partition).int64(offset).int32(noEpoch).compactString(metadata).tags();
        });
        body.tags();
      });
      body.tags();
    },
    read: (body) => {
      body.int32(); // throttled
      const topics = body.compactArray(() => {
        const topic = body.compactString() ?? '';
        const partitions = body.compactArray(() => {
          const [partition, error] = [body.int32(), body.int16()];
          body.tags();
          return { topic, partition, error };
        });
        body.tags();
        return partitions;
      });
      return topics.flat();
    },
  };
}

/** Commits; aborts are left to the init of the next producer. */
export function endTransaction(producer: ProducerId): Request<number> {
  const commit = 1;
  return {
    api: 26,
    version: 1,
    write: (body) => {
      writeProducer(body, producer);
      body.int8(commit);
    },
    read: readError,
  };
}

function writeProducer(body: WireWriter, { transactionalId, id, epoch }: ProducerId): void {
  body.string(transactionalId).int64(id).int16(epoch);
}

function readError(body: WireReader): number {
  body.int32(); // throttled
  return body.int16();
}

function byTopics<T>(body: WireReader, read: (topic: string) => T): T[] {
  return body
    .array(() => {
      const topic = body.string() ?? '';
      return body.array(() => read(topic));
    })
    .flat();
}
