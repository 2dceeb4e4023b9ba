/**
 * What is read together must be assigned together: a step late is no matter, for good is an error.
 */
import { joinWindow, topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { type AssignmentChange, type Member, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const [left, right] = ['left', 'right'].map((name) =>
  topic<string, string>(name, { value: utf8, partitions: 1 }),
) as [ReturnType<typeof topic<string, string>>, ReturnType<typeof topic<string, string>>];
const job = topology('joined', (t) => {
  const window = joinWindow({ before: 1, after: 1, grace: 1 });
  t.stream(left).join('pairs', t.stream(right), window, (a, b) => `${a}${b}`);
});

test('a group that assigns nothing is spoken of, once a minute', async () => {
  const log = new MemoryLog();
  log.join = async (options) => ({
    ...soleMember(log, options),
    sole: false,
    takeChange: () => undefined,
  });
  const [clock, backends] = [new VirtualClock(), new MemoryBackends()];
  const told: number[] = [];
  const runtime = await Runtime.start({
    topology: job,
    application: 'alone',
    log,
    stateDirectory: 'state',
    clock,
    startHosts: async (config) => [new TaskHost(job, config, backends)],
    observer: {
      on(name, event) {
        if (name === 'assignmentAwaited') told.push((event as { waitedMs: number }).waitedMs);
      },
    },
  });
  for (const pass of [59_000, 1_000, 59_000, 1_000]) {
    clock.advance(pass);
    await runtime.cycle();
  }
  expect(told).toEqual([60_000, 60_000]);
  await runtime.close();
});

test('topics of a join that come to different members', async () => {
  const log = new MemoryLog();
  const changes: AssignmentChange[] = [];
  const give = (name: string) =>
    changes.push({
      kind: 'assigned',
      partitions: [{ topic: name, partition: 0 }],
      answer: async () => {},
    });
  log.join = async (options) => {
    const sole = soleMember(log, options);
    const member: Member = { ...sole, sole: false, takeChange: () => changes.shift() };
    return member;
  };
  const [clock, backends] = [new VirtualClock(), new MemoryBackends()];
  give('left');
  const runtime = await Runtime.start({
    topology: job,
    application: 'apart',
    log,
    stateDirectory: 'state',
    clock,
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
  clock.advance(59_000);
  await runtime.cycle();
  give('right');
  await runtime.cycle();
  changes.push({
    kind: 'revoked',
    partitions: [{ topic: 'right', partition: 0 }],
    answer: async () => {},
  });
  await runtime.cycle();
  clock.advance(60_000);
  await expect(runtime.cycle()).rejects.toMatchObject({
    code: 'NOT_COLOCATED',
    message: expect.stringContaining('partition 0 of left, right'),
  });
  await runtime.close();
});
