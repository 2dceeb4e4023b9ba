/** Stages of a cycle add up to it; of threads side by side the slowest counts. */
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { append } from '../../engine/laws/index.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { StageClock, type Stages, stageNames } from '../../engine/runtime/stages.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostPort, TaskResult } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

test('the slowest thread, and what is left of the cycle', async () => {
  let now = 1_000;
  const clock = new StageClock(() => now, 40);
  const hosts = [{}, {}] as HostPort[];
  const of = (host: number, load: number, decode: number, steps: number, changelog: number) => ({
    task: { host: hosts[host] as HostPort },
    result: { timings: { load, decode, steps, changelog } } as TaskResult,
    toldMs: 1,
  });
  now += 5;
  clock.fetched();
  now += 50;
  clock.processed();
  now += 7;
  clock.committing();
  const onPhase = clock.phases(undefined);
  for (const phase of ['append', 'flush', 'offsets', 'commit'] as const) {
    now += 2;
    await onPhase(phase);
  }
  clock.committed();
  now += 3;
  const results = [of(0, 1, 2, 3, 4), of(1, 10, 10, 10, 10), of(0, 5, 6, 7, 8)];
  expect(clock.stages(results)).toEqual({
    hold: 40,
    fetch: 5,
    'hand-over': 10,
    load: 10,
    decode: 10,
    steps: 10,
    changelog: 10,
    turn: 8,
    append: 6,
    transaction: 2,
    state: 2,
  });
});

test('a run tells them with each cycle', async () => {
  const words = topic<string, string>('words', { value: utf8, partitions: 2 });
  const log = new MemoryLog();
  await log.createTopics([{ name: 'words', partitions: 2, settings: {} }]);
  const feeder = await log.openWriter('feeder');
  const records = Array.from({ length: 3_000 }, (_, i): [string, string] => [`k${i % 90}`, 'v']);
  const appends = [append('words', 0, records), append('words', 1, records)];
  await feeder.commit({ appends, offsets: [], commitId: 1 });
  const told: { stages: Stages; wholeMs: number }[] = [];
  const job = topology('staged', (t) => {
    t.stream(words).count('counts');
  });
  const runtime = await Runtime.start({
    topology: job,
    application: 'staged',
    log,
    stateDirectory: 'state',
    recordsPerCycle: 1_000,
    startHosts: async (config) => [new TaskHost(job, config, new MemoryBackends())],
    observer: {
      on(name, event) {
        if (name !== 'cycleCommitted') return;
        const { stages, processMs, commitMs } = event as never as {
          stages: Stages;
          processMs: number;
          commitMs: number;
        };
        told.push({ stages, wholeMs: processMs + commitMs });
      },
    },
  });
  await runtime.runUntilCaughtUp();
  await runtime.close();
  expect(told.length).toBeGreaterThan(2);
  for (const { stages, wholeMs } of told) {
    expect(Object.keys(stages)).toEqual([...stageNames]);
    const sum = Object.values(stages).reduce((a, b) => a + b, 0);
    // Two tasks may wait at once; both waits count.
    expect(sum).toBeGreaterThan(0.9 * wholeMs - 1);
    for (const ms of Object.values(stages)) expect(ms).toBeGreaterThanOrEqual(0);
  }
  expect(told.some(({ stages }) => stages.steps > 0 && stages.changelog > 0)).toBe(true);
});
