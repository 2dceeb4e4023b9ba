/**
 * The requests that fetching needs, in the versions that brokers from 2.3 (Fetch with the rack of KIP-392) to 4.x
 * speak. Field by field as in Kafka's protocol guide; what nobody here reads is skipped.
 */
import type { WireReader, WireWriter } from './wire.ts';

/** A request of one version: its body, and what its response says. */
export interface Request<Answer> {
  readonly api: number;
  readonly version: number;
  write(body: WireWriter): void;
  read(body: WireReader): Answer;
}

export interface ApiRange {
  readonly api: number;
  readonly min: number;
  readonly max: number;
}

/** Which versions the broker speaks. */
export const apiVersions: Request<{ readonly error: number; readonly ranges: ApiRange[] }> = {
  api: 18,
  version: 0,
  write: () => {},
  read: (body) => ({
    error: body.int16(),
    ranges: body.array(() => ({ api: body.int16(), min: body.int16(), max: body.int16() })),
  }),
};

export interface Metadata {
  readonly brokers: readonly {
    readonly node: number;
    readonly host: string;
    readonly port: number;
  }[];
  readonly topics: readonly {
    readonly error: number;
    readonly topic: string;
    readonly partitions: readonly {
      readonly error: number;
      readonly partition: number;
      /** -1: none now. */
      readonly leader: number;
    }[];
  }[];
}

export function metadata(topics: readonly string[]): Request<Metadata> {
  return {
    api: 3,
    version: 7,
    write: (body) => {
      const autoCreate = 0;
      body.array(topics, (topic) => body.string(topic)).int8(autoCreate);
    },
    read: (body) => {
      body.int32(); // throttled
      const brokers = body.array(() => {
        const [node, host, port] = [body.int32(), body.string() ?? '', body.int32()];
        body.string(); // rack
        return { node, host, port };
      });
      body.string(); // cluster
      body.int32(); // controller
      const found = body.array(() => {
        const [error, topic] = [body.int16(), body.string() ?? ''];
        body.int8(); // internal
        const partitions = body.array(() => {
          const [failure, partition, leader] = [body.int16(), body.int32(), body.int32()];
          body.int32(); // leader's epoch
          // Replicas, those in sync, those offline.
          for (let list = 0; list < 3; list++) body.array(() => body.int32());
          return { error: failure, partition, leader };
        });
        return { error, topic, partitions };
      });
      return { brokers, topics: found };
    },
  };
}

export interface FetchLimits {
  /** The broker waits for something to come up to so long, ms ... */
  readonly waitMs: number;
  /** ... and for at least so many bytes. */
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
  /** All before it is decided: committed, or aborted. */
  readonly lastStableOffset: number;
  /** Producer, first offset, and so on. */
  readonly aborted: readonly number[];
  /** Record batches; the last may be cut off. */
  readonly records: Buffer;
}

export interface FetchAnswer {
  readonly throttledMs: number;
  readonly error: number;
  readonly partitions: readonly FetchedRecords[];
  /** What the records lie in. */
  readonly response: Buffer;
}

/** Committed records only. No fetch session: what is asked for changes with every pause. */
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

function byTopic(from: readonly FetchFrom[]): Map<string, FetchFrom[]> {
  const topics = new Map<string, FetchFrom[]>();
  for (const one of from) {
    const list = topics.get(one.topic);
    if (list === undefined) topics.set(one.topic, [one]);
    else list.push(one);
  }
  return topics;
}

export function saslHandshake(
  mechanism: string,
): Request<{ readonly error: number; readonly mechanisms: readonly (string | undefined)[] }> {
  return {
    api: 17,
    version: 1,
    write: (body) => {
      body.string(mechanism);
    },
    read: (body) => ({ error: body.int16(), mechanisms: body.array(() => body.string()) }),
  };
}

export function saslAuthenticate(message: Uint8Array): Request<{
  readonly error: number;
  readonly problem: string | undefined;
  readonly message: Buffer;
}> {
  return {
    api: 36,
    version: 1,
    write: (body) => {
      body.bytes(message);
    },
    read: (body) => ({ error: body.int16(), problem: body.string(), message: body.bytes() }),
  };
}
