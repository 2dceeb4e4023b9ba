/**
 * The interval between commits is kept while records keep coming, and not waited for behind a
 * backlog.
 */
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { append } from '../../engine/laws/index.ts';
import { soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const job = topology('interval', (t) => {
  t.stream(words).count('counts');
});
const commitIntervalMs = 100;
const recordsPerCycle = 10;

/**
 * Commits of a run of so many ms in which so many records come a ms, and the reader is never at the
 * end; a cycle takes `cycleMs`.
 */
async function commitsOf(ms: number, perMs: number, cycleMs = 0): Promise<number> {
  const log = new MemoryLog();
  const clock = new VirtualClock();
  const feeder = await log.openWriter('feeder');
  await log.createTopics([{ name: 'words', partitions: 1, settings: {} }]);
  let [commits, fed, begin] = [0, 0, clock.monotonic()];
  log.join = async (options) => {
    const member = soleMember(log, options);
    return {
      ...member,
      fetch: async (...args) => ({ ...(await member.fetch(...args)), end: false }),
    };
  };
  const stop = new AbortController();
  const pass = async (passed: number) => {
    clock.advance(passed);
    const due = Math.floor((clock.monotonic() - begin) * perMs);
    if (due > fed) {
      const records = Array.from({ length: due - fed }, (): [string, string] => ['k', 'v']);
      await feeder.commit({ appends: [append('words', 0, records)], offsets: [], commitId: due });
      fed = due;
    }
    if (clock.monotonic() - begin >= ms) stop.abort();
  };
  const runtime = await Runtime.start({
    topology: job,
    application: 'interval',
    log,
    stateDirectory: 'state',
    startHosts: async (config) => [new TaskHost(job, config, new MemoryBackends())],
    commitIntervalMs,
    recordsPerCycle,
    clock,
    // Each turn of the loop takes a millisecond.
    scheduler: { ...systemScheduler, sleep: pass, yieldNow: () => pass(1) },
    observer: {
      on(name) {
        if (name !== 'cycleCommitted') return;
        clock.advance(cycleMs);
        commits++;
      },
    },
  });
  begin = clock.monotonic();
  await runtime.run(stop.signal);
  await runtime.close();
  return commits;
}

test.each([
  [0, 25],
  [10, 25],
  [20, 40],
  [30, 60],
  [45, 90],
  [60, 100],
  [90, 100],
])(
  'records that come without a pause: cycles of %i ms begin every %i ms',
  async (cycleMs, every) => {
    const commits = await commitsOf(5_000, 0.04, cycleMs);
    // A turn of the loop takes a millisecond now and then.
    expect(commits).toBeGreaterThan((0.9 * 5_000) / every);
    expect(commits).toBeLessThanOrEqual(5_000 / every + 1);
  },
);

test('a backlog is not', async () => {
  // More come in an interval than a cycle takes.
  expect(await commitsOf(2_000, 1)).toBeGreaterThan(100);
});
