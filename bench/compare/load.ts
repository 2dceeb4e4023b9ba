/**
 * The load of a latency run, in a process of its own: events at a fixed rate, each stamped with the
 * instant at which it was due, however late the sender is (no coordinated omission); and the reader
 * of the results, who sees what is committed. Arguments: brokers, input topic, output topic, events
 * a second, seconds, seconds that do not count. Prints one JSON line.
 */
import { createHistogram } from 'node:perf_hooks';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { answered } from '../../engine/log/kafka/rdkafka/client-calls.ts';
import { loadPacked } from '../../engine/log/kafka/rdkafka/packed-messages.ts';
import {
  type KafkaConsumer,
  loadRdkafka,
  type Producer,
} from '../../engine/log/kafka/rdkafka/rdkafka.ts';
import {
  plainProducerOptions,
  readerOptions,
} from '../../engine/log/kafka/settings/client-configs.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { eventsOf, partitions } from './events.ts';

export interface Latency {
  /** Events sent, and results that count. */
  readonly sent: number;
  readonly results: number;
  /** How far the sender lagged behind at most, ms: above some ms the load is not what it says. */
  readonly senderLateMs: number;
  /** From the instant an event was due to its committed result in the reader's hands, ms. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

const [brokers = '', input = '', output = '', rateText = '', secondsText = '', warmText = ''] =
  process.argv.slice(2);
const [rate, seconds, warmSeconds] = [rateText, secondsText, warmText].map(Number) as [
  number,
  number,
  number,
];
const timeoutMs = 30_000;
/** Between two looks of the sender at the clock. */
const tickMs = 5;
/** How long the last results are waited for. */
const tailMs = 15_000;

const rdkafka = loadRdkafka();
const transport = loadPacked(systemScheduler);
const settings = { ...defaultKafkaSettings, brokers };

async function connected<T extends KafkaConsumer | Producer>(client: T): Promise<T> {
  await answered<unknown>(systemScheduler, timeoutMs, (done) =>
    client.connect({ timeout: timeoutMs }, done as never),
  );
  return client;
}

// The client's own wait for more records would be part of every figure.
const options = { ...plainProducerOptions(settings), 'linger.ms': 1 };
const client = new rdkafka.Producer(options as never, {});
const producer = transport.producer(client);
await connected(client);
const reader = await connected(
  new rdkafka.KafkaConsumer(readerOptions(settings, `${output}-reader`) as never, {}),
);
const results = transport.consumer(reader);
reader.assign(
  Array.from({ length: partitions }, (_, partition) => ({ topic: output, partition, offset: 0 })),
);

const { batches } = await eventsOf(
  { events: 20_000, keys: 10_000, skew: 1, perMs: 5 },
  `${process.env['TMPDIR'] ?? '/tmp'}/millrace-bench-events`,
);
const templates = batches.flatMap(({ partition, batch }) =>
  Array.from({ length: batch.count }, (_, i) => ({
    partition,
    key: batch.key(i),
    value: batch.value(i),
  })),
);

const now = () => performance.timeOrigin + performance.now();
const begin = Math.ceil(now());
const countsFrom = begin + warmSeconds * 1_000;
const total = rate * seconds;
let [sent, senderLateMs] = [0, 0];

async function send(): Promise<void> {
  while (sent < total) {
    const due = Math.min(total, Math.floor(((now() - begin) / 1_000) * rate));
    const builders = new Map<number, BatchBuilder>();
    for (; sent < due; sent++) {
      const { partition, key, value } = templates[sent % templates.length] as (typeof templates)[0];
      const builder = builders.get(partition) ?? new BatchBuilder();
      builders.set(partition, builder);
      builder.append(key, value, begin + Math.floor((sent * 1_000) / rate));
    }
    for (const [partition, builder] of builders) {
      const batch = builder.finishAt(0);
      for (let from = 0; from < batch.count; ) {
        from = producer.produce(input, partition, batch, from);
        if (from < batch.count) await new Promise((done) => setTimeout(done, 1));
      }
    }
    client.poll();
    const wait = tickMs - ((now() - begin) % tickMs);
    await new Promise((done) => setTimeout(done, wait));
    if (now() >= countsFrom) {
      senderLateMs = Math.max(senderLateMs, now() - begin - (sent * 1_000) / rate - tickMs);
    }
  }
  await producer.flush(timeoutMs);
}

const histogram = createHistogram({ lowest: 1, highest: 3_600_000_000, figures: 3 });
let [counted, quietSince, sending] = [0, now(), true];

async function receive(): Promise<void> {
  while (sending || now() - quietSince < tailMs) {
    const { batches: got } = await results.poll(20_000, 5);
    const at = now();
    for (const { batch } of got) {
      quietSince = at;
      for (const due of batch.timestamps) {
        if (due < countsFrom) continue;
        counted++;
        histogram.record(Math.max(1, Math.round((at - due) * 1_000)));
      }
    }
  }
}

const receiving = receive();
await send();
sending = false;
quietSince = now();
await receiving;
const ms = (percentile: number) => histogram.percentile(percentile) / 1_000;
const latency: Latency = {
  sent,
  results: counted,
  senderLateMs: Math.round(senderLateMs),
  p50: ms(50),
  p99: ms(99),
  p999: ms(99.9),
  max: histogram.max / 1_000,
};
console.log(JSON.stringify(latency));
process.exit(0);
