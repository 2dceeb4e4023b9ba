/**
 * Times before 1970: the log's own are dropped and counted, those that user code gives are dead
 * letters.
 */

import { type StreamOptions, topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { commitIdOf } from '../../engine/base/commit-id.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { defaultErrorPolicy } from '../../engine/task/error-policy.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });

async function countersWith(options: StreamOptions<string, string>) {
  const job = topology('negative', (t) => {
    t.stream(words, options).count('all');
    return {};
  });
  const config = {
    ...{
      application: 'negative',
      stateDirectory: 'negative',
      partitionsOf: { 'negative-dead-letters': 1 },
    },
    ...{ cacheBytes: 2 ** 20, dirtyBytesMax: 2 ** 20, onError: defaultErrorPolicy },
  };
  const host = new TaskHost(job, config, new MemoryBackends());
  const positions = [{ topic: 'words', offset: 0 }];
  await host.open({ taskId: '0_0', subTopology: 0, partition: 0, positions });
  const builder = new BatchBuilder();
  for (const at of [5, -1, 7]) builder.append(words.key.encode('k'), words.value.encode('x'), at);
  const { counters } = await host.process({
    ...{ taskId: '0_0', commitId: commitIdOf(1), caughtUp: ['words'] },
    batches: [{ topic: 'words', image: builder.finishAt(0).image }],
  });
  const { in: taken, processed, dropped, deadLettered, drops } = counters;
  return { taken, processed, dropped, deadLettered, drops };
}

test("the log's own negative time is dropped and counted, also where an extractor gives it back", async () => {
  const expected = {
    ...{ taken: 3, processed: 2, dropped: 1, deadLettered: 0 },
    drops: { 'words|negative_timestamp': 1 },
  };
  expect(await countersWith({})).toEqual(expected);
  expect(await countersWith({ time: (_value, _key, logged) => logged })).toEqual(expected);
});

test('a negative time that an extractor makes is a dead letter', async () => {
  expect(await countersWith({ time: () => -1 })).toEqual({
    ...{ taken: 3, processed: 0, dropped: 1, deadLettered: 2, drops: expect.anything() },
  });
});
