/** Brokers that take transactions as a test says, and note what they were asked. */
import { recordsIn } from '../../../engine/log/kafka/direct/produced-batches.ts';
import type { WireReader } from '../../../engine/log/kafka/wire/wire-format.ts';
import { type Answering, ScriptedBroker } from './scripted-broker.ts';

export interface Written {
  readonly node: number;
  readonly partition: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly count: number;
}

/** What may go wrong; without any, all goes well. Numbers are error codes. */
export interface Faults {
  leader: number;
  coordinator: number;
  init: () => number;
  add: () => number;
  /** 'cut': the broker has it, and the connection ends. */
  produce: (written: Written) => number | 'cut';
  offsets: () => number;
  end: () => number | 'cut';
}

export class ScriptedCluster {
  readonly brokers: ScriptedBroker[] = [];
  readonly faults: Faults = {
    leader: 0,
    coordinator: 0,
    init: () => 0,
    add: () => 0,
    produce: () => 0,
    offsets: () => 0,
    end: () => 0,
  };
  /** In order: 'init', 'add 0,1', 'offsets group/3', 'end', with the node asked. */
  readonly asked: string[] = [];
  readonly written: Written[] = [];
  /** With how many requests. */
  writes = 0;
  #epoch = 0;
  #offset = 0;

  /** @param without a request that the brokers do not know */
  static async start(nodes: number, without?: number): Promise<ScriptedCluster> {
    const cluster = new ScriptedCluster();
    const others = new Map<number, Answering>([
      [0, cluster.#produce],
      [10, cluster.#coordinator],
      [22, cluster.#init],
      [24, cluster.#add],
      [25, cluster.#addOffsets],
      [26, cluster.#end],
      [28, cluster.#offsets],
    ] as [number, Answering][]);
    if (without !== undefined) others.delete(without);
    const brokers = () => new Map(cluster.brokers.map(({ node, port }) => [node, port]));
    for (let node = 0; node < nodes; node++) {
      const leader = () => cluster.faults.leader;
      cluster.brokers.push(await ScriptedBroker.start(node, { brokers, leader, others }));
    }
    return cluster;
  }

  get bootstrap(): { host: string; port: number }[] {
    return this.brokers.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Ends all connections. */
  hangUp(): void {
    for (const broker of this.brokers) broker.hangUp();
  }

  async stop(): Promise<void> {
    for (const broker of this.brokers) await broker.stop();
  }

  readonly #coordinator: Answering = (_request, response) => {
    const { coordinator } = this.faults;
    const port = this.brokers[coordinator]?.port ?? 0;
    response.int32(0).int16(0).string('').int32(coordinator).string('127.0.0.1').int32(port);
    return true;
  };

  readonly #init: Answering = (_request, response, node) => {
    this.asked.push(`init at ${node}`);
    const error = this.faults.init();
    if (error === 0) this.#epoch++;
    response.int32(0).int16(error).int64(4_711).int16(this.#epoch);
    return true;
  };

  readonly #add: Answering = (request, response, node) => {
    skipProducer(request);
    const topics = request.array(() => ({
      topic: request.string() ?? '',
      partitions: request.array(() => request.int32()),
    }));
    const error = this.faults.add();
    this.asked.push(`add ${topics.flatMap(({ partitions }) => partitions)} at ${node}`);
    response.int32(0).array(topics, ({ topic, partitions }) => {
      response.string(topic).array(partitions, (partition) => {
        response.int32(partition).int16(error);
      });
    });
    return true;
  };

  readonly #produce: Answering = (request, response, node) => {
    this.writes++;
    request.string(); // transactional id
    request.int16(); // acks
    request.int32(); // timeout
    let isCut = false;
    const topics = request.array(() => ({
      topic: request.string() ?? '',
      answers: request.array(() => {
        const partition = request.int32();
        const batch = request.bytes();
        const [epoch, sequence] = [batch.readInt16BE(51), batch.readInt32BE(53)];
        const written = { node, partition, epoch, sequence, count: recordsIn(batch) };
        this.written.push(written);
        const outcome = this.faults.produce(written);
        isCut ||= outcome === 'cut';
        const offset = this.#offset;
        if (outcome === 0) this.#offset += written.count;
        return { partition, error: outcome === 'cut' ? 0 : outcome, offset };
      }),
    }));
    response.array(topics, ({ topic, answers }) => {
      response.string(topic).array(answers, ({ partition, error, offset }) => {
        response
          .int32(partition)
          .int16(error)
          .int64(error === 0 ? offset : 0);
        response.int64(0).int64(0);
      });
    });
    response.int32(0);
    return !isCut;
  };

  readonly #addOffsets: Answering = (request, response, node) => {
    skipProducer(request);
    this.asked.push(`group ${request.string()} at ${node}`);
    response.int32(0).int16(0);
    return true;
  };

  readonly #offsets: Answering = (request, response, node) => {
    request.tags();
    request.compactString();
    const group = request.compactString();
    request.int64();
    request.int16();
    const generation = request.int32();
    const member = request.compactString();
    const instance = request.compactString();
    const topics = request.compactArray(() => {
      const topic = request.compactString();
      const partitions = request.compactArray(() => {
        const [partition, offset] = [request.int32(), request.int64()];
        request.int32();
        const metadata = request.compactString();
        request.tags();
        return { partition, offset, metadata };
      });
      request.tags();
      return { topic, partitions };
    });
    const list = topics.flatMap(({ topic, partitions }) =>
      partitions.map(
        ({ partition, offset, metadata }) => `${topic}/${partition}=${offset} ${metadata}`,
      ),
    );
    this.asked.push(`offsets ${group} ${member}/${generation}/${instance} ${list} at ${node}`);
    const error = this.faults.offsets();
    response.tags().int32(0);
    response.compactArray(topics, ({ topic, partitions }) => {
      response.compactString(topic).compactArray(partitions, ({ partition }) => {
        response.int32(partition).int16(error).tags();
      });
      response.tags();
    });
    response.tags();
    return true;
  };

  readonly #end: Answering = (request, response, node) => {
    skipProducer(request);
    this.asked.push(`${request.int8() === 1 ? 'commit' : 'abort'} at ${node}`);
    const outcome = this.faults.end();
    response.int32(0).int16(outcome === 'cut' ? 0 : outcome);
    return outcome !== 'cut';
  };
}

function skipProducer(request: WireReader): void {
  request.string(); // transactional id
  request.int64();
  request.int16();
}
