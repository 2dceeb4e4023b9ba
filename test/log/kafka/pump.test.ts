/**
 * The pump and what goes wrong with partitions (docs/decisions/0601), by a client that does as a
 * test says, on virtual time: nothing is silent, nothing is lost, what the client cannot read is
 * relieved.
 */
import { afterEach, expect, test } from 'vitest';
import { Pump } from '../../../engine/log/kafka/adapter/pump.ts';
import { Troubles } from '../../../engine/log/kafka/adapter/troubles.ts';
import type { FetchListener } from '../../../engine/log/kafka/direct/fetching.ts';
import { ClientCalls } from '../../../engine/log/kafka/rdkafka/client-calls.ts';
import { readError } from '../../../engine/log/kafka/rdkafka/client-errors.ts';
import type { Polled } from '../../../engine/log/kafka/rdkafka/messages.ts';
import type { KafkaConsumer } from '../../../engine/log/kafka/rdkafka/rdkafka.ts';
import { kafkaCodes } from '../../../engine/log/kafka/wire/error-codes.ts';
import type { GroupOffset, TopicPartition } from '../../../engine/log/log.ts';
import { BatchBuilder, type PackedBatch } from '../../../engine/record/batch.ts';
import { VirtualTime } from './virtual-time.ts';

const at = { topic: 'orders', partition: 0 };
const all = { records: 1_000 };
const nothing: Polled = { batches: [], ends: [], errors: [] };

/** Records `from` to `to` - 1, of so many bytes each. */
function batch(from: number, to: number, bytes = 1): PackedBatch {
  const builder = new BatchBuilder();
  for (let offset = from; offset < to; offset++) {
    builder.append(null, Buffer.alloc(bytes, 'x'), 1, undefined, offset);
  }
  return builder.finishAt(null);
}

class ScriptedClient {
  readonly time = new VirtualTime();
  /** In order: 'pause', 'resume', 'seek 5', 'fetcher 5', 'handed back 5: …', 'stalled: …'. */
  readonly did: string[] = [];
  readonly polls: Polled[] = [];
  bounds = { low: 0, high: 100 };
  hasLeader = true;
  fetcher: FetchListener | undefined;
  readonly pump: Pump;

  /** @param isDirect the fetcher brings all that it can */
  constructor(isDirect = false, bufferBytes = 1_000_000) {
    const { time: timing, did } = this;
    const client = {
      pause: () => did.push('pause'),
      resume: () => did.push('resume'),
      seek: ({ offset }: GroupOffset, _: number, done: () => void) => {
        did.push(`seek ${offset}`);
        done();
      },
    };
    const calls = new ClientCalls({ brokers: 'broker:9092', callTimeoutMs: 15_000, timing });
    this.pump = new Pump({
      client: client as unknown as KafkaConsumer,
      messages: {
        poll: async (_, waitMs) => {
          const next = this.polls.shift();
          if (next === undefined) await timing.scheduler.sleep(waitMs);
          return next ?? nothing;
        },
        committed: async () => [],
      },
      fetcher: (listener) => {
        this.fetcher = listener;
        const add = ({ offset }: GroupOffset) => did.push(`fetcher ${offset}`);
        return { isUsable: true, add, remove: () => {}, pause: () => {}, close: () => {} };
      },
      isDirect,
      onHandedBack: (_, reason) => did.push(`handed back: ${reason}`),
      calls,
      bufferBytes,
      idleStopMs: Number.POSITIVE_INFINITY,
      onError: (error) => readError('broker:9092', error, 'TOPIC_DELETED'),
      troubles: new Troubles({
        timing,
        onStalled: (_: TopicPartition, problem) => did.push(`stalled: ${problem}`),
        onResumed: () => did.push('resumed'),
      }),
      watch: {
        leaderless: async () => new Set(this.hasLeader ? [] : ['orders/0']),
        bounds: async () => this.bounds,
      },
      onNews: () => {},
    });
    this.pump.start();
  }

  brings(from: number, to: number, bytes?: number): void {
    this.polls.push({ ...nothing, batches: [{ ...at, batch: batch(from, to, bytes) }] });
  }

  says(code: number, message = `error ${code}`): void {
    this.polls.push({ ...nothing, errors: [{ ...at, code, message }] });
  }

  offsets(from: number): number[] {
    return this.pump.fetch(at, from, all).batches.flatMap(({ offsets }) => [...offsets]);
  }
}

let client: ScriptedClient;

afterEach(() => client.time.settled(client.pump.stop()));

test('a partition whose buffer is full is paused, and goes on behind what is buffered', async () => {
  client = new ScriptedClient(false, 1_000);
  client.pump.add({ ...at, offset: 0 });
  client.brings(0, 2, 600);
  await client.time.advance(50);
  expect(client.did).toEqual(['pause']);
  expect(client.offsets(0)).toEqual([0, 1]);
  expect(client.offsets(2)).toEqual([]);
  await client.time.advance(50);
  expect(client.did).toEqual(['pause', 'resume', 'seek 2']);
});

test('an offset that was let go is sought back', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 0 });
  client.brings(0, 3);
  await client.time.advance(50);
  client.pump.fetch(at, 0, { ...all, once: true });
  expect(client.offsets(1)).toEqual([]);
  await client.time.advance(50);
  expect(client.did).toEqual(['seek 1']);
  client.brings(1, 3);
  await client.time.advance(50);
  expect(client.offsets(1)).toEqual([1, 2]);
});

test('an offset that is gone is thrown at the next fetch, once', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 3 });
  client.bounds = { low: 5, high: 9 };
  client.says(kafkaCodes.autoOffsetReset);
  await client.time.advance(100);
  const lost = { offset: 3, start: 5, end: 9 };
  expect(() => client.pump.touch()).toThrow(
    expect.objectContaining({ code: 'OFFSET_LOST', context: expect.objectContaining(lost) }),
  );
  client.pump.touch();
});

test('an offset that is said to be gone and is there is asked for again, after a while', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 3 });
  client.says(kafkaCodes.autoOffsetReset);
  await client.time.advance(150);
  expect(client.did).toEqual([]);
  await client.time.advance(150);
  expect(client.did).toEqual(['seek 3']);
  client.pump.touch();
});

test('a leader that is away is a trouble, though the client says nothing; its end is told', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 0 });
  client.hasLeader = false;
  await client.time.advance(12_000);
  expect(client.did).toEqual(['stalled: it has no leader now']);
  client.brings(0, 1);
  await client.time.advance(50);
  expect(client.did.at(-1)).toBe('resumed');
});

test('records that are there and do not come for six seconds are the fetcher’s', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 0 });
  client.brings(0, 4);
  await client.time.advance(5_900);
  expect(client.did).toEqual([]);
  await client.time.advance(3_100);
  expect(client.did).toEqual(['pause', 'fetcher 4']);
});

test('a partition that is read to its end is left in peace', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 100 });
  client.polls.push({ ...nothing, ends: [{ ...at, offset: 100 }] });
  await client.time.advance(60_000);
  expect(client.did).toEqual([]);
});

test('what the client cannot read the fetcher takes over; what neither can ends it, with both reasons', async () => {
  client = new ScriptedClient();
  client.pump.add({ ...at, offset: 0 });
  client.brings(0, 2);
  client.says(kafkaCodes.notImplemented, 'codec 0x4 is not there');
  await client.time.advance(50);
  expect(client.did).toEqual(['pause', 'fetcher 2']);
  client.fetcher?.onHandedBack({ ...at, offset: 2 }, 'an old message format');
  await client.time.advance(100);
  expect(client.did.slice(2)).toEqual(['handed back: an old message format', 'resume', 'seek 2']);
  client.says(kafkaCodes.notImplemented, 'codec 0x4 is not there');
  await client.time.advance(100);
  const problem = 'an old message format; the client: codec zstd is not there';
  expect(() => client.pump.touch()).toThrow(
    expect.objectContaining({
      code: 'RECORDS_UNREADABLE',
      context: expect.objectContaining({ offset: 2, problem }),
    }),
  );
});

test('a partition of the fetcher is paused for the client, whose records of it are not taken', async () => {
  client = new ScriptedClient(true);
  client.pump.add({ ...at, offset: 0 });
  client.pump.assigned();
  expect(client.did).toEqual(['fetcher 0', 'pause']);
  client.brings(0, 5);
  client.fetcher?.onFetched(at, [batch(0, 2)], undefined);
  await client.time.advance(50);
  expect(client.offsets(0)).toEqual([0, 1]);
});
