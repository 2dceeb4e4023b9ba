/**
 * One budget of memory for the state of a process, shared by the caches and backends of all its
 * tasks.
 */
import fc from 'fast-check';
import { topic, topology, utf8 } from 'millrace';
import { describe, expect, test } from 'vitest';
import { bytesOf, leastMemoryBytes } from '../../engine/base/memory.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBudget, type TaskMemory } from '../../engine/state/memory-budget.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { millrace } from '../process/millrace.ts';

const mebibyte = 1024 * 1024;

test.each([
  ['512M', 512 * mebibyte],
  ['2G', 2_048 * mebibyte],
  ['1.5g', 1_536 * mebibyte],
  ['64MiB', 64 * mebibyte],
  [' 64 MB ', 64 * mebibyte],
  ['512', undefined],
  ['512K', undefined],
  ['-1M', undefined],
  ['1e3M', undefined],
  ['M', undefined],
  ['', undefined],
])('the size %j', (text, bytes) => {
  expect(bytesOf(text)).toBe(bytes);
});

test('--memory below the least is refused', async () => {
  const { code, stderr } = await millrace('run', 'none.ts', '--memory=8M');
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/--memory.*16M/s) });
});

describe('the budget of a thread', () => {
  const budgetBytes = 1_000_000;
  /** Half of the budget is for cells, which take twice what is estimated. */
  const cells = budgetBytes / 2;

  test('tasks that keep to their limits keep to the budget, and none is below its share', () => {
    const taken = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(taken, fc.integer({ min: 1, max: 12 }), (shares, tasks) => {
        const budget = new MemoryBudget(budgetBytes, tasks);
        const used = shares.map(() => ({ cache: 0, packed: 0, backend: 0 }));
        const users = used.map((one) => ({ memory: (): TaskMemory => one }));
        for (const user of users) budget.join(user);
        const fair = cells / Math.max(tasks, users.length) / 2;
        for (const [i, share] of shares.entries()) {
          const one = used[i] as { cache: number };
          const limit = budget.limitOf(users[i] as never);
          expect(limit).toBeGreaterThanOrEqual(fair - 1e-6);
          one.cache = share * limit;
        }
        // Each looks at its limit with every commit.
        for (const [i, user] of users.entries()) {
          const one = used[i] as { cache: number };
          one.cache = Math.min(one.cache, budget.limitOf(user));
        }
        const all = used.reduce((sum, { cache }) => sum + 2 * cache, 0);
        expect(all).toBeLessThanOrEqual(cells + 1e-6);
        for (const user of users.slice(1)) budget.leave(user);
        expect(budget.limitOf(users[0] as never)).toBeCloseTo(cells / 2);
      }),
    );
  });

  test('write buffers and changes that are not committed have their shares, however many tasks', () => {
    for (const tasks of [1, 4, 64]) {
      const budget = new MemoryBudget(64 * mebibyte, tasks);
      expect(2 * tasks * budget.writeBufferBytes).toBeLessThanOrEqual(0.15 * 64 * mebibyte);
      expect(2 * tasks * budget.dirtyBytes).toBeLessThanOrEqual(0.15 * 64 * mebibyte);
    }
  });
});

const values = topic<string, string>('values', { value: utf8, partitions: 8 });
const newest = topology('newest', (t) => {
  t.table('newest', values);
  return {};
});
const [keys, textOf] = [40_000, (i: number) => `${i} ${'x'.repeat(200)}`];

/** Keeps a row for each key; answers what the caches take at the end, and the rows. */
async function run(memoryBytes: number) {
  const log = new MemoryLog();
  await log.createTopics([{ name: 'values', partitions: 8, settings: {} }]);
  const writer = await log.openWriter('feeder');
  const builders = Array.from({ length: 8 }, () => new BatchBuilder());
  for (let i = 0; i < keys; i++) {
    builders[i % 8]?.append(Buffer.from(`key ${i}`), Buffer.from(textOf(i)), i);
  }
  const appends = builders.map((builder, partition) => ({
    topic: 'values',
    partition,
    batch: builder.finishAt(0),
  }));
  await writer.commit({ appends, offsets: [], commitId: 1 });
  const used = new Map<string, number>();
  let most = 0;
  const backends = new MemoryBackends();
  const runtime = await Runtime.start({
    topology: newest,
    application: 'memory',
    log,
    stateDirectory: 'state',
    memoryBytes,
    recordsPerCycle: 1_000,
    observer: {
      on: (name, event) => {
        if (name !== 'stateMemory') return;
        const { task, cache, packed } = event as { task: string } & TaskMemory;
        used.set(task, 2 * cache + packed);
        most = Math.max(
          most,
          [...used.values()].reduce((a, b) => a + b, 0),
        );
      },
    },
    startHosts: async (config) => [new TaskHost(newest, config, backends)],
  });
  await runtime.runUntilCaughtUp();
  const rows = await runtime.query('newest');
  await runtime.close();
  await log.close();
  return { most, rows };
}

test('a run keeps to its budget, and no row is lost', async () => {
  const [small, large] = [await run(leastMemoryBytes), await run(512 * mebibyte)];
  for (const { rows } of [small, large]) {
    expect(rows).toHaveLength(keys);
    for (const { key, value } of rows) {
      expect(value).toBe(textOf(Number(String(key).slice(4))));
    }
  }
  // Half of it is for cells; what changed since the last commit comes on top.
  expect(small.most).toBeLessThan(leastMemoryBytes);
  expect(large.most).toBeGreaterThan(leastMemoryBytes);
});
