/**
 * Replay, pause and reset on a real broker: what an operator does beside the processes, and what is
 * refused while they run.
 */
import { json, topic, topology } from 'millrace';
import { BatchBuilder, type Log, MemoryBackends, Runtime, TaskHost } from 'millrace/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { writePause } from '../../engine/runtime/pause.ts';
import { replayLetters } from '../../engine/runtime/replay/replay.ts';
import { planReset, reset } from '../../engine/runtime/reset.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const rows = topic<string, { readonly n: number }>('operate-rows', { value: json() });
const application = 'operate-job';
let refused = new Set<number>();

const job = topology(application, (t) => {
  const read = t.stream(rows).map((row) => {
    if (refused.has(row.n)) throw new Error(`${row.n} is refused`);
    return row;
  });
  read.keyBy('by-n', (row) => `n${row.n}`).count('counts');
});

describe.skipIf(!(await kafkaAvailable()))('operating on Kafka', () => {
  let log: KafkaLog;
  let brokers: string;
  const open = () => openKafkaLog({ settings: { ...defaultKafkaSettings, brokers }, application });
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    log = await open();
  }, 300_000);
  afterAll(() => log?.close());

  const backends = new MemoryBackends();
  async function started() {
    const own = await open();
    const runtime = await Runtime.start({
      ...{ topology: job, application, log: own, stateDirectory: 'state', partitions: 2 },
      startHosts: async (config) => [new TaskHost(job, config, backends)],
    });
    const close = async () => {
      await runtime.close();
      await own.close();
    };
    return { runtime, close };
  }
  async function counts(runtime: Runtime) {
    const found = await runtime.query('counts');
    return Object.fromEntries(found.map(({ key, value }) => [String(key), value]));
  }
  async function feed(on: Log, values: readonly number[], round: number) {
    const writer = await on.openWriter('operate-feeder');
    const builder = new BatchBuilder();
    for (const n of values) {
      builder.append(Buffer.from(`k${n}`), Buffer.from(JSON.stringify({ n })), Date.now());
    }
    const appends = [{ topic: rows.name, partition: 0, batch: builder.finishAt(0) }];
    await writer.commit({ appends, offsets: [], commitId: round });
    await writer.close();
  }

  test('letters go back once, a pause is seen by who runs, a reset computes all anew', {
    timeout: 240_000,
  }, async () => {
    await log.createTopics([{ name: rows.name, partitions: 2, settings: {} }]);
    await feed(log, [1, 2, 3, 1], 1);
    refused = new Set([2, 3]);
    const first = await started();
    await first.runtime.runUntilCaughtUp();
    expect(await counts(first.runtime)).toEqual({ n1: 2 });
    const options = { log, application, now: Date.now() };
    refused = new Set([3]);
    expect(await replayLetters(options)).toMatchObject({ letters: 2, replayed: 2, skipped: {} });
    expect(await replayLetters(options)).toMatchObject({ replayed: 0 });
    await first.runtime.runUntilCaughtUp();
    expect(await counts(first.runtime)).toEqual({ n1: 2, n2: 1 });
    // What failed again waits for --after-fix.
    expect(await replayLetters(options)).toMatchObject({
      ...{ letters: 3, replayed: 0 },
      skipped: { 'replayed before': 2, 'tried before': 1 },
    });

    await writePause(log, application, { pause: true });
    const stop = new AbortController();
    const running = first.runtime.run(stop.signal);
    await expect.poll(() => first.runtime.paused.all, { timeout: 30_000 }).toBe(true);
    await feed(log, [1, 2], 2);
    const given = { log, application, topology: job, to: 'earliest' as const };
    await expect(reset(given)).rejects.toMatchObject({ code: 'APPLICATION_RUNS' });
    expect(await counts(first.runtime)).toEqual({ n1: 2, n2: 1 });
    await writePause(log, application, { pause: false });
    await expect.poll(() => counts(first.runtime), { timeout: 30_000 }).toEqual({ n1: 3, n2: 2 });
    stop.abort();
    await running;
    await first.close();

    refused = new Set();
    const shown = await planReset(given);
    expect(shown.internal.map(({ topic: name }) => name)).toEqual([
      ...['operate-job-by-n-repartition', 'operate-job-counts-changelog'],
    ]);
    expect(shown.inputs[0]).toMatchObject({ topic: rows.name, partition: 0, next: 0 });
    await reset(given);
    // State of before is there yet, in memory: it is nobody's.
    const second = await started();
    await second.runtime.runUntilCaughtUp();
    // All that was written, replays among it: 3 came twice.
    const all = { n1: 3, n2: 3, n3: 2 };
    expect(await counts(second.runtime)).toEqual(all);
    await second.close();

    await reset({ ...given, to: 'latest' });
    const third = await started();
    await third.runtime.runUntilCaughtUp();
    expect(await counts(third.runtime)).toEqual({});
    await third.close();
  });
});
