/**
 * A broker that does as a test says: the few requests of fetching, and others that a test answers
 * itself, over a real socket, with the faults that a real broker does not make on demand.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { WireReader, WireWriter } from '../../../engine/log/kafka/wire/wire-format.ts';

export interface FetchAsked {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export interface FetchTold {
  readonly error?: number;
  readonly records?: Buffer;
  readonly lastStableOffset: number;
  readonly aborted?: readonly (readonly [producer: number, firstOffset: number])[];
}

export interface Script {
  /** Ports of the cluster's brokers, by node. */
  readonly brokers: () => ReadonlyMap<number, number>;
  /** Node that leads; -1: none. */
  readonly leader: (topic: string, partition: number) => number;
  /** Id of a topic, 32 hexadecimal digits; left out, the broker is too old to know any. */
  readonly idOf?: (topic: string) => string;
  /** What a fetch is answered; 'cut' ends the connection in the middle of the answer. */
  readonly fetched?: (asked: FetchAsked) => FetchTold | 'cut';
  /** Requests by their numbers. */
  readonly others?: ReadonlyMap<number, Answering>;
}

/**
 * Reads a request's body and writes the response's; false: the connection ends in the middle of the
 * answer.
 */
export type Answering = (request: WireReader, response: WireWriter, node: number) => boolean;

/** The version of the metadata that has ids of topics. */
const idsFrom = 10;

export class ScriptedBroker {
  readonly node: number;
  readonly fetches: FetchAsked[] = [];
  /** How often it was asked for leaders. */
  metadataAsked = 0;
  readonly #script: Script;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #forgotten = new Set<number>();
  #garbled = false;
  #port = 0;

  private constructor(node: number, script: Script) {
    this.node = node;
    this.#script = script;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  static async start(node: number, script: Script): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(node, script);
    await new Promise<void>((done) => broker.#server.listen(0, '127.0.0.1', done));
    broker.#port = (broker.#server.address() as AddressInfo).port;
    return broker;
  }

  /** Also after it was stopped. */
  get port(): number {
    return this.#port;
  }

  /** From now on its answers say less than they should. */
  garble(): void {
    this.#garbled = true;
  }

  /** Ends its connections; others may come. */
  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on it does not know a request of `others`. */
  forget(api: number): void {
    this.#forgotten.add(api);
  }

  async stop(): Promise<void> {
    this.hangUp();
    await new Promise((done) => this.#server.close(done));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    let waiting = Buffer.alloc(0);
    socket.on('data', (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
        const end = 4 + waiting.readInt32BE(0);
        this.#answer(socket, new WireReader(waiting.subarray(4, end)));
        waiting = waiting.subarray(end);
      }
    });
  }

  #answer(socket: Socket, request: WireReader): void {
    const [api, version, correlation] = [request.int16(), request.int16(), request.int32()];
    request.string(); // client id
    const body = new WireWriter().int32(0).int32(correlation);
    const other = this.#script.others?.get(api);
    if (api === 18) this.#versions(body);
    else if (api === 3 && version >= idsFrom) this.#metadataWithIds(body, request);
    else if (api === 3) this.#metadata(body, request);
    else if (!(other?.(request, body, this.node) ?? this.#fetch(body, request))) {
      const { length } = sized(body);
      socket.write(body.written.subarray(0, length >> 1));
      socket.end();
      return;
    }
    if (this.#garbled) {
      const short = new WireWriter().int32(0).int32(correlation).int16(0);
      socket.write(sized(short));
      return;
    }
    // Each answer in two pieces: what is cut by the network must be put together again.
    const { length } = sized(body);
    socket.write(body.written.subarray(0, length >> 1));
    socket.write(body.written.subarray(length >> 1));
  }

  #versions(body: WireWriter): void {
    const others = [...(this.#script.others?.keys() ?? [])];
    const known = [1, 3, 18, ...others].filter((api) => !this.#forgotten.has(api));
    const most = this.#script.idOf === undefined ? idsFrom - 1 : idsFrom;
    const ranges = known.map((api) => [api, 0, api === 3 ? most : 20] as const);
    body.int16(0).array(ranges, ([api, min, max]) => body.int16(api).int16(min).int16(max));
  }

  #metadata(body: WireWriter, request: WireReader): void {
    this.metadataAsked++;
    const topics = request.array(() => request.string() ?? '');
    body.int32(0).array([...this.#script.brokers()], ([node, port]) => {
      body.int32(node).string('127.0.0.1').int32(port).int16(-1);
    });
    body.int16(-1).int32(this.node);
    body.array(topics, (topic) => {
      body
        .int16(0)
        .string(topic)
        .int8(0)
        .array([0, 1], (partition) => {
          const leader = this.#script.leader(topic, partition);
          body
            .int16(leader < 0 ? 5 : 0)
            .int32(partition)
            .int32(leader)
            .int32(0);
          for (let list = 0; list < 3; list++) body.int32(0);
        });
    });
  }

  #metadataWithIds(body: WireWriter, request: WireReader): void {
    this.metadataAsked++;
    request.tags();
    const topics = request.compactArray(() => {
      request.uuid();
      const topic = request.compactString() ?? '';
      request.tags();
      return topic;
    });
    body.tags().int32(0);
    body.compactArray([...this.#script.brokers()], ([node, port]) => {
      body.int32(node).compactString('127.0.0.1').int32(port).compactString(undefined).tags();
    });
    body.compactString(undefined).int32(this.node);
    body.compactArray(topics, (topic) => {
      body.int16(0).compactString(topic).uuid(this.#script.idOf?.(topic)).int8(0);
      body.compactArray([0, 1], (partition) => {
        const leader = this.#script.leader(topic, partition);
        body
          .int16(leader < 0 ? 5 : 0)
          .int32(partition)
          .int32(leader)
          .int32(0);
        for (let list = 0; list < 3; list++) body.compactArray([], () => {});
        body.tags();
      });
      body.int32(0).tags();
    });
    body.int32(0).tags();
  }

  /** False when the connection is to end. */
  #fetch(body: WireWriter, request: WireReader): boolean {
    for (let skipped = 0; skipped < 4; skipped++) request.int32();
    request.int8();
    request.int32();
    request.int32();
    const asked = request
      .array(() => {
        const topic = request.string() ?? '';
        return request.array(() => {
          const partition = request.int32();
          request.int32();
          const offset = request.int64();
          request.int64();
          request.int32();
          return { topic, partition, offset };
        });
      })
      .flat();
    this.fetches.push(...asked);
    const told = asked.map((one) => [one, this.#script.fetched?.(one) ?? 'cut'] as const);
    body.int32(0).int16(0).int32(0);
    body.array(told, ([{ topic, partition }, answer]) => {
      const {
        error = 0,
        records,
        lastStableOffset,
        aborted = [],
      } = answer === 'cut' ? { lastStableOffset: 0 } : answer;
      body.string(topic).int32(1).int32(partition).int16(error);
      body.int64(lastStableOffset).int64(lastStableOffset).int64(0);
      body.array(aborted, ([producer, first]) => body.int64(producer).int64(first));
      body.int32(-1).bytes(records ?? Buffer.alloc(0));
    });
    return told.every(([, answer]) => answer !== 'cut');
  }
}

function sized(body: WireWriter): Buffer {
  const { written } = body;
  written.writeInt32BE(written.length - 4, 0);
  return written;
}
