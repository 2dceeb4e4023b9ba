/**
 * The Fetch request, in the version of brokers from 2.3 (with the rack of KIP-392) to 4.x. Field by
 * field as in Kafka's protocol guide; unused fields are skipped.
 */

import type { WireReader } from './wire-format.ts';
import { byTopic, type Request } from './wire-request.ts';

export interface FetchLimits {
  /** How long the broker waits for records, ms ... */
  readonly waitMs: number;
  /** ... or until it has this many bytes. */
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxPartitionBytes: number;
}

export interface FetchFrom {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchedRecords {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
  /** Everything before it is decided: committed or aborted. */
  readonly lastStableOffset: number;
  /** Aborted transactions: producer, first offset, alternating. */
  readonly aborted: readonly number[];
  /** Record batches; the last may be cut off. */
  readonly records: Buffer;
}

export interface FetchAnswer {
  readonly throttledMs: number;
  readonly error: number;
  readonly partitions: readonly FetchedRecords[];
  /** The buffer of the records. */
  readonly response: Buffer;
}

/**
 * Fetches committed records only. Without a fetch session, because the partitions change with every
 * pause.
 */
export function fetchCommitted(
  from: readonly FetchFrom[],
  { waitMs, minBytes, maxBytes, maxPartitionBytes }: FetchLimits,
): Request<FetchAnswer> {
  const [consumer, readCommitted, noSession, noEpoch, notAFollower] = [-1, 1, 0, -1, -1];
  return {
    api: 1,
    version: 11,
    write: (body) => {
      body.int32(consumer).int32(waitMs).int32(minBytes).int32(maxBytes).int8(readCommitted);
      body.int32(noSession).int32(noEpoch);
      body.array([...byTopic(from)], ([topic, partitions]) => {
        body.string(topic).array(partitions, ({ partition, offset }) => {
          body.int32(partition).int32(noEpoch).int64(offset).int64(notAFollower);
          body.int32(maxPartitionBytes);
        });
      });
      body.array([], () => {}).string(''); // forgotten topics, rack
    },
    read: (body) => {
      const [throttledMs, error] = [body.int32(), body.int16()];
      body.int32(); // session
      const partitions = body
        .array(() => {
          const topic = body.string() ?? '';
          return body.array(() => fetchedRecords(topic, body));
        })
        .flat();
      return { throttledMs, error, partitions, response: body.source };
    },
  };
}

function fetchedRecords(topic: string, body: WireReader): FetchedRecords {
  const [partition, error] = [body.int32(), body.int16()];
  body.int64(); // high watermark
  const lastStableOffset = body.int64();
  body.int64(); // start of the log
  const aborted = body.array(() => [body.int64(), body.int64()]).flat();
  body.int32(); // preferred replica
  return { topic, partition, error, lastStableOffset, aborted, records: body.bytes() };
}
