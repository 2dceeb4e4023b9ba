/**
 * What a Node engineer would write without a stream processor: node-rdkafka, JSON.parse and a Map.
 * At least once, on one thread; what is in the Map is lost with the process. Arguments: brokers,
 * events, application, commit interval in ms, job, input, output. Prints one JSON line.
 */
import rdkafka, { type Message } from 'node-rdkafka';
import type { Event } from '../../compare/jobs.ts';
import { peakMemoryMiB } from '../../compare/peak-memory.ts';
import type { Drained } from '../../compare/peer.ts';

const [brokers = '', n = '0', application = '', commit = '', job = '', input = '', output = ''] =
  process.argv.slice(2);
const events = Number(n);
const [sizeMs, graceMs] = [60_000, 10_000];
const perPoll = 10_000;

const consumer = new rdkafka.KafkaConsumer(
  { 'metadata.broker.list': brokers, 'group.id': application, 'enable.auto.commit': false },
  { 'auto.offset.reset': 'earliest' },
);
const producer = new rdkafka.Producer({
  'metadata.broker.list': brokers,
  'linger.ms': 50,
  'compression.type': 'lz4',
  'queue.buffering.max.messages': 1_000_000,
});

function connected(client: typeof consumer | typeof producer): Promise<void> {
  return new Promise((done, fail) => {
    client.connect({ timeout: 30_000 }, (error) => (error ? fail(error) : done()));
  });
}

function polled(): Promise<Message[]> {
  return new Promise((done, fail) => {
    consumer.consume(perPoll, (error, messages) => (error ? fail(error) : done(messages)));
  });
}

function write(key: Buffer | string, value: Buffer, timestamp: number): void {
  for (;;) {
    try {
      producer.produce(output, null, value, key, timestamp);
      return;
    } catch (error) {
      if ((error as { code?: number }).code !== rdkafka.CODES.ERRORS.ERR__QUEUE_FULL) throw error;
      producer.poll();
    }
  }
}

interface Totals {
  count: number;
  sum: number;
  max: number;
}

function bytesOf({ count, sum, max }: Totals): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64BE(BigInt(count), 0);
  bytes.writeDoubleBE(sum, 8);
  bytes.writeDoubleBE(max, 16);
  return bytes;
}

function add(totals: Totals | undefined, value: number): Totals {
  if (totals === undefined) return { count: 1, sum: value, max: Math.max(0, value) };
  totals.count++;
  totals.sum += value;
  if (value > totals.max) totals.max = value;
  return totals;
}

const counts = new Map<string, Totals>();
/** By partition, then start of the window, then user. */
const windows = Array.from({ length: 64 }, () => new Map<number, Map<string, Totals>>());
const streamTimes = Array.from({ length: 64 }, () => 0);

function close(partition: number): void {
  const open = windows[partition] as Map<number, Map<string, Totals>>;
  for (const [start, users] of open) {
    if (start + sizeMs + graceMs > (streamTimes[partition] as number)) continue;
    open.delete(start);
    const suffix = Buffer.alloc(8);
    suffix.writeBigInt64BE(BigInt(start));
    for (const [user, totals] of users) {
      write(Buffer.concat([Buffer.from(user), suffix]), bytesOf(totals), start + sizeMs - 1);
    }
  }
}

function tumble(user: string, value: number, timestamp: number, partition: number): void {
  const streamTime = Math.max(streamTimes[partition] as number, timestamp);
  streamTimes[partition] = streamTime;
  const start = Math.floor(timestamp / sizeMs) * sizeMs;
  if (start + sizeMs + graceMs > streamTime) {
    const open = windows[partition] as Map<number, Map<string, Totals>>;
    const users = open.get(start) ?? new Map<string, Totals>();
    open.set(start, users);
    users.set(user, add(users.get(user), value));
  }
  close(partition);
}

function take({ key, value, partition, timestamp = 0 }: Message): void {
  const event = JSON.parse(String(value)) as Event;
  const user = String(key);
  if (job === 'tumbling') tumble(user, event.value, timestamp, partition);
  else if (job === 'count') {
    const totals = add(counts.get(user), event.value);
    counts.set(user, totals);
    write(user, bytesOf(totals), timestamp);
  } else if (job === 'map' ? event.type !== 'view' : event.itemId.endsWith('00')) {
    const { userId, type, ts } = event;
    const mapped = { userId, type, value: event.value * 1.1, minute: Math.floor(ts / 60_000) };
    write(user, Buffer.from(JSON.stringify(mapped)), timestamp);
  }
}

await connected(consumer);
await connected(producer);
consumer.subscribe([input]);
let [seen, quarterSeen, quarterAt, committedAt] = [0, 0, 0, 0];
const begin = performance.now();
while (seen < events) {
  for (const message of await polled()) {
    take(message);
    seen++;
  }
  const now = performance.now();
  if (quarterAt === 0 && seen >= events / 4) [quarterAt, quarterSeen] = [now, seen];
  if (now - committedAt < Number(commit)) continue;
  producer.poll();
  if (seen > 0) consumer.commit();
  committedAt = now;
}
await new Promise<void>((done, fail) => {
  producer.flush(60_000, (error) => (error ? fail(error) : done()));
});
const end = performance.now();
const { user, system } = process.cpuUsage();
const drained: Drained = {
  events: seen,
  eventsPerSecond: Math.round((seen - quarterSeen) / ((end - quarterAt) / 1_000)),
  totalSeconds: (end - begin) / 1_000,
  cpuSeconds: (user + system) / 1e6,
  rssMiB: peakMemoryMiB(),
};
console.log(JSON.stringify(drained));
process.exit(0);
