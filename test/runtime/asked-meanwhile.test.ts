/**
 * Questions are answered between two records of a round, with what is committed, while many ask.
 */

import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { commitIdOf } from '../../engine/base/commit-id.ts';
import { systemWorld } from '../../engine/base/world.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { defaultErrorPolicy } from '../../engine/task/error-policy.ts';
import type { RowAnswer } from '../../engine/task/row-answers.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const job = topology('asked', (t) => {
  t.stream(words).count('all');
  return {};
});
const perCycle = 2_000;
const keys = 10;
const eachInCycle = perCycle / keys;

/** A clock by which every look takes half a millisecond: pauses come where they come every time. */
function steppingWorld() {
  let now = 0;
  const clock = {
    now: () => now,
    monotonic: () => {
      now += 0.5;
      return now;
    },
  };
  return { ...systemWorld, clock };
}

function batchAt(offset: number): ArrayBuffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < perCycle; i++) {
    const key = words.key.encode(`k${i % keys}`);
    builder.append(key, words.value.encode('x'), offset + i);
  }
  return builder.finishAt(offset).image;
}

test('answers come between two records, and are those of the last commit', async () => {
  const config = {
    ...{ application: 'asked', stateDirectory: 'asked', partitionsOf: {} },
    ...{ cacheBytes: 2 ** 28, dirtyBytesMax: 2 ** 26, onError: defaultErrorPolicy },
  };
  const host = new TaskHost(job, config, new MemoryBackends(), steppingWorld());
  const positions = [{ topic: 'words', offset: 0 }];
  await host.open({ taskId: '0_0', subTopology: 0, partition: 0, positions });
  const question = { table: 'all', store: 'all', name: 'all' };
  const countIn = ({ rows }: RowAnswer) => rows[0]?.value ?? 0;
  const ask = (key: string, logged = 0) =>
    host.ask('0_0', { ...question, keyText: key, logged }).then(countIn);
  // Enough that they are many.
  for (let i = 0; i < 200; i++) await ask('k0');
  for (let cycle = 0; cycle < 4; cycle++) {
    let isDone = false;
    const work = host
      .process({
        taskId: '0_0',
        commitId: commitIdOf(cycle + 1),
        batches: [{ topic: 'words', image: batchAt(cycle * perCycle) }],
        caughtUp: ['words'],
      })
      .then(() => {
        isDone = true;
      });
    let meanwhile = 0;
    for (let i = 0; !isDone; i++) {
      const value = await ask(`k${i % keys}`);
      expect(value, `key ${i % keys} in cycle ${cycle}`).toBe(cycle * eachInCycle);
      if (!isDone) meanwhile++;
      await new Promise((done) => setImmediate(done));
    }
    expect(meanwhile, `answers while cycle ${cycle} worked`).toBeGreaterThan(10);
    await work;
    expect(await ask('k1'), 'sealed, and not committed').toBe(cycle * eachInCycle);
    expect(await ask('k1', cycle + 1), 'the log has it').toBe((cycle + 1) * eachInCycle);
    await host.commit(
      '0_0',
      commitIdOf(cycle + 1),
      [{ store: 'all', offset: (cycle + 1) * keys }],
      0,
    );
    expect(await ask('k1')).toBe((cycle + 1) * eachInCycle);
  }
  await host.closeAll();
});
