/**
 * Requests of every connection, in versions of brokers from 2.3 to 4.x; field by field as in
 * Kafka's protocol guide.
 */
import type { Request } from './wire-request.ts';

export interface ApiRange {
  readonly api: number;
  readonly min: number;
  readonly max: number;
}

/** The versions that the broker supports. */
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
    /** Of the topic as it was made this time; undefined where the broker has none. */
    readonly id?: string | undefined;
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

/** As `metadata`, with the ids of topics: brokers from 2.8 on. */
export function metadataWithIds(topics: readonly string[]): Request<Metadata> {
  return {
    api: 3,
    version: 10,
    isFlexible: true,
    write: (body) => {
      const [autoCreate, operations] = [0, 0];
      body.compactArray(topics, (topic) => body.uuid(undefined).compactString(topic).tags());
      // Operations that we may do: on the cluster, on topics.
      body.int8(autoCreate).int8(operations).int8(operations).tags();
    },
    read: (body) => {
      body.int32(); // throttled
      const brokers = body.compactArray(() => {
        const [node, host, port] = [body.int32(), body.compactString() ?? '', body.int32()];
        body.compactString(); // rack
        body.tags();
        return { node, host, port };
      });
      body.compactString(); // cluster
      body.int32(); // controller
      const found = body.compactArray(() => {
        const [error, topic, id] = [body.int16(), body.compactString() ?? '', body.uuid()];
        body.int8(); // internal
        const partitions = body.compactArray(() => {
          const [failure, partition, leader] = [body.int16(), body.int32(), body.int32()];
          body.int32(); // leader's epoch
          // Replicas, those in sync, those offline.
          for (let list = 0; list < 3; list++) body.compactArray(() => body.int32());
          body.tags();
          return { error: failure, partition, leader };
        });
        body.int32(); // operations
        body.tags();
        return { error, topic, id, partitions };
      });
      return { brokers, topics: found };
    },
  };
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

export interface Coordinator {
  readonly error: number;
  readonly node: number;
  readonly host: string;
  readonly port: number;
}

export function findCoordinator(of: 'group' | 'transaction', key: string): Request<Coordinator> {
  return {
    api: 10,
    version: 1,
    write: (body) => {
      body.string(key).int8(of === 'group' ? 0 : 1);
    },
    read: (body) => {
      body.int32(); // throttled
      const error = body.int16();
      body.string(); // what it says of the error
      return { error, node: body.int32(), host: body.string() ?? '', port: body.int32() };
    },
  };
}
