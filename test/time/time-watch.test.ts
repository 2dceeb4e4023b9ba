/**
 * Time that stands still, because nobody runs an upstream task, is told once; and once that it goes
 * on.
 */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { type AssignmentChange, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { timeMetrics } from '../../engine/runtime/time-metrics.ts';
import { TimeWatch } from '../../engine/runtime/time-watch.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 2 });
const job = topology('held', (t) => {
  t.stream(words)
    .keyBy('by-word', (word) => word)
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('per-ten', count(), { emit: 'close' });
});
const behind = 'held-by-word-repartition';

test('an upstream task without an owner is told of', async () => {
  const [log, backends, clock] = [new MemoryLog(), new MemoryBackends(), new VirtualClock()];
  const changes: AssignmentChange[] = [];
  const assign = (...partitions: AssignmentChange['partitions']) =>
    changes.push({ kind: 'assigned', partitions, answer: async () => {} });
  log.join = async (options) => ({
    ...soleMember(log, options),
    sole: false,
    hasChange: () => changes.length > 0,
    takeChange: () => changes.shift(),
  });
  await log.createTopics([{ name: words.name, partitions: 2, settings: {} }]);
  const feed = async (partition: number, at: number) => {
    const builder = new BatchBuilder();
    builder.append(Buffer.from('k'), Buffer.from('w'), at);
    const appends = [{ topic: words.name, partition, batch: builder.finishAt(0) }];
    await (await log.openWriter('feeder')).commit({ appends, offsets: [], commitId: 1 });
  };
  assign(
    { topic: words.name, partition: 0 },
    { topic: behind, partition: 0 },
    { topic: behind, partition: 1 },
  );
  const runtime = await Runtime.start({
    topology: job,
    application: 'held',
    log,
    clock,
    stateDirectory: 'state',
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
  const cycles = async () => {
    for (let n = 0; n < 6; n++) await runtime.cycle();
  };
  const told: string[] = [];
  const watch = new TimeWatch({
    time: () => runtime.time(),
    clock,
    observer: { on: (name, event) => void told.push(`${name} ${JSON.stringify(event)}`) },
  });
  await feed(0, 5);
  await cycles();
  await watch.look();
  clock.advance(59_000);
  await feed(0, 1_000);
  await cycles();
  await watch.look();
  expect(told).toEqual([]);
  clock.advance(1_000);
  await watch.look();
  await watch.look();
  expect(told.splice(0)).toEqual([
    'timeHeld {"holder":"task 0_1","state":"elsewhere or nowhere","tasks":2,"task":"1_0","heldMs":60000}',
  ]);
  // The same as a metric.
  const values = new Map<string, number>();
  let fill = async () => {};
  const asked: Parameters<typeof timeMetrics>[0]['asked'] = (name, _help, _labels, own) => {
    if (name !== 'time_held_tasks') return;
    fill = async () =>
      own({
        set: () => {},
        reset: () => {},
        inc: (labels) => {
          const key = JSON.stringify(labels);
          values.set(key, (values.get(key) ?? 0) + 1);
        },
      });
  };
  timeMetrics({ asked }, () => runtime.time());
  await fill();
  expect(JSON.stringify([...values])).toContain('0_1');

  assign({ topic: words.name, partition: 1 });
  await feed(1, 900);
  await cycles();
  clock.advance(5_000);
  await watch.look();
  expect(told).toEqual(['timeReleased {"holder":"task 0_1","heldMs":65000}']);
  await runtime.close();
});
