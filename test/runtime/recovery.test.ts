/** Workers that die and commits in doubt: the same results, and a stop is not waited for. */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { systemClock } from '../../engine/base/clock.ts';
import { MillraceError } from '../../engine/base/errors.ts';
import { allObservers, type Observer, silentObserver } from '../../engine/base/events.ts';
import { HealthWatch } from '../../engine/http/health.ts';
import type { CommittedOffset, TopicPartition, Writer } from '../../engine/log/log.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostConfig, HostPort } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { contentOf } from '../simulation/job.ts';
import { portOf } from './shared-log.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });

/**
 * Windows that only the idle clock closes, whose results are counted in windows of the next part.
 */
const job = topology('recovery', (t) => {
  t.stream(words)
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('per-ten', count(), { emit: 'close' })
    .changes()
    .map((n) => String(n))
    .keyBy('by-count', (n) => n, { key: utf8 })
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n) => `${n} windows`)
    .keyBy('all', () => 'all')
    .to(out);
  return {};
});

async function written<L extends MemoryLog>(log: L): Promise<L> {
  await log.createTopics([{ name: words.name, partitions: 1, settings: {} }]);
  const builder = new BatchBuilder();
  for (const [i, key] of ['a', 'b', 'b', 'c'].entries()) {
    builder.append(Buffer.from(key), Buffer.from('w'), i);
  }
  const appends = [{ topic: words.name, partition: 0, batch: builder.finishAt(0) }];
  await (await log.openWriter('feeder')).commit({ appends, offsets: [], commitId: 1 });
  return log;
}

/** @param diesAt the call of `process` or `commit`, over the whole run, at which the worker dies */
async function run(diesAt: number): Promise<{ content: string; calls: number }> {
  const [log, backends] = [await written(new MemoryLog()), new MemoryBackends()];
  let calls = 0;
  const dying = (host: TaskHost): HostPort => {
    const orDie = async () => {
      calls++;
      if (calls === diesAt) throw new MillraceError('WORKER_FAILED', { attempts: 1, problem: 'x' });
    };
    return {
      ...portOf(host),
      process: async (work) => orDie().then(() => host.process(work)),
      commit: async (task, id, ends, now) => orDie().then(() => host.commit(task, id, ends, now)),
    };
  };
  const runtime = await start(log, (config) => dying(new TaskHost(job, config, backends)));
  return { content: await finish(runtime, log), calls };
}

function start(
  log: MemoryLog,
  host: (config: HostConfig) => HostPort,
  observer: Observer = silentObserver,
): Promise<Runtime> {
  return Runtime.start({
    topology: job,
    application: 'recovery',
    log,
    partitions: 1,
    stateDirectory: 'state',
    startHosts: async (config) => [host(config)],
    observer,
  });
}

async function finish(runtime: Runtime, log: MemoryLog): Promise<string> {
  await runtime.runUntilCaughtUp();
  await runtime.advanceIdle(1_000);
  await runtime.close();
  return contentOf(log);
}

test('a worker that dies at each call in turn', async () => {
  const { content, calls } = await run(0);
  expect(content.split('\n').filter((line) => line.startsWith('out/'))).toHaveLength(2);
  expect(calls).toBeGreaterThan(8);
  for (let diesAt = 1; diesAt <= calls; diesAt++) {
    expect({ diesAt, content: (await run(diesAt)).content }).toEqual({ diesAt, content });
  }
});

const problem = 'it is away';

/** A log that can go away: commits are in doubt then, and questions are not answered. */
class RemoteLog extends MemoryLog {
  isAway = false;

  override async openWriter(id: string): Promise<Writer> {
    const writer = await super.openWriter(id);
    return {
      ...writer,
      commit: async (commit) => {
        if (this.isAway) throw new MillraceError('COMMIT_DOUBTFUL', { commitId: 1, problem });
        return writer.commit(commit);
      },
    };
  }

  override async committed(
    group: string,
    at: TopicPartition,
  ): Promise<CommittedOffset | undefined> {
    if (this.isAway) throw new MillraceError('LOG_UNREACHABLE', { brokers: 'b', problem });
    return super.committed(group, at);
  }
}

/**
 * A run on a log that is away from the start; `onDoubt` is told at each commit or question that
 * fails.
 */
async function runAway(onDoubt: (count: number, log: RemoteLog) => void) {
  const log = await written(new RemoteLog());
  const health = new HealthWatch(systemClock);
  const statuses: string[] = [];
  let doubts = 0;
  const watch: Observer = {
    on(name) {
      if (name === 'commitDoubtful') onDoubt(++doubts, log);
      if (statuses.at(-1) !== health.health.status) statuses.push(health.health.status);
    },
  };
  const observer = allObservers([health.observer, watch]);
  const backends = new MemoryBackends();
  const runtime = await start(log, (config) => new TaskHost(job, config, backends), observer);
  log.isAway = true;
  return { runtime, log, statuses };
}

test('a log that was away: its health tells, and the results are the same', async () => {
  const { runtime, log, statuses } = await runAway((doubts, log) => {
    log.isAway = doubts < 3;
  });
  expect(await finish(runtime, log)).toBe((await run(0)).content);
  expect(statuses.slice(-3)).toEqual(['recovering', 'running', 'stopped']);
});

test('a run that is to stop does not wait for a log that is away', async () => {
  const stop = new AbortController();
  const { runtime, log, statuses } = await runAway((doubts) => {
    if (doubts === 3) stop.abort();
  });
  await runtime.run(stop.signal);
  await runtime.close();
  expect(statuses.slice(-2)).toEqual(['recovering', 'stopped']);
  log.isAway = false;
  const next = await start(log, (config) => new TaskHost(job, config, new MemoryBackends()));
  expect(await finish(next, log)).toBe((await run(0)).content);
});
