/** engine/task with one operator: an event through a task and its commit, state in memory. */

import {
  hopping,
  minutes,
  seconds,
  session,
  sliding,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { commitIdOf } from '../../engine/base/commit-id.ts';
import type { Topology } from '../../engine/graph/graph.ts';
import { PackedBatch } from '../../engine/record/batch.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { defaultErrorPolicy } from '../../engine/task/error-policy.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import type { TimedWindow } from '../../engine/time/windows/window-spec.ts';
import { type Piece, use } from './piece.ts';
import { batchOfMany, many } from './record.ts';

const input = topic<string, string>('input', { value: utf8 });
const output = topic<string, string>('output', { value: utf8 });
const grace = seconds(10);
const windows: Readonly<Record<string, TimedWindow>> = {
  'tumbling 1 min': tumbling({ size: minutes(1), grace }),
  'hopping 10 min / 1 min': hopping({ size: minutes(10), advance: minutes(1), grace }),
  'hopping 60 min / 1 min': hopping({ size: minutes(60), advance: minutes(1), grace }),
  'sliding 1 min': sliding({ size: minutes(1), grace }),
  'session 30 s': session({ gap: seconds(30), grace }),
};

export async function taskPieces(): Promise<Piece[]> {
  const jobs: [string, Topology][] = [
    [
      'filter and write',
      topology('stateless', (t) =>
        t
          .stream(input)
          .filter((v) => v !== '')
          .to(output),
      ),
    ],
    ['count by key', topology('count', (t) => void t.stream(input).count('counts'))],
    ...Object.entries(windows).map(([name, spec]): [string, Topology] => [
      `count, ${name}, final`,
      topology(
        'windowed',
        (t) => void t.stream(input).window(spec).count('counts', { emit: 'close' }),
      ),
    ]),
  ];
  return Promise.all(jobs.map(([name, job]) => pieceOf(name, job)));
}

/** Each call is a cycle: `many` keys once, ten seconds of event time. */
async function pieceOf(name: string, job: Topology): Promise<Piece> {
  const host = new TaskHost(
    job,
    {
      application: 'micro',
      stateDirectory: name,
      cacheBytes: 2 ** 26,
      dirtyBytesMax: 2 ** 26,
      onError: defaultErrorPolicy,
      partitionsOf: { output: 1 },
    },
    new MemoryBackends(),
  );
  const taskId = '0_0';
  const positions = [{ topic: 'input', offset: 0 }];
  const stores = await host.open({ taskId, subTopology: 0, partition: 0, positions });
  let [commitId, time, offset] = [0, 0, 0];
  return {
    name: `task: ${name}`,
    per: many,
    run: async () => {
      const { image } = PackedBatch.rebase(batchOfMany(time, 10).image, offset);
      time += 10 * many;
      offset += many;
      commitId++;
      const batches = [{ topic: 'input', image }];
      const { counters, changelogs } = await host.process({
        taskId,
        commitId: commitIdOf(commitId),
        batches,
        caughtUp: ['input'],
      });
      if (counters.in !== many) throw new Error(`${name}: took ${counters.in} of ${many}`);
      use(changelogs.length);
      const ends = stores.map(({ store }) => ({ store, offset: commitId }));
      await host.commit(taskId, commitIdOf(commitId), ends, commitId);
    },
    close: () => host.closeAll(),
  };
}
