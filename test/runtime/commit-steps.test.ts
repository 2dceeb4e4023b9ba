/**
 * The steps of a commit are told in their order, once each, whether the log has steps of its own or
 * not.
 */
import { topic, topology } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import type { Log } from '../../engine/log/log.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const input = topic<string, string>('in');
const job = topology('steps', (t) => ({ n: t.stream(input).count('n') }));

/** A log that tells its own phases, as Kafka does. */
function steppingLog(log: MemoryLog): Log {
  const openWriter: Log['openWriter'] = async (id) => {
    const writer = await log.openWriter(id);
    const commit: typeof writer.commit = async ({ onPhase, ...rest }) => {
      for (const phase of ['append', 'flush', 'offsets', 'commit'] as const) await onPhase?.(phase);
      return writer.commit(rest);
    };
    return { ...writer, commit, close: () => writer.close() };
  };
  return new Proxy<Log>(log, {
    get: (target, name) => {
      if (name === 'openWriter') return openWriter;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test.each([
  [
    'a log without steps',
    (log: MemoryLog): Log => log,
    'read process begin commit acknowledge done',
  ],
  [
    'a log with its own steps',
    steppingLog,
    'read process begin append flush offsets commit acknowledge done',
  ],
])('%s', async (_, logOf, expected) => {
  const memory = new MemoryLog();
  const steps: string[] = [];
  const runtime = await Runtime.start({
    topology: job,
    application: 'steps',
    log: logOf(memory),
    stateDirectory: 'state',
    partitions: 1,
    clock: new VirtualClock(),
    startHosts: async (config) => [new TaskHost(job, config, new MemoryBackends())],
    at: (step) => void steps.push(step),
  });
  const batch = new BatchBuilder();
  batch.append(Buffer.from('k'), Buffer.from(input.value.encode('v')), 1, Buffer.alloc(0));
  const writer = await memory.openWriter('feeder');
  const appends = [{ topic: 'in', partition: 0, batch: batch.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId: 1 });
  await runtime.runUntilCaughtUp();
  const first = steps.slice(steps.indexOf('process') - 1, steps.indexOf('done') + 1);
  expect(first.join(' ')).toBe(expected);
  await runtime.close();
});
