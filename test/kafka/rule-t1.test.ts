/**
 * Rule T1 on a real broker, with the older protocol of transactions: an EndTxn that the network
 * holds back is delivered in the middle of the next transaction, whose process ends right after.
 * Nothing of a commit that failed may be read. A writer without the rule, which goes on with the
 * producer of before, is found.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemTiming } from '../../engine/base/timing.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { KafkaWriter } from '../../engine/log/kafka/adapter/kafka-writer.ts';
import { ClusterView } from '../../engine/log/kafka/direct/cluster-view.ts';
import { DirectTransactions } from '../../engine/log/kafka/direct/direct-transactions.ts';
import type { Transactions } from '../../engine/log/kafka/direct/transactions.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { BrokerAddress } from '../../engine/log/kafka/wire/broker-connection.ts';
import { kafkaCodes } from '../../engine/log/kafka/wire/error-codes.ts';
import { Patience } from '../../engine/log/kafka/wire/retry.ts';
import type { Commit } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { directCalls } from '../log/kafka/direct-calls.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const pack = directCalls()?.pack;
const endTransactionApi = 26;
const partitions = 2;
const timeoutMs = 30_000;

/** Between the writer and the broker: holds the next EndTxn back, and breaks its connection. */
class Network {
  holds = false;
  held: Buffer | undefined;
  readonly #to: BrokerAddress;
  readonly #server: Server;

  private constructor(to: BrokerAddress) {
    this.#to = to;
    this.#server = createServer((client) => this.#serve(client));
  }

  static async open(to: BrokerAddress): Promise<Network> {
    const network = new Network(to);
    await new Promise<void>((done) => network.#server.listen(0, '127.0.0.1', done));
    return network;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Delivers what was held back; answers the broker's error code. */
  async deliver(): Promise<number> {
    const { held } = this;
    if (held === undefined) throw new Error('no EndTxn was held back');
    const socket = connect(this.#to.port, this.#to.host);
    const answer = await new Promise<Buffer>((done, fail) => {
      socket.once('error', fail).once('data', done);
      socket.write(held);
    });
    socket.destroy();
    // Length, correlation, throttle.
    return answer.readInt16BE(12);
  }

  close(): void {
    this.#server.close();
  }

  #serve(client: Socket): void {
    const broker = connect(this.#to.port, this.#to.host);
    for (const [one, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      one.on('error', () => {}).on('close', () => other.destroy());
    }
    broker.pipe(client);
    let waiting = Buffer.alloc(0);
    client.on('data', (bytes: Buffer) => {
      waiting = Buffer.concat([waiting, bytes]);
      while (waiting.length >= 6 && waiting.length >= 4 + waiting.readInt32BE(0)) {
        const end = 4 + waiting.readInt32BE(0);
        const request = waiting.subarray(0, end);
        waiting = waiting.subarray(end);
        if (this.holds && request.readInt16BE(4) === endTransactionApi) {
          this.holds = false;
          this.held = Buffer.from(request);
          client.destroy();
          return;
        }
        broker.write(request);
      }
    });
  }
}

/** All brokers are behind the network. */
class ViewThrough extends ClusterView {
  static port = 0;

  override brokerAt(): BrokerAddress {
    return super.brokerAt('127.0.0.1', ViewThrough.port);
  }
}

describe.skipIf(!(await kafkaAvailable()) || pack === undefined)('rule T1 on a broker', () => {
  let log: KafkaLog;
  let network: Network;
  beforeAll(async () => {
    const { address } = await sharedBroker();
    const settings = { ...defaultKafkaSettings, brokers: address };
    log = await openKafkaLog({ settings, application: 'rule-t1' });
    const [host = '', port = ''] = address.split(':');
    network = await Network.open({ host, port: Number(port) });
    ViewThrough.port = network.port;
  });
  afterAll(async () => {
    network?.close();
    await log?.close();
  });

  function producer(transactionalId: string): Promise<Transactions> {
    return DirectTransactions.open({
      view: new ViewThrough([{ host: '127.0.0.1', port: network.port }]),
      access: { clientId: 'test', timeoutMs, tls: undefined, credentials: undefined },
      timing: systemTiming,
      transactionalId,
      transactionTimeoutMs: timeoutMs,
      callTimeoutMs: timeoutMs,
      patience: new Patience(systemTiming.clock, timeoutMs),
      pack: (image) => (pack as NonNullable<typeof pack>)(image, 1_000_000),
      onRefused: () => {},
      membership: undefined,
    });
  }

  function commitOf(topic: string, commitId: number, onPhase?: Commit['onPhase']): Commit {
    const appends = Array.from({ length: partitions }, (_, partition) => {
      const builder = new BatchBuilder();
      builder.append(null, Buffer.from(`${commitId}`), Date.now());
      return { topic, partition, batch: builder.finishAt(null) };
    });
    return { appends, offsets: [], commitId, ...(onPhase === undefined ? {} : { onPhase }) };
  }

  /**
   * What can be read after two commits, neither of which was done, and the late EndTxn's answer.
   * @param open how the writer gets a producer, again after a doubt
   */
  async function readAfter(topic: string, open: () => Promise<Transactions>) {
    await log.createTopics([{ name: topic, partitions, settings: {} }]);
    const writer = await KafkaWriter.open({
      ...{ id: topic, open, ofMember: true, brokers: 'those', clock: systemTiming.clock },
      transactionTimeoutMs: timeoutMs,
    });
    network.holds = true;
    await expect(writer.commit(commitOf(topic, 1))).rejects.toMatchObject({
      code: 'COMMIT_DOUBTFUL',
    });
    let answer = -1;
    const ends = commitOf(topic, 2, async (phase) => {
      if (phase !== 'offsets') return;
      answer = await network.deliver();
      throw new Error('the process ends here');
    });
    await expect(writer.commit(ends)).rejects.toMatchObject({ code: 'COMMIT_DOUBTFUL' });
    await writer.close();
    // Whoever comes next ends what was open.
    await (await producer(topic)).close();
    const values: string[] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const batch = await log.read({ topic, partition }, 0, { records: 100 });
      for (let i = 0; batch !== undefined && i < batch.count; i++) {
        values.push(String(batch.value(i)));
      }
    }
    return { values, answer };
  }

  test('a late EndTxn is refused, and nothing of the failed commits is read', async () => {
    const { values, answer } = await readAfter('t1-kept', () => producer('t1-kept'));
    expect(values).toEqual([]);
    expect([kafkaCodes.invalidProducerEpoch, kafkaCodes.producerFenced]).toContain(answer);
  }, 120_000);

  test('a mutant that goes on with the producer of before is found', async () => {
    const topic = 't1-mutant';
    const first = await producer(topic);
    const kept: Transactions = {
      begin: () => first.begin(),
      append: (append) => first.append(append),
      flush: () => first.flush(),
      sendOffsets: (offsets) => first.sendOffsets(offsets),
      commit: () => first.commit(),
      close: async () => {},
    };
    const { values, answer } = await readAfter(topic, async () => kept);
    await first.close();
    expect(answer).toBe(kafkaCodes.none);
    expect(values).toEqual(['1', '2', '1', '2']);
  }, 120_000);
});
