/**
 * Time that passes by the clock while commits are in doubt: the run goes on, and the window closes
 * once.
 */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import { MillraceError } from '../../engine/base/errors.ts';
import { soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const out = topic<string, number>('out', { partitions: 1 });
const job = topology('idle', (t) => {
  t.stream(words)
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('per-ten', count(), { emit: 'close' })
    .changes()
    .keyBy('by-word', (_, { key }) => key, { key: utf8 })
    .to(out);
});

/** Answers how many results there are, and how often a commit was in doubt. */
async function run(inDoubt: number): Promise<[number, number]> {
  const [log, backends, clock] = [new MemoryLog(), new MemoryBackends(), new VirtualClock()];
  await log.createTopics([words, out].map(({ name }) => ({ name, partitions: 1, settings: {} })));
  const builder = new BatchBuilder();
  builder.append(Buffer.from('a'), Buffer.from('w'), 1);
  const appends = [{ topic: words.name, partition: 0, batch: builder.finishAt(0) }];
  await (await log.openWriter('feeder')).commit({ appends, offsets: [], commitId: 1 });
  let doubtful = inDoubt;
  const open = log.openWriter.bind(log);
  log.openWriter = async (id) => {
    const writer = await open(id);
    return {
      ...writer,
      commit: async (commit) => {
        const { commitId } = commit;
        if (doubtful > 0 && clock.monotonic() > 0) {
          doubtful--;
          throw new MillraceError('COMMIT_DOUBTFUL', { commitId, problem: 'it is away' });
        }
        return writer.commit(commit);
      },
    };
  };
  log.join = async (options) => ({ ...soleMember(log, options), sole: false });
  let doubts = 0;
  const runtime = await Runtime.start({
    topology: job,
    application: 'idle',
    log,
    clock,
    stateDirectory: 'state',
    idleAfterMs: 1_000,
    startHosts: async (config) => [new TaskHost(job, config, backends)],
    observer: {
      on(name) {
        if (name === 'commitDoubtful') doubts++;
      },
    },
  });
  await runtime.runUntilCaughtUp();
  const stop = new AbortController();
  const running = runtime.run(stop.signal);
  const results = () => log.endOffset({ topic: out.name, partition: 0 });
  // It must have been silent since some cycle, also after it was opened anew.
  for (let turns = 0; turns < 500 && (await results()) === 0; turns++) {
    clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  stop.abort();
  await running;
  await runtime.close();
  return [await results(), doubts];
}

test.each([0, 1, 2, 3])('%i commits in doubt when idle time passes', async (doubtful) => {
  expect(await run(doubtful)).toEqual([1, doubtful]);
});
