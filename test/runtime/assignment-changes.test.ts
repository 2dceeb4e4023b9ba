/** What the group says of partitions is answered, whatever fails meanwhile. */
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import { type AssignmentChange, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 2 });
const job = topology('changes', (t) => {
  t.stream(words).count('all');
});

/** A process that has partition 0, and hears of the changes that are pushed. */
async function member() {
  const log = new MemoryLog();
  const changes: AssignmentChange[] = [];
  const answered: string[] = [];
  const change = (kind: AssignmentChange['kind'], partition: number, holds = true) =>
    changes.push({
      kind,
      partitions: [{ topic: words.name, partition }],
      answer: async () => {
        answered.push(`${kind} ${partition}`);
      },
      holds: () => holds,
    });
  change('assigned', 0);
  log.join = async (options) => ({
    ...soleMember(log, options),
    sole: false,
    hasChange: () => changes.length > 0,
    takeChange: () => changes.shift(),
  });
  const backends = new MemoryBackends();
  const doubts: string[] = [];
  const runtime = await Runtime.start({
    topology: job,
    application: 'changes',
    log,
    stateDirectory: 'state',
    startHosts: async (config) => [new TaskHost(job, config, backends)],
    observer: {
      on(name, event) {
        if (name === 'commitDoubtful') doubts.push((event as { problem: string }).problem);
      },
    },
  });
  const tasks = async () => {
    for (let cycles = 0; cycles < 3; cycles++) await runtime.cycle();
    return (await runtime.time()).tasks.map(({ task }) => task);
  };
  return { log, change, answered, doubts, runtime, tasks };
}

const notReady = () => new MillraceError('LOG_NOT_READY', { brokers: 'b', problem: 'moving' });

/** The next call fails by what passes. */
function failsOnce<K extends 'committed' | 'topics'>(log: MemoryLog, call: K): void {
  const before = log[call];
  log[call] = (async () => {
    log[call] = before;
    throw notReady();
  }) as never;
}

test('partitions are taken over though their offsets could not be asked for at first', async () => {
  const { log, change, answered, doubts, runtime, tasks } = await member();
  failsOnce(log, 'committed');
  change('assigned', 1);
  expect(await tasks()).toEqual(['0_0', '0_1']);
  expect(answered).toEqual(['assigned 0', 'assigned 1']);
  expect(doubts).toHaveLength(1);
  await runtime.close();
});

test('partitions that the group has given to another meanwhile are not read', async () => {
  const { change, answered, runtime, tasks } = await member();
  change('assigned', 1, false);
  expect(await tasks()).toEqual(['0_0']);
  expect(answered).toEqual(['assigned 0']);
  await runtime.close();
});

test('a deleted topic is noticed though topics could not be listed at first', async () => {
  const { log, change, runtime } = await member();
  change('revoked', 0);
  const { topics } = log;
  log.topics = async () => (await topics.call(log)).filter(({ name }) => name !== words.name);
  failsOnce(log, 'topics');
  await expect(runtime.cycle()).rejects.toMatchObject({ code: 'TOPIC_DELETED' });
  await runtime.close();
});
