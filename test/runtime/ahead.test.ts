/**
 * On a shared log a task that is done with a cycle begins the next one, whatever keeps the others.
 */
import { type Topology, topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import type { AssignmentChange } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostConfig, HostPort } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { type DueChange, joinByChanges, portOf } from './shared-log.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 2 });
const job = topology('ahead', (t) => {
  t.stream(words).count('all');
  return {};
});
const names = topic<string, string>('names', { value: utf8 });
const named = topology('ahead', (t) => {
  t.stream(words)
    .leftJoinGlobal(
      t.globalTable(names),
      (_, key) => key,
      (word) => word,
    )
    .count('all');
  return {};
});

const perCycle = 20;
const cycles = 9;
const patience = 50;
const turn = () => systemScheduler.yieldNow();

/** Waits until it is so, and for no longer than anybody could take who is free to. */
async function until(so: () => boolean): Promise<void> {
  for (let i = 0; i < patience && !so(); i++) await turn();
}

/** Two tasks, each on a host of its own. */
class World {
  readonly log = new MemoryLog();
  readonly backends = new MemoryBackends();
  /** By host: pieces of work that were begun, and that are done. */
  readonly begun = [0, 0];
  readonly done = [0, 0];
  /** Commits that the log was given, and that each host has heard of. */
  commits = 0;
  readonly told = [0, 0];
  calls = 0;
  readonly changes: DueChange[] = [];
  readonly diesAt: number;
  readonly job: Topology;
  /** What keeps a host before it is done with its work, or hears of a commit. */
  keepsWork: (host: number) => Promise<void> = async () => {};
  keepsTold: (host: number) => Promise<void> = async () => {};

  constructor(diesAt = Number.POSITIVE_INFINITY, of: Topology = job) {
    this.diesAt = diesAt;
    this.job = of;
    const { log } = this;
    const open = log.openWriter.bind(log);
    log.openWriter = async (id) => {
      const writer = await open(id);
      return {
        ...writer,
        commit: async (commit) => {
          this.commits++;
          for (let i = 0; i < 4; i++) await turn();
          return writer.commit(commit);
        },
      };
    };
    const partitions = [0, 1].map((partition) => ({ topic: words.name, partition }));
    this.change(0, { kind: 'assigned', partitions, answer: async () => {} });
    joinByChanges(log, this.changes, () => this.commits);
  }

  /** A change of the membership that comes after so many commits. */
  change(after: number, change: AssignmentChange): void {
    this.changes.push({ after, change });
  }

  /**
   * Partition 0 is taken away after so many commits, and given back.
   * @param answered called when it is let go of
   */
  takeAway(after: number, answered: () => void): void {
    const partitions = [{ topic: words.name, partition: 0 }];
    this.change(after, { kind: 'revoked', partitions, answer: async () => answered() });
    this.change(after, { kind: 'assigned', partitions, answer: async () => {} });
  }

  get isIdle(): boolean {
    const { begun, done, told } = this;
    return begun.every((n, i) => n === done[i] && told[i] === done[i]);
  }

  /** Runs until all is done; answers the rows. */
  async run(): Promise<unknown> {
    const { log } = this;
    await log.createTopics([
      { name: words.name, partitions: 2, settings: {} },
      { name: names.name, partitions: 1, settings: {} },
    ]);
    const feeder = await MemoryLog.prototype.openWriter.call(log, 'feeder');
    const appends = [0, 1].map((partition) => {
      const builder = new BatchBuilder();
      for (let i = 0; i < cycles * perCycle; i++) {
        builder.append(Buffer.from(`p${partition}-${i % 3}`), Buffer.from('w'), i);
      }
      return { topic: words.name, partition, batch: builder.finishAt(0) };
    });
    await feeder.commit({ appends, offsets: [], commitId: 1 });
    const runtime = await Runtime.start({
      topology: this.job,
      application: 'ahead',
      log,
      stateDirectory: 'state',
      recordsPerCycle: perCycle,
      scheduler: { ...systemScheduler, sleep: turn },
      startHosts: async (config) => [this.#host(config, 0), this.#host(config, 1)],
    });
    await runtime.runUntilCaughtUp();
    const rows = await runtime.query('all');
    await runtime.close();
    return rows;
  }

  #host(config: HostConfig, of: number): HostPort {
    const host = new TaskHost(this.job, config, this.backends);
    const note = (counts: number[]) => {
      counts[of] = (counts[of] ?? 0) + 1;
    };
    const orDie = () => {
      this.calls++;
      if (this.calls !== this.diesAt) return;
      throw new MillraceError('WORKER_FAILED', { attempts: 1, problem: 'x' });
    };
    return {
      ...portOf(host),
      process: async (work) => {
        orDie();
        note(this.begun);
        await this.keepsWork(of);
        const result = await host.process(work);
        note(this.done);
        return result;
      },
      commit: async (task, id, ends, now) => {
        orDie();
        await this.keepsTold(of);
        const took = await host.commit(task, id, ends, now);
        note(this.told);
        return took;
      },
    };
  }
}

const expected = [0, 1].flatMap((partition) =>
  [0, 1, 2].map((i) => ({ key: `p${partition}-${i}`, value: (cycles * perCycle) / 3 })),
);

/**
 * Runs it; answers how many cycles host 0 has begun after the one that host 1 is at, of each but
 * the last.
 */
async function leadsOf(world: World): Promise<number[]> {
  const leads: number[] = [];
  world.keepsWork = async (host) => {
    if (host === 0) return;
    const at = world.begun[1] as number;
    await until(() => (world.begun[0] as number) > at + 1);
    leads.push((world.begun[0] as number) - at);
  };
  expect(await world.run()).toMatchObject(expected);
  expect(leads.length).toBe(cycles);
  return leads.slice(0, -1);
}

const ofEach = (lead: number) => new Array<number>(cycles - 1).fill(lead);

test('it begins one cycle ahead, and no more', async () => {
  expect(await leadsOf(new World())).toEqual(ofEach(1));
});

test('not with a global table: what a cycle sees of it is what came before', async () => {
  expect(await leadsOf(new World(undefined, named))).toEqual(ofEach(0));
});

test('the log is given a commit while a task has not heard of the one before', async () => {
  const world = new World();
  let ahead = 0;
  world.keepsTold = async (host) => {
    const { commits } = world;
    if (host === 1) await until(() => world.commits > commits);
    if (world.commits > commits) ahead++;
  };
  expect(await world.run()).toMatchObject(expected);
  expect(ahead).toBeGreaterThan(cycles / 2);
});

test('no further than one commit of which not every task has heard', async () => {
  const world = new World();
  const begun: number[] = [];
  world.keepsTold = async (host) => {
    if (host === 0 || world.told[1] !== 0) return;
    await until(() => false);
    begun.push(...world.begun);
  };
  expect(await world.run()).toMatchObject(expected);
  // The first commit is not told, the second is in the log, and the third's work is done.
  expect(begun).toEqual([3, 3]);
});

test('a task that cannot take in a commit ends the run, though there is a backlog', async () => {
  const world = new World();
  world.keepsTold = async (host) => {
    if (host === 1) throw new MillraceError('DISK_FULL', { directory: 'state' });
  };
  await expect(world.run()).rejects.toMatchObject({ code: 'DISK_FULL' });
  expect(world.commits).toBeLessThan(4);
});

test('nothing is at work, nor uncommitted, when partitions are let go of', async () => {
  for (let after = 1; after < cycles; after++) {
    const world = new World();
    world.keepsWork = (host) => (host === 0 ? turn() : until(() => false));
    let wasIdle: boolean | undefined;
    world.takeAway(after, () => {
      wasIdle = world.isIdle;
    });
    expect({ after, rows: await world.run() }).toMatchObject({ after, rows: expected });
    expect(wasIdle).toBe(true);
  }
});

test('no task goes ahead while a change of the membership waits', async () => {
  const world = new World();
  const begun: unknown[] = [];
  world.keepsWork = async (host) => {
    if (host === 1 || world.begun[0] !== 4) return;
    // Until its cycle is under way: what comes before that is seen when it begins.
    await until(() => false);
    world.takeAway(0, () => begun.push(world.begun[0]));
  };
  expect(await world.run()).toMatchObject(expected);
  expect(begun).toEqual([4]);
});

test('a worker that dies at each call in turn', async () => {
  const uneven = (diesAt?: number) => {
    const world = new World(diesAt);
    world.keepsWork = (host) => (host === 0 ? turn() : until(() => world.begun[0] === cycles));
    return world;
  };
  const whole = uneven();
  expect(await whole.run()).toMatchObject(expected);
  for (let diesAt = 1; diesAt <= whole.calls; diesAt++) {
    expect({ diesAt, rows: await uneven(diesAt).run() }).toMatchObject({ diesAt, rows: expected });
  }
});
