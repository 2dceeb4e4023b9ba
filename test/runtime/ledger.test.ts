/**
 * The ledger beside the offsets agrees with the changelogs, whatever opens or commits in between.
 */

import { topic, topology, utf8 } from 'millrace';
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { commitIdOf, noCommit } from '../../engine/base/commit-id.ts';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { append } from '../../engine/laws/index.ts';
import { type AssignmentChange, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { encodeLedger } from '../../engine/runtime/ledger.ts';
import { Runtime, type RuntimeOptions } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostPort } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { portOf } from './shared-log.ts';

const application = 'ledger';
const words = topic<string, string>('words', { value: utf8, partitions: 2 });
const job = topology(application, (t) => {
  t.stream(words).count('counts');
});

async function newLog(): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.createTopics([{ name: 'words', partitions: 2, settings: {} }]);
  return log;
}

let fed = 0;
async function feed(log: MemoryLog): Promise<void> {
  fed++;
  const writer = await log.openWriter(`feed-${fed}`);
  await writer.commit({ appends: [append('words', 0, [['k', 'v']])], offsets: [], commitId: 1 });
}

/** A runtime with state of its own; `wrap` stands between it and its host. */
function start(
  log: MemoryLog,
  wrap: (host: TaskHost) => Partial<HostPort> = () => ({}),
  options: Partial<RuntimeOptions> = {},
): Promise<Runtime> {
  return Runtime.start({
    topology: job,
    application,
    log,
    stateDirectory: 'state',
    startHosts: async (config) => {
      const host = new TaskHost(job, config, new MemoryBackends());
      return [{ ...portOf(host), ...wrap(host) }];
    },
    ...options,
  });
}

/** The log as one that is shared, whose group gives these partitions. */
function shared(log: MemoryLog, ...partitions: number[]): void {
  const changes: AssignmentChange[] = [
    {
      kind: 'assigned',
      partitions: partitions.map((partition) => ({ topic: 'words', partition })),
      answer: async () => {},
    },
  ];
  log.join = async (options) => ({
    ...soleMember(log, options),
    sole: false,
    takeChange: () => changes.shift(),
  });
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function runOnce(log: MemoryLog): Promise<void> {
  const runtime = await start(log);
  await runtime.runUntilCaughtUp();
  await runtime.close();
}

test('a task of greater commits that opens during a cycle does not change the cycle’s id', async () => {
  const log = await newLog();
  await feed(log);
  const before = await log.openWriter(application);
  const metadata = encodeLedger({ commitId: commitIdOf(100), stores: [noCommit] }, ['counts']);
  const offsets = [{ topic: 'words', partition: 1, offset: 0, metadata }];
  await before.commit({ appends: [], offsets, commitId: 1 });
  const { join } = log;
  shared(log, 0, 1);
  let processing = () => {};
  const processed = new Promise<void>((resolve) => {
    processing = resolve;
  });
  const runtime = await start(log, (host) => ({
    open: async (assignment) => {
      if (assignment.partition === 1) await processed;
      return host.open(assignment);
    },
    process: async (work) => {
      const result = await host.process(work);
      processing();
      for (let i = 0; i < 20; i++) await turn();
      return result;
    },
  }));
  while (runtime.summary.counters.in === 0) {
    await runtime.cycle();
    await turn();
  }
  await runtime.close();
  log.join = join;
  await runOnce(log);
});

test('what another member commits while a task is opened is no torn transaction', async () => {
  const log = await newLog();
  await feed(log);
  await runOnce(log);
  await feed(log);
  const { join } = log;
  shared(log, 0);
  const opened: string[] = [];
  let isFirst = true;
  const runtime = await start(
    log,
    (host) => ({
      open: async (assignment) => {
        if (isFirst) {
          isFirst = false;
          log.join = join;
          await runOnce(log);
        }
        return host.open(assignment);
      },
    }),
    {
      observer: {
        on(name, event) {
          if (name === 'taskOpened') opened.push((event as { task: string }).task);
        },
      },
    },
  );
  for (let i = 0; i < 50; i++) {
    await turn();
    if (opened.length > 0) break;
  }
  expect(opened).toEqual(['0_0']);
  expect((await runtime.query('counts')).map(({ value }) => value)).toEqual([2]);
  await runtime.close();
});

describe('a coordinator that tells of an earlier commit than the changelog has', () => {
  /**
   * Two commits of partition 0, and a runtime on a shared log that hears of the first, `times`
   * times.
   */
  async function hearing(times: number) {
    const log = await newLog();
    const asked = log.committed.bind(log);
    const at = { topic: 'words', partition: 0 };
    await feed(log);
    await runOnce(log);
    const first = await asked(application, at);
    await feed(log);
    await runOnce(log);
    let left = times;
    log.committed = async (group, of) => {
      if (of.partition !== 0 || left === 0) return asked(group, of);
      left--;
      return first;
    };
    shared(log, 0);
    const clock = new VirtualClock();
    const said: string[] = [];
    const runtime = await start(log, () => ({}), {
      clock,
      scheduler: { ...systemScheduler, sleep: async (ms) => clock.advance(ms) },
      observer: { on: (name) => said.push(name) },
    });
    for (let i = 0; i < 2_000 && !said.includes('taskOpened'); i++) {
      await turn();
      await runtime.cycle();
    }
    return { runtime, said };
  }

  test('is asked again, and the task goes on from the second', async () => {
    const { runtime, said } = await hearing(9);
    expect(said.filter((name) => name === 'offsetsBehind')).toHaveLength(1);
    expect((await runtime.query('counts')).map(({ value }) => value)).toEqual([2]);
    await runtime.close();
  });

  test('is not believed for ever', async () => {
    await expect(hearing(Number.POSITIVE_INFINITY)).rejects.toMatchObject({
      code: 'LEDGER_MISMATCH',
    });
  });
});
