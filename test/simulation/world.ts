/**
 * The world of a simulated run: log, stores, clock and scheduler behind a gate that counts every
 * port call, lets seeded turns pass before it, and may stop the process there, before or after its
 * effect. What is durable outlives the process; of the writes to a store since the last crash, the
 * youngest may be lost, as no one has asked for them to be synced.
 */
import { VirtualClock } from '../../engine/base/clock.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { Scheduler } from '../../engine/base/scheduler.ts';
import type { Log, Writer } from '../../engine/log/log.ts';
import { soleMember } from '../../engine/log/member.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import type { BackendFactory, BackendWrite, StateBackend } from '../../engine/storage/backend.ts';
import { MemoryBackend, MemoryStore } from '../../engine/storage/memory-backend.ts';

/** The process was stopped; nothing of it may reach the world any more. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

interface Undo {
  readonly store: MemoryStore;
  readonly before: readonly BackendWrite[];
}

export class World {
  readonly log = new MemoryLog();
  readonly trace: string[] = [];
  readonly #stores = new Map<string, MemoryStore>();
  readonly #random: SeededRandom;
  #unsynced: Undo[] = [];
  #process = 0;
  #stopAt = Number.POSITIVE_INFINITY;
  calls = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  below(bound: number): number {
    return randomBelow(this.#random, bound);
  }

  /** A new process: its ports. It is stopped at the `stopAt`-th port call from now, if ever. */
  boot(stopAt = Number.POSITIVE_INFINITY) {
    this.#process++;
    this.#stopAt = this.calls + stopAt;
    const process = this.#process;
    const gate = <T>(name: string, effect: () => Promise<T>) => this.#gate(process, name, effect);
    const scheduler: Scheduler = {
      sleep: () => gate('sleep', async () => {}),
      yieldNow: () => gate('yield', async () => {}),
    };
    const backends = this.#backends(gate);
    return { log: gatedLog(this.log, gate), backends, scheduler, clock: new VirtualClock() };
  }

  /** The machine goes down: a seeded number of the youngest writes to stores is lost. */
  loseUnsynced(): void {
    const kept = this.below(this.#unsynced.length + 1);
    for (const { store, before } of this.#unsynced.slice(kept).reverse()) store.apply(before);
    this.trace.push(`lost ${this.#unsynced.length - kept} of ${this.#unsynced.length} writes`);
    this.#unsynced = [];
  }

  /** The state folder is deleted. */
  dropState(): void {
    this.#stores.clear();
    this.#unsynced = [];
    this.trace.push('state deleted');
  }

  async #gate<T>(process: number, name: string, effect: () => Promise<T>): Promise<T> {
    for (let turns = this.below(3); turns > 0; turns--) await Promise.resolve();
    if (process !== this.#process) throw new Stopped(name);
    const call = ++this.calls;
    this.trace.push(name);
    if (call < this.#stopAt) return effect();
    // The call at which the process stops may still take effect, without anybody hearing of it.
    this.#process++;
    const effective = this.below(2) === 1;
    this.trace.push(`stopped ${effective ? 'after' : 'before'} ${name}`);
    if (effective) await effect();
    throw new Stopped(name);
  }

  #backends(gate: Gate): BackendFactory {
    return {
      open: (directory) =>
        gate(`state open ${directory}`, async () => {
          const store = this.#stores.get(directory) ?? new MemoryStore();
          this.#stores.set(directory, store);
          return this.#backend(directory, store, gate);
        }),
      destroy: (directory) =>
        gate(`state destroy ${directory}`, async () => {
          this.#stores.delete(directory);
        }),
    };
  }

  #backend(directory: string, store: MemoryStore, gate: Gate): StateBackend {
    const inner = new MemoryBackend(store);
    return {
      getMany: (keys) =>
        gate(`state getMany ${directory} ${keys.length}`, () => inner.getMany(keys)),
      range: (options) => gate(`state range ${directory}`, () => inner.range(options)),
      write: (batch, options) =>
        gate(`state write ${directory} ${batch.length}`, async () => {
          const values = await inner.getMany(batch.map(({ key }) => key));
          const before = batch.map(({ key }, i) => ({ key, value: values[i] }));
          await inner.write(batch);
          if (options?.sync === true)
            this.#unsynced = this.#unsynced.filter((u) => u.store !== store);
          else this.#unsynced.push({ store, before });
        }),
      flush: () => gate(`state flush ${directory}`, () => inner.flush()),
      memory: () => inner.memory(),
      close: () => gate(`state close ${directory}`, () => inner.close()),
    };
  }
}

type Gate = <T>(name: string, effect: () => Promise<T>) => Promise<T>;

function gatedLog(log: Log, gate: Gate): Log {
  return {
    createTopics: (topics) => gate('log createTopics', () => log.createTopics(topics)),
    topics: () => gate('log topics', () => log.topics()),
    read: (at, from, limits) =>
      gate(`log read ${at.topic}/${at.partition}@${from}`, () => log.read(at, from, limits)),
    startOffset: (at) => gate('log startOffset', () => log.startOffset(at)),
    completeFrom: (at, readAt) => gate('log completeFrom', () => log.completeFrom(at, readAt)),
    endOffset: (at) => gate(`log endOffset ${at.topic}/${at.partition}`, () => log.endOffset(at)),
    committed: (group, at) => gate('log committed', () => log.committed(group, at)),
    join: async (options) => soleMember(gatedLog(log, gate), options),
    openWriter: (id) =>
      gate(`log openWriter ${id}`, async () => gatedWriter(await log.openWriter(id), gate)),
    maintain: (nowMs) => gate('log maintain', () => log.maintain(nowMs)),
    close: () => gate('log close', async () => {}),
  };
}

function gatedWriter(writer: Writer, gate: Gate): Writer {
  return {
    lastCommitId: writer.lastCommitId,
    commit: (commit) =>
      gate(`log commit ${commit.commitId} of ${commit.appends.length}`, () =>
        writer.commit(commit),
      ),
    close: () => gate('log closeWriter', () => writer.close()),
  };
}
