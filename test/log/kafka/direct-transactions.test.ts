/**
 * Transactions past librdkafka: what passes is waited for, nothing is written twice, all else ends
 * the producer.
 */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { systemTiming, type Timing } from '../../../engine/base/timing.ts';
import { ClusterView } from '../../../engine/log/kafka/direct/cluster-view.ts';
import { DirectTransactions } from '../../../engine/log/kafka/direct/direct-transactions.ts';
import type { DirectCalls } from '../../../engine/log/kafka/rdkafka/messages.ts';
import { LostError } from '../../../engine/log/kafka/wire/broker-connection.ts';
import { Patience } from '../../../engine/log/kafka/wire/retry.ts';
import { RefusedError } from '../../../engine/log/kafka/wire/sasl-login.ts';
import type { Append } from '../../../engine/log/log.ts';
import { BatchBuilder } from '../../../engine/record/batch.ts';
import { directCalls } from './direct-calls.ts';
import { type Faults, ScriptedCluster, type Written } from './scripted-transactions.ts';
import { VirtualTime } from './virtual-time.ts';

const calls = directCalls();
/** Nothing here is to end by a timeout, however busy the machine. */
const patienceMs = 120_000;
const member = { group: 'g', member: 'm', generation: 3 };
let cluster: ScriptedCluster;
const open: DirectTransactions[] = [];
const refusals: string[] = [];

interface Opening {
  /** Of records a batch. */
  readonly bytesMax?: number;
  readonly timing?: Timing;
  readonly callTimeoutMs?: number;
  readonly patience?: Patience;
}

async function opened(opening: Opening = {}): Promise<DirectTransactions> {
  const { bytesMax = 1_000, timing = systemTiming, callTimeoutMs = patienceMs } = opening;
  const { pack } = calls as DirectCalls;
  const { patience = new Patience(timing.clock, callTimeoutMs) } = opening;
  const transactions = await DirectTransactions.open({
    transactionalId: 't',
    transactionTimeoutMs: patienceMs,
    callTimeoutMs,
    patience,
    timing,
    view: new ClusterView(cluster.bootstrap),
    access: { clientId: 'test', timeoutMs: patienceMs, tls: undefined, credentials: undefined },
    pack: (image) => pack(image, bytesMax),
    membership: async () => member,
    onRefused: (reason) => refusals.push(reason),
  });
  open.push(transactions);
  return transactions;
}

function append(partition: number, values: number): Append {
  const builder = new BatchBuilder();
  for (let i = 0; i < values; i++) builder.append(null, Buffer.from(`value ${i}`), 1_000 + i);
  return { topic: 'out', partition, batch: builder.finishAt(null) };
}

async function commit(transactions: DirectTransactions, ...appends: readonly Append[]) {
  await transactions.begin();
  for (const one of appends) await transactions.append(one);
  const ends = await transactions.flush();
  await transactions.sendOffsets([{ topic: 'in', partition: 0, offset: 5, metadata: 'kept' }]);
  await transactions.commit();
  return ends;
}

const told = ({ partition, sequence, count }: Written) => `${partition}: ${sequence}+${count}`;

/** Answers these, one after the other, and then that all is well. */
const first = <T>(...answers: readonly T[]) => {
  const left = [...answers];
  return (): T | 0 => left.shift() ?? 0;
};

describe.skipIf(calls === undefined)('transactions past librdkafka', () => {
  afterEach(async () => {
    for (const transactions of open.splice(0)) await transactions.close();
    refusals.length = 0;
    await cluster.stop();
  });

  it('are told in order, with the member; sequences go on from one to the next', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened();
    const ends = await commit(transactions, append(0, 3), append(1, 2), append(0, 1));
    expect(cluster.written.map(told)).toEqual(['0: 0+3', '1: 0+2', '0: 3+1']);
    expect(ends).toEqual([
      { topic: 'out', partition: 0, offset: 6 },
      { topic: 'out', partition: 1, offset: 5 },
    ]);
    await commit(transactions, append(0, 2));
    expect(cluster.written.slice(3).map(told)).toEqual(['0: 4+2']);
    const offsets = 'offsets g m/3/undefined in/0=5 kept at 0';
    expect(cluster.asked).toEqual([
      'init at 0',
      ...['add 0,1 at 0', 'group g at 0', offsets, 'commit at 0'],
      ...['add 0 at 0', 'group g at 0', offsets, 'commit at 0'],
    ]);
  });

  it('that hold nothing are not told of', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened();
    await transactions.begin();
    await transactions.append(append(0, 0));
    expect(await transactions.flush()).toEqual([]);
    await transactions.commit();
    expect(cluster.asked).toEqual(['init at 0']);
  });

  it('keep the batches of a partition in order', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened({ bytesMax: 20 });
    await commit(transactions, append(0, 3), append(1, 1));
    expect(cluster.written.map(told)).toEqual(['0: 0+1', '1: 0+1', '0: 1+1', '0: 2+1']);
  });

  it('fill a request up to its limit, and then another', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened();
    // Of random bytes, which do not compress: two of them are more than 16 MiB.
    const large = (partition: number): Append => {
      const builder = new BatchBuilder();
      builder.append(null, randomBytes(9_000_000), 1_000);
      return { topic: 'out', partition, batch: builder.finishAt(null) };
    };
    await commit(transactions, large(0), append(1, 1));
    expect(cluster.writes).toBe(1);
    await commit(transactions, large(0), large(1));
    expect(cluster.writes).toBe(3);
    expect(cluster.written.map(told)).toEqual(['0: 0+1', '1: 0+1', '0: 1+1', '1: 1+1']);
  });

  it('send what a broken connection left open again, under the same sequence', async () => {
    cluster = await ScriptedCluster.start(1);
    cluster.faults.produce = first<number | 'cut'>('cut');
    const ends = await commit(await opened(), append(0, 3));
    expect(cluster.written.map(told)).toEqual(['0: 0+3', '0: 0+3']);
    expect(ends).toEqual([{ topic: 'out', partition: 0, offset: 3 }]);
  });

  it('follow a leader that moves', async () => {
    cluster = await ScriptedCluster.start(2);
    cluster.faults.leader = 1;
    const transactions = await opened({ bytesMax: 20 });
    await commit(transactions, append(0, 1));
    cluster.faults.leader = 0;
    cluster.faults.produce = ({ node }) => (node === 0 ? 0 : 6);
    await commit(transactions, append(0, 2));
    expect(cluster.written.map((one) => `${told(one)} at ${one.node}`)).toEqual([
      '0: 0+1 at 1',
      '0: 1+1 at 1',
      '0: 1+1 at 0',
      '0: 2+1 at 0',
    ]);
  });

  it('repeat only what was not written', async () => {
    cluster = await ScriptedCluster.start(1);
    const isFirst = first(1, 1);
    cluster.faults.produce = ({ partition }) => (isFirst() === 1 && partition === 1 ? 19 : 0);
    await commit(await opened(), append(0, 1), append(1, 1));
    expect(cluster.written.map(told)).toEqual(['0: 0+1', '1: 0+1', '1: 0+1']);
  });

  it('wait for the end of the one before, and for coordinators that move', async () => {
    cluster = await ScriptedCluster.start(2);
    const { faults, asked } = cluster;
    faults.init = first(51, 14);
    const transactions = await opened();
    expect(asked.splice(0)).toEqual(Array.from({ length: 3 }, () => 'init at 0'));
    faults.add = first(51, 51);
    faults.offsets = () => {
      faults.coordinator = 1;
      faults.offsets = () => 0;
      return 16;
    };
    faults.end = first(16);
    await commit(transactions, append(0, 1));
    const offsets = 'offsets g m/3/undefined in/0=5 kept';
    expect(asked).toEqual([
      ...['add 0 at 0', 'add 0 at 0', 'add 0 at 0', 'group g at 0'],
      ...[`${offsets} at 0`, `${offsets} at 1`, 'commit at 0', 'commit at 1'],
    ]);
  });

  const endings: [string, Partial<Faults>, object][] = [
    ['a newer producer fences', { add: () => 47 }, { code: 47 }],
    ['the topic is not ours', { add: () => 29 }, { code: 29 }],
    ['a record is too large', { produce: () => 10 }, { code: 'RECORD_REFUSED' }],
    ['a batch before is missing', { produce: () => 45 }, { code: 45 }],
    ['the generation is over', { offsets: () => 22 }, { code: 22 }],
    ['the transaction is not there', { end: () => 48 }, { code: 48 }],
  ];
  it.each(endings)('end when %s', async (_, faults, error) => {
    cluster = await ScriptedCluster.start(1);
    Object.assign(cluster.faults, faults);
    await expect(commit(await opened(), append(0, 1))).rejects.toMatchObject(error);
    const commits = cluster.asked.filter((one) => one.startsWith('commit'));
    expect(commits).toHaveLength('end' in faults ? 1 : 0);
  });

  it('end when it is not told where a batch lies', async () => {
    cluster = await ScriptedCluster.start(1);
    cluster.faults.produce = () => 46;
    await expect(commit(await opened(), append(0, 1))).rejects.toThrow(/not told where/);
  });

  it('end when the coordinator goes away in the middle: what it did is not known', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened();
    cluster.faults.end = () => 'cut';
    await expect(commit(transactions, append(0, 1))).rejects.toBeInstanceOf(LostError);
    expect(cluster.asked.filter((one) => one.startsWith('commit'))).toHaveLength(1);
  });

  it('find a connection again that the broker closed meanwhile', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened();
    await commit(transactions, append(0, 1));
    cluster.hangUp();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await commit(transactions, append(0, 1));
    expect(cluster.written.map(told)).toEqual(['0: 0+1', '0: 1+1']);
  });

  it('are left to librdkafka where brokers do not speak the versions', async () => {
    const commitOffsets = 28;
    cluster = await ScriptedCluster.start(1, commitOffsets);
    await expect(opened()).rejects.toBeInstanceOf(RefusedError);
    expect(refusals).toEqual(['the broker does not speak version 3 of request 28']);
  });

  it('tell of a leader that does not let us in, when it is met', async () => {
    cluster = await ScriptedCluster.start(2);
    const transactions = await opened();
    cluster.faults.leader = 1;
    cluster.brokers[1]?.forget(28);
    await expect(commit(transactions, append(0, 1))).rejects.toBeInstanceOf(RefusedError);
    expect(refusals).toEqual(['the broker does not speak version 3 of request 28']);
  });

  it('are given up when what passes does not, for as long as a call may take', async () => {
    cluster = await ScriptedCluster.start(1);
    cluster.faults.leader = -1;
    const timing = new VirtualTime();
    const transactions = await opened({ timing, callTimeoutMs: 15_000 });
    const before = timing.now;
    await expect(timing.settled(commit(transactions, append(0, 1)))).rejects.toMatchObject({
      code: 5,
    });
    expect(timing.now - before).toBe(15_000);
    // Two milliseconds, doubled up to half a second: more often would be a burden.
    expect(cluster.brokers[0]?.metadataAsked).toBeGreaterThan(20);
    expect(cluster.brokers[0]?.metadataAsked).toBeLessThan(45);
  });

  it('are given up within two seconds when the process is to stop', async () => {
    cluster = await ScriptedCluster.start(1);
    cluster.faults.leader = -1;
    const timing = new VirtualTime();
    const patience = new Patience(timing.clock, 15_000);
    const transactions = await opened({ timing, patience });
    const before = timing.now;
    const committed = commit(transactions, append(0, 1));
    committed.catch(() => {});
    await timing.until(() => timing.now - before >= 3_000);
    patience.hurry();
    const hurried = timing.now;
    await expect(timing.settled(committed)).rejects.toMatchObject({ code: 5 });
    expect(timing.now - hurried).toBe(2_000);
    // What begins soon after does not wait long either; a later run of the process does.
    const again = timing.now;
    await expect(timing.settled(commit(transactions, append(0, 1)))).rejects.toThrow();
    expect(timing.now - again).toBe(2_000);
    await timing.advance(10_000);
    const later = timing.now;
    await expect(timing.settled(commit(transactions, append(0, 1)))).rejects.toThrow();
    expect(timing.now - later).toBe(15_000);
  });

  it('wait for a leader while there is none', async () => {
    cluster = await ScriptedCluster.start(1);
    const transactions = await opened();
    cluster.faults.leader = -1;
    setTimeout(() => {
      cluster.faults.leader = 0;
    }, 50);
    await commit(transactions, append(0, 1));
    expect(cluster.written.map(told)).toEqual(['0: 0+1']);
  });
});
