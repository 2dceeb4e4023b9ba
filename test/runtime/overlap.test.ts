/**
 * On a shared log a cycle commits while the next one works; whatever fails then, the results are
 * the same.
 */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { MillraceError } from '../../engine/base/errors.ts';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import type { Writer } from '../../engine/log/log.ts';
import { type AssignmentChange, soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import type { HostConfig, HostPort } from '../../engine/task/host-port.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { type DueChange, joinByChanges, portOf } from './shared-log.ts';

const words = topic<string, string>('words', { value: utf8, partitions: 1 });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });

const job = topology('overlap', (t) => {
  const grouped = t.stream(words);
  grouped.count('all');
  grouped
    .window(tumbling({ size: 50, grace: 0 }))
    .aggregate('per-fifty', count(), { emit: 'close' })
    .changes()
    .map((n) => String(n))
    .keyBy('by-count', (n) => n, { key: utf8 })
    .to(out);
  return {};
});

const perCycle = 60;
const keys = Array.from({ length: 8 * perCycle }, (_, i) => `k${(i * 7) % 11}`);

const turn = () => systemScheduler.yieldNow();

type Doubt = 'before' | 'after';

interface Fault {
  /** The call of `process` or `commit` of a host, over the whole run, at which its worker dies. */
  readonly diesAt?: number;
  /** The commit, over the whole run, of which nobody hears; it is done, or it is not. */
  readonly doubtAt?: number;
  readonly doubt?: Doubt;
}

/** Tells when commits and work begin and end, and fails as it is told. */
class World {
  readonly log = new MemoryLog();
  readonly backends = new MemoryBackends();
  readonly events: string[] = [];
  calls = 0;
  commits = 0;
  /** Changes of the membership, by the number of commits after which they come. */
  readonly changes: DueChange[] = [];
  readonly #fault: Fault;

  constructor(fault: Fault = {}) {
    this.#fault = fault;
    const { log } = this;
    const open = log.openWriter.bind(log);
    log.openWriter = async (id) => this.#writer(await open(id));
    const sources = [words.name, 'overlap-by-count-repartition'];
    const at = sources.map((name) => ({ topic: name, partition: 0 }));
    this.changes.push({
      after: 0,
      change: { kind: 'assigned', partitions: at, answer: async () => {} },
    });
    joinByChanges(log, this.changes, () => this.commits);
  }

  /** Writes the records and runs until all is done; answers what the job wrote, and its rows. */
  async run(): Promise<{ out: string[]; rows: unknown }> {
    const { log } = this;
    await log.createTopics([{ name: words.name, partitions: 1, settings: {} }]);
    const feeder = await MemoryLog.prototype.openWriter.call(log, 'feeder');
    const builder = new BatchBuilder();
    keys.forEach((key, i) => {
      builder.append(Buffer.from(key), Buffer.from('w'), i);
    });
    const appends = [{ topic: words.name, partition: 0, batch: builder.finishAt(0) }];
    await feeder.commit({ appends, offsets: [], commitId: 1 });
    const runtime = await Runtime.start({
      topology: job,
      application: 'overlap',
      log,
      stateDirectory: 'state',
      recordsPerCycle: perCycle,
      // Nobody need wait for a pause to pass.
      scheduler: { ...systemScheduler, sleep: turn },
      startHosts: async (config) => [this.#host(config)],
    });
    await runtime.runUntilCaughtUp();
    const rows = await runtime.query('all');
    await runtime.close();
    return { out: await this.#out(), rows };
  }

  async #out(): Promise<string[]> {
    const at = { topic: out.name, partition: 0 };
    const batch = await this.log.read(at, 0, { records: 1_000_000 });
    return Array.from({ length: batch?.count ?? 0 }, (_, i) => `${batch?.value(i)}`);
  }

  #writer(writer: Writer): Writer {
    return {
      ...writer,
      commit: async (commit) => {
        this.commits++;
        const { doubtAt, doubt } = this.#fault;
        const isDoubtful = this.commits === doubtAt;
        this.events.push('commit');
        for (let i = 0; i < 8; i++) await turn();
        const context = { commitId: commit.commitId, problem: 'nobody heard' };
        const error = new MillraceError('COMMIT_DOUBTFUL', context);
        if (isDoubtful && doubt === 'before') throw error;
        const receipt = await writer.commit(commit);
        if (isDoubtful) throw error;
        this.events.push('committed');
        return receipt;
      },
    };
  }

  #host(config: HostConfig): HostPort {
    const host = new TaskHost(job, config, this.backends);
    const orDie = () => {
      this.calls++;
      if (this.calls !== this.#fault.diesAt) return;
      throw new MillraceError('WORKER_FAILED', { attempts: 1, problem: 'x' });
    };
    return {
      ...portOf(host),
      process: async (work) => {
        orDie();
        this.events.push('work');
        for (let i = 0; i < 3; i++) await turn();
        return host.process(work);
      },
      commit: async (task, id, ends, now) => {
        orDie();
        return host.commit(task, id, ends, now);
      },
    };
  }
}

/** How often work began while a commit was under way. */
function overlaps(events: readonly string[]): number {
  return events.filter((event, i) => event === 'work' && events[i - 1] === 'commit').length;
}

test('work begins while a commit is under way, and commits follow one another', async () => {
  const world = new World();
  const { out: written, rows } = await world.run();
  expect(overlaps(world.events)).toBeGreaterThan(5);
  const commits = world.events.filter((event) => event !== 'work');
  commits.forEach((event, i) => {
    expect(event).toBe(i % 2 === 0 ? 'commit' : 'committed');
  });
  expect(written.length).toBeGreaterThan(50);
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  expect(rows).toMatchObject([...counts].sort().map(([key, value]) => ({ key, value })));
});

test('a log of its own is committed before it is read again', async () => {
  const world = new World();
  world.log.join = async (options) => soleMember(world.log, options);
  await world.run();
  expect(world.events.length).toBeGreaterThan(20);
  expect(overlaps(world.events)).toBe(0);
});

test('a worker that dies at each call in turn', async () => {
  const whole = new World();
  const expected = await whole.run();
  for (let diesAt = 1; diesAt <= whole.calls; diesAt++) {
    expect({ diesAt, ...(await new World({ diesAt }).run()) }).toEqual({ diesAt, ...expected });
  }
});

test.each<Doubt>(['before', 'after'])(
  'each commit in turn in doubt, %s it was done',
  async (doubt) => {
    const whole = new World();
    const expected = await whole.run();
    for (let doubtAt = 1; doubtAt <= whole.commits; doubtAt++) {
      const world = new World({ doubtAt, doubt });
      expect({ doubtAt, ...(await world.run()) }).toEqual({ doubtAt, ...expected });
    }
  },
);

test('partitions are let go of when nothing is under way', async () => {
  const expected = await new World().run();
  for (let after = 1; after < 8; after++) {
    const world = new World();
    const partitions = [{ topic: words.name, partition: 0 }];
    let atRevoked: string | undefined;
    const revoked: AssignmentChange = {
      kind: 'revoked',
      partitions,
      answer: async () => {
        atRevoked = world.events.at(-1);
      },
    };
    const assigned: AssignmentChange = { kind: 'assigned', partitions, answer: async () => {} };
    world.changes.push({ after, change: revoked }, { after, change: assigned });
    expect({ after, ...(await world.run()) }).toEqual({ after, ...expected });
    expect(atRevoked).toBe('committed');
  }
});
