/**
 * Fetching past librdkafka, with the faults of a cluster: nothing is lost, nothing comes twice,
 * nothing hangs.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { systemTiming, type Timing } from '../../../engine/base/timing.ts';
import { ClusterView } from '../../../engine/log/kafka/direct/cluster-view.ts';
import { DirectFetcher } from '../../../engine/log/kafka/direct/direct-fetcher.ts';
import type { Fetcher } from '../../../engine/log/kafka/direct/fetching.ts';
import type { Unpack } from '../../../engine/log/kafka/direct/unpacking.ts';
import { directCalls } from './direct-calls.ts';
import { recordBatch } from './record-batches.ts';
import { type FetchAsked, type FetchTold, type Script, ScriptedBroker } from './scripted-broker.ts';
import { VirtualTime } from './virtual-time.ts';

const unpack = directCalls()?.unpack;
const topic = 'orders';
const records = 10;

/** One record a batch, so that each offset can be cut anywhere. */
const batchAt = (offset: number) =>
  recordBatch([{ key: 'k', value: `v${offset}`, timestamp: 1 }], { baseOffset: offset });

describe.skipIf(unpack === undefined)('the fetcher', () => {
  const brokers: ScriptedBroker[] = [];
  let fetcher: Fetcher | undefined;
  let seen: string[] = [];
  let ends: number[] = [];
  let handedBack: string[] = [];
  let failed: string[] = [];
  let troubles: string[] = [];
  let leader = 0;
  let idOf: Script['idOf'];

  afterEach(async () => {
    fetcher?.close();
    for (const broker of brokers.splice(0)) await broker.stop();
    [seen, ends, handedBack, failed, troubles, leader] = [[], [], [], [], [], 0];
    idOf = undefined;
  });

  /** Two records at a time from each offset on, as a log of ten would be told. */
  function told({ offset }: FetchAsked): FetchTold {
    const there = [offset, offset + 1].filter((one) => one < records);
    return { records: Buffer.concat(there.map(batchAt)), lastStableOffset: records };
  }

  async function start(
    fetched: Script['fetched'] = told,
    nodes = 1,
    timing: Timing = systemTiming,
  ): Promise<Fetcher> {
    const script: Script = {
      brokers: () => new Map(brokers.map(({ node, port }) => [node, port])),
      leader: () => leader,
      ...(idOf === undefined ? {} : { idOf }),
      fetched,
    };
    for (let node = 0; node < nodes; node++) brokers.push(await ScriptedBroker.start(node, script));
    fetcher = new DirectFetcher(
      {
        view: new ClusterView([{ host: '127.0.0.1', port: (brokers[0] as ScriptedBroker).port }]),
        timing,
        access: { clientId: 'test', timeoutMs: 3_600_000, tls: undefined, credentials: undefined },
        limits: { waitMs: 5, minBytes: 1, maxBytes: 1e6, maxPartitionBytes: 1e6 },
        unpack: unpack as Unpack,
        readsLz4: true,
      },
      {
        onFetched: (_, batches, end) => {
          for (const batch of batches) {
            for (let i = 0; i < batch.count; i++)
              seen.push(`${batch.offsets[i]}=${batch.value(i)}`);
          }
          if (end !== undefined) ends.push(end);
        },
        onHandedBack: ({ offset }, reason) => handedBack.push(`${offset}: ${reason}`),
        onFailed: ({ offset }, { code, message }) => failed.push(`${offset}: ${code} ${message}`),
        onTrouble: (_, problem) => troubles.push(problem),
        onWell: () => troubles.push('well'),
      },
    );
    return fetcher;
  }

  const rows = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${from + i}=v${from + i}`);

  it('reads a partition to its end, which it tells once', async () => {
    (await start()).add({ topic, partition: 0, offset: 3 });
    await until(() => ends.length > 0);
    await sleep(50);
    expect(seen).toEqual(rows(3, 10));
    expect(ends).toEqual([records]);
    expect(handedBack).toEqual([]);
  });

  it('goes on where it was when the connection breaks in the middle of an answer', async () => {
    let cuts = 0;
    const cutting = (asked: FetchAsked) =>
      asked.offset === 4 && cuts++ < 2 ? ('cut' as const) : told(asked);
    (await start(cutting)).add({ topic, partition: 0, offset: 0 });
    await until(() => ends.length > 0);
    expect(seen).toEqual(rows(0, 10));
    expect(cuts).toBeGreaterThan(2);
  });

  it('takes nothing out of a topic that was made anew', async () => {
    let id = 'a'.repeat(32);
    idOf = () => id;
    const anew = (asked: FetchAsked): FetchTold => {
      if (asked.offset < 4 || id.startsWith('b')) return told(asked);
      id = 'b'.repeat(32);
      return { error: 3, lastStableOffset: -1 };
    };
    (await start(anew)).add({ topic, partition: 0, offset: 0 });
    await until(() => failed.length > 0);
    expect(failed).toEqual(['4: -10001 the topic was deleted and made anew']);
    expect(seen).toEqual(rows(0, 4));
  });

  it('follows the leader to another broker', async () => {
    const moving = (asked: FetchAsked): FetchTold => {
      if (asked.offset < 4 || leader === 1) return told(asked);
      leader = 1;
      return { error: 6, lastStableOffset: -1 };
    };
    (await start(moving, 2)).add({ topic, partition: 0, offset: 0 });
    await until(() => ends.length > 0);
    expect(seen).toEqual(rows(0, 10));
    expect(brokers[1]?.fetches[0]).toMatchObject({ offset: 4 });
  });

  it('waits for a leader while there is none, and for a broker that is away', async () => {
    leader = -1;
    (await start(told, 2)).add({ topic, partition: 0, offset: 0 });
    await until(() => troubles.length > 0);
    expect(seen).toEqual([]);
    const [, away] = brokers;
    await away?.stop();
    leader = 1;
    await until(() => /ECONNREFUSED|closed/.test(troubles.join()));
    expect(handedBack).toEqual([]);
    leader = 0;
    await until(() => ends.length > 0);
    expect(seen).toEqual(rows(0, 10));
    expect(troubles[0]).toMatch(/leader is not available/);
    expect(troubles.slice(1, -1).join()).toMatch(/ECONNREFUSED|closed/);
    expect(troubles.at(-1)).toBe('well');
  });

  it('begins anew where it is told to, and nothing of before comes after', async () => {
    const one = await start();
    one.add({ topic, partition: 0, offset: 0 });
    await until(() => ends.length > 0);
    seen = [];
    one.add({ topic, partition: 0, offset: 6 });
    one.add({ topic, partition: 0, offset: 8 });
    await until(() => seen.length > 0);
    expect(seen).toEqual(rows(8, 10));
  });

  it('asks for nothing of a partition that is paused or removed', async () => {
    const one = await start((asked) => ({ ...told(asked), lastStableOffset: 1e6 }));
    one.add({ topic, partition: 0, offset: 0 });
    one.pause({ topic, partition: 0 }, true);
    one.add({ topic, partition: 1, offset: 0 });
    await until(() => seen.length >= 4);
    expect(new Set(brokers[0]?.fetches.map(({ partition }) => partition))).toEqual(new Set([1]));
    one.remove({ topic, partition: 1 });
    one.pause({ topic, partition: 0 }, false);
    const before = brokers[0]?.fetches.length ?? 0;
    await until(() => (brokers[0]?.fetches.length ?? 0) > before + 3);
    expect(brokers[0]?.fetches.at(-1)).toMatchObject({ partition: 0 });
  });

  it.each([
    ['an offset that is gone', { error: 1, lastStableOffset: -1 }, /^4: 1 the offset is not there/],
    ['a topic it may not read', { error: 29, lastStableOffset: -1 }, /^4: 29 topic authori/],
    ['a request the broker does not speak', { error: 35, lastStableOffset: -1 }, /^4: 35 unsup/],
    ['records the broker finds damaged', { error: 2, lastStableOffset: -1 }, /^4: 2 .*damaged/],
    ['a codec that nobody knows', answerOf({ codec: 6 }), /^4: -199 .*codec 6/],
    ['bytes that are not gzip', answerOf({ codec: 1 }), /^4: -199 .*offset 4 .*gzip/],
    ['bytes that are not snappy', answerOf({ codec: 2 }), /^4: -199 .*offset 4 .*snappy/],
    ['bytes that are not zstd', answerOf({ codec: 4 }), /^4: -199 .*offset 4 .*zstd/],
    ['a damaged batch', { records: damagedBatch(), lastStableOffset: records }, /^4: -199 .*sum/],
  ])('fails a partition once for %s, and says where', async (_, answer, reason) => {
    (await start((asked) => (asked.offset === 4 ? answer : told(asked)))).add({
      topic,
      partition: 0,
      offset: 0,
    });
    await until(() => failed.length > 0);
    await sleep(50);
    expect(seen).toEqual(rows(0, 4));
    expect(failed).toEqual([expect.stringMatching(reason)]);
    expect(handedBack).toEqual([]);
  });

  it('hands back an old message format, where it is to go on', async () => {
    const answer = answerOf({ format: 1 });
    (await start((asked) => (asked.offset === 4 ? answer : told(asked)))).add({
      topic,
      partition: 0,
      offset: 0,
    });
    await until(() => handedBack.length > 0);
    expect(seen).toEqual(rows(0, 4));
    expect(handedBack).toEqual([expect.stringMatching(/^4: an old message format/)]);
  });

  it('takes a batch that was damaged on its way once more', async () => {
    let times = 0;
    const once = (asked: FetchAsked): FetchTold =>
      asked.offset === 4 && times++ < 2
        ? { records: damagedBatch(), lastStableOffset: records }
        : told(asked);
    (await start(once)).add({ topic, partition: 0, offset: 0 });
    await until(() => ends.length > 0);
    expect(seen).toEqual(rows(0, 10));
    expect(failed).toEqual([]);
  });

  it('tells of an error that it does not know, and tries again', async () => {
    let times = 0;
    const unknown = (asked: FetchAsked): FetchTold =>
      asked.offset === 4 && times++ < 3 ? { error: 99, lastStableOffset: -1 } : told(asked);
    (await start(unknown)).add({ topic, partition: 0, offset: 0 });
    await until(() => ends.length > 0);
    expect(seen).toEqual(rows(0, 10));
    const each = 'error 99 of the broker';
    expect(troubles).toEqual([each, each, each, 'well']);
  });

  it('keeps what comes before a batch that nobody reads', async () => {
    const mixed = (asked: FetchAsked): FetchTold => ({
      records: Buffer.concat([...(asked.offset < 1 ? [batchAt(0)] : []), damagedBatch()]),
      lastStableOffset: records,
    });
    (await start(mixed)).add({ topic, partition: 0, offset: 0 });
    await until(() => failed.length > 0);
    expect(seen).toEqual(rows(0, 1));
    expect(failed[0]).toMatch(/^1: /);
  });

  it('fails a partition whose topic no broker knows for five seconds', async () => {
    const time = new VirtualTime();
    const one = await start(() => ({ error: 3, lastStableOffset: -1 }), 1, time);
    one.add({ topic, partition: 0, offset: 4 });
    await time.until(() => failed.length > 0);
    expect(failed).toEqual([expect.stringMatching(/^4: 3 unknown topic/)]);
    expect(time.now).toBeGreaterThan(5_000);
    expect(time.now).toBeLessThan(6_000);
  });

  it('looks less and less often for a leader while there is none, and finds it soon after', async () => {
    const time = new VirtualTime();
    leader = -1;
    (await start(told, 1, time)).add({ topic, partition: 0, offset: 0 });
    await time.until(() => time.now > 30_000);
    const { metadataAsked = 0 } = brokers[0] ?? {};
    expect(metadataAsked).toBeGreaterThan(30);
    expect(metadataAsked).toBeLessThan(90);
    leader = 0;
    await time.until(() => ends.length > 0);
    expect(seen).toEqual(rows(0, 10));
    expect(time.now).toBeLessThan(31_500);
    expect(handedBack).toEqual([]);
  });

  it('gives everything back when nobody has let it in for ten seconds', async () => {
    const time = new VirtualTime();
    const one = await start(told, 1, time);
    await brokers[0]?.stop();
    one.add({ topic, partition: 0, offset: 2 });
    await time.until(() => handedBack.length > 0);
    expect(handedBack).toEqual([expect.stringMatching(/^2: .*ECONNREFUSED/)]);
    expect(one.isUsable).toBe(false);
    expect(time.now).toBeGreaterThan(10_000);
    expect(time.now).toBeLessThan(11_500);
  });

  it('gives everything back to who can when a broker does not speak its language', async () => {
    const one = await start(() => ({ ...told({ topic, partition: 0, offset: 0 }), aborted: [] }));
    brokers[0]?.garble();
    one.add({ topic, partition: 0, offset: 2 });
    one.add({ topic, partition: 1, offset: 3 });
    await until(() => handedBack.length === 2);
    expect(one.isUsable).toBe(false);
    expect(handedBack.sort()).toEqual([
      expect.stringMatching(/^2: .*cut off/),
      expect.stringMatching(/^3: .*cut off/),
    ]);
  });
});

function answerOf(options: { codec?: number; format?: number }): FetchTold {
  const bytes = recordBatch([{ key: null, value: 'x', timestamp: 1 }], {
    baseOffset: 4,
    ...options,
  });
  return { records: bytes, lastStableOffset: records };
}

function damagedBatch(): Buffer {
  const bytes = batchAt(4);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  return bytes;
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries++) {
    if (tries > 20_000) throw new Error('it did not come about');
    await sleep(5);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
