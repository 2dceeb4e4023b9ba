/** A member is not done while the group has work left that may still come to it. */
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { append } from '../../engine/laws/index.ts';
import { type AssignmentChange, type Member, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 2 });
const loud = topic<string, string>('loud', { value: utf8, partitions: 2 });
const job = topology('shout', (t) => {
  t.stream(words)
    .map((word) => word.toUpperCase())
    .to(loud);
});

test('runs on until partitions that nobody has read are given to it', async () => {
  const log = new MemoryLog();
  await log.createTopics([{ name: 'words', partitions: 2, settings: {} }]);
  const feed = await log.openWriter('feed');
  await feed.commit({ appends: [append('words', 1, [['k', 'late']])], offsets: [], commitId: 1 });
  const assigned = (...partitions: number[]): AssignmentChange => ({
    kind: 'assigned',
    partitions: partitions.map((partition) => ({ topic: 'words', partition })),
    answer: async () => {},
  });
  const changes = [assigned(0)];
  let waits = 0;
  log.join = async (options) => {
    const sole = soleMember(log, options);
    const wait = async () => {
      waits++;
      if (waits === 3) changes.push(assigned(1));
    };
    const member: Member = { ...sole, sole: false, takeChange: () => changes.shift(), wait };
    return member;
  };
  const backends = new MemoryBackends();
  const runtime = await Runtime.start({
    topology: job,
    application: 'shout',
    log,
    stateDirectory: 'state',
    clock: new VirtualClock(),
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
  await runtime.runUntilCaughtUp();
  await runtime.close();
  expect(waits).toBeGreaterThanOrEqual(3);
  const written = [0, 1].map((partition) => log.endOffset({ topic: 'loud', partition }));
  expect((await Promise.all(written)).sort()).toEqual([0, 1]);
});
