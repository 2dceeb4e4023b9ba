/**
 * Tasks that read their own output, after all sources were put aside because they were silent: the
 * next batch of history loses no record, and a partition that stays silent holds no task back.
 */
import { count, last, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { VirtualClock } from '../../engine/base/clock.ts';
import type { Topology } from '../../engine/graph/graph.ts';
import type { Writer } from '../../engine/log/log.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';

const partitions = 2;
const input = topic<string, string>('input', { value: utf8, partitions });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });
const all = { key: utf8, value: utf8 };

/** Each record counts by its key and, sent round once, by its value. */
const merged = topology('merged', (t) => {
  const read = t.stream(input);
  read
    .merge(read.keyBy('by-value', (v) => v))
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start }) => `${key}@${start}=${n}`)
    .keyBy('out', () => 'all', all)
    .to(out);
});

/** Sent round twice: what comes back first is sent again. */
const twice = topology('twice', (t) => {
  const read = t.stream(input);
  const once = read.merge(read.keyBy('by-value', (v) => v));
  once
    .merge(
      once
        .window(tumbling({ size: 5, grace: 0 }))
        .aggregate('fives', count(), { emit: 'close' })
        .changes()
        .map((n, { key }) => `${key}${n}`)
        .keyBy('by-count', (v) => v, all),
    )
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start }) => `${key}@${start}=${n}`)
    .keyBy('out', () => 'all', all)
    .to(out);
});

/** What comes back comes from the tasks of another part. */
const foreign = topology('foreign', (t) => {
  const read = t.stream(input);
  const names = read.keyBy('by-value', (v) => v).aggregate('names', last<string>());
  read
    .aggregate('rows', last<string>())
    .joinForeign(
      'joined',
      names,
      (v) => v,
      (v, name) => `${v}+${name}`,
    )
    .changes()
    .map(String)
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start }) => `${key}@${start}=${n}`)
    .keyBy('out', () => 'all', all)
    .to(out);
});

type Row = readonly [key: string, value: string, at: number, partition: number];

class Run {
  readonly #topology: Topology;
  readonly #log = new MemoryLog();
  readonly #backends = new MemoryBackends();
  readonly #clock = new VirtualClock();
  #feeder: Writer | undefined;
  #commits = 0;
  #runtime: Runtime | undefined;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  async start(): Promise<void> {
    this.#feeder ??= await this.#log.openWriter('feeder');
    await this.#runtime?.close();
    this.#runtime = await Runtime.start({
      topology: this.#topology,
      application: 'aside',
      log: this.#log,
      clock: this.#clock,
      partitions,
      stateDirectory: 'state',
      startHosts: async (config) => [new TaskHost(this.#topology, config, this.#backends)],
    });
  }

  async feed(rows: readonly Row[]): Promise<void> {
    const appends = Array.from({ length: partitions }, (_, partition) => {
      const builder = new BatchBuilder();
      for (const [key, value, at, to] of rows) {
        if (to === partition) builder.append(Buffer.from(key), Buffer.from(value), at);
      }
      return { topic: input.name, partition, builder };
    }).flatMap(({ builder, ...at }) =>
      builder.count === 0 ? [] : [{ ...at, batch: builder.finishAt(0) }],
    );
    this.#commits++;
    await this.#feeder?.commit({ appends, offsets: [], commitId: this.#commits });
    await this.#running.runUntilCaughtUp();
  }

  /** All sources are silent until time waits for none of them, and each task has heard so. */
  async silence(): Promise<void> {
    const stop = new AbortController();
    const running = this.#running.run(stop.signal);
    for (let turns = 0; turns < 500 && !(await this.#isAside()); turns++) {
      this.#clock.advance(1_000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    stop.abort();
    await running;
    await this.#running.runUntilCaughtUp();
    expect(await this.#isAside()).toBe(true);
  }

  async #isAside(): Promise<boolean> {
    const { sources } = await this.#running.time();
    return sources.every(({ state }) => state === 'aside');
  }

  get #running(): Runtime {
    if (this.#runtime === undefined) throw new Error('it is started first');
    return this.#runtime;
  }

  advanceTo(at: number): Promise<void> {
    return this.#running.advanceIdle(at);
  }

  async end(): Promise<void> {
    await this.#running.closeInput();
  }

  get drops(): unknown {
    return this.#running.summary.counters.drops;
  }

  /** The results so far, in order. */
  async results(): Promise<string[]> {
    const at = { topic: out.name, partition: 0 };
    const batch = await this.#log.read(at, 0, { records: 10_000 });
    return Array.from({ length: batch?.count ?? 0 }, (_, i) => String(batch?.value(i))).sort();
  }

  async close(): Promise<void> {
    await this.#runtime?.close();
  }
}

/** A file of history, in order within each partition; partition 0 is ahead of partition 1. */
function file(from: number): Row[] {
  return Array.from({ length: 60 }, (_, i): Row => {
    const partition = i % 2;
    return [`k${i % 5}`, `v${i % 3}`, from + i * 3 + (partition === 0 ? 25 : 0), partition];
  });
}

const files = [file(0), file(180), file(1_000)];

/** @param pause what is between two files */
async function resultsOf(
  job: Topology,
  pause: (run: Run) => Promise<void>,
): Promise<{ results: string[]; drops: unknown }> {
  const run = new Run(job);
  await run.start();
  for (const [i, rows] of files.entries()) {
    if (i > 0) await pause(run);
    await run.feed(rows);
  }
  await run.end();
  const [results, { drops }] = [await run.results(), run];
  await run.close();
  return { results, drops };
}

const jobs = { merged, twice, foreign };

test.each(Object.entries(jobs))(
  '%s: a file that comes after a silence loses nothing',
  async (_, job) => {
    const expected = await resultsOf(job, async () => {});
    expect(expected.drops).toEqual({});
    expect(expected.results.length).toBeGreaterThan(50);
    expect(await resultsOf(job, (run) => run.silence())).toEqual(expected);
    const restarted = await resultsOf(job, async (run) => {
      await run.silence();
      await run.start();
    });
    expect(restarted.results).toEqual(expected.results);
  },
);

test.each(Object.entries(jobs))(
  '%s: a partition that stays silent holds no task back',
  async (_, job) => {
    const busy = (from: number) => file(from).filter(([, , , partition]) => partition === 0);
    const run = new Run(job);
    await run.start();
    await run.feed(file(0));
    await run.silence();
    await run.feed(busy(180));
    const early = await run.results();
    await run.silence();
    await run.start();
    await run.feed(busy(1_000));
    await run.silence();
    await run.feed(busy(2_000));
    const late = await run.results();
    await run.end();
    const closed = await run.results();
    const between = (from: number, to: number) => (text: string) => {
      const at = Number(/@(\d+)=/.exec(text)?.[1]);
      return at >= from && at < to;
    };
    for (const [results, to] of [
      [early, 350],
      [late, 2_150],
    ] as const) {
      expect(results.filter(between(0, to))).toEqual(closed.filter(between(0, to)));
      expect(results.filter(between(to - 50, to))).not.toEqual([]);
    }
    expect(run.drops).toEqual({});
    await run.close();
  },
);

test.each(Object.entries(jobs))(
  '%s: time that is advanced after a silence loses nothing',
  async (_, job) => {
    const resultsAfter = async (pause: (run: Run) => Promise<void>) => {
      const run = new Run(job);
      await run.start();
      await run.feed(file(0));
      await pause(run);
      await run.advanceTo(5_000);
      const [results, { drops }] = [await run.results(), run];
      await run.close();
      return { results, drops };
    };
    const expected = await resultsAfter(async () => {});
    expect(expected.drops).toEqual({});
    expect(await resultsAfter((run) => run.silence())).toEqual(expected);
  },
);
