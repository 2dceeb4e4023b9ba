/**
 * The tasks of one thread. It runs in a worker or on the main thread, is told everything by method
 * calls, and touches nothing outside but its state backends. All images are handed over: who passes
 * one on does not use it again.
 */
import { assert, must } from '../base/assert.ts';
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import { defaultMemoryBytes } from '../base/memory.ts';
import { systemWorld, type World } from '../base/world.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { type SubTopology, subTopologies } from '../graph/sub-topology.ts';
import { type PartTime, timePlan } from '../graph/time-plan.ts';
import { repartitionTopic } from '../graph/topic-names.ts';
import type { RecordLimits } from '../log/log.ts';
import { PackedBatch } from '../record/batch.ts';
import { MemoryBudget, type TaskMemory } from '../state/memory-budget.ts';
import type { Saving } from '../state/saver.ts';
import { TaskState } from '../state/task-state.ts';
import type { BackendFactory } from '../storage/backend.ts';
import { NumberedBackend } from '../storage/numbered-backend.ts';
import type { ChainTask } from './chain.ts';
import type { TaskCounters } from './counters.ts';
import type { ErrorPolicy } from './error-policy.ts';
import { GlobalTables } from './global-tables.ts';
import type { OutputBatch } from './outputs.ts';
import { Pauses } from './pauses.ts';
import { Retries, type RetryTold } from './retries.ts';
import { AsOfCommits, answerRows, type RowAnswer, type RowQuestion } from './row-answers.ts';
import { Task } from './task.ts';
import type { SourceProgress } from './task-clock.ts';
import type { PassingTime } from './task-options.ts';
import { keptTimeOf, type TaskTime } from './task-time.ts';
import type { TaskTimings, ThreadTime } from './timings.ts';
import { registeredTracer, type TracedRecord, Tracing, type TracingOptions } from './tracing.ts';

export interface HostConfig {
  readonly application: string;
  readonly stateDirectory: string;
  /** Budget of the clean cache of each task, in bytes, at most. */
  readonly cacheBytes: number;
  /** Memory of all tasks of the host, in bytes; default: all that state may have in the process. */
  readonly memoryBytes?: number;
  /** So many tasks share it, about; default 1. */
  readonly tasks?: number;
  /** When committed state is written to the backend; see state/saver.ts. */
  readonly saving?: Saving;
  /** A task stops taking records when this many bytes wait for its commit. */
  readonly dirtyBytesMax: number;
  readonly onError: ErrorPolicy;
  /** Partitions of every topic the topology writes, by name in the log. */
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly limits?: RecordLimits;
  /** See TracingOptions; default 1 000. */
  readonly traceEvery?: number | undefined;
}

export interface TaskAssignment {
  readonly taskId: string;
  readonly subTopology: number;
  readonly partition: number;
  /** Next offset of each source topic, by name in the log. */
  readonly positions: readonly TopicOffset[];
  /** Its last cycle could not be committed: for so many cycles it is careful (task.ts). */
  readonly careful?: number;
  /** How often the application was reset: state of before is another's. */
  readonly resets?: number;
}

export interface TopicOffset {
  readonly topic: string;
  readonly offset: number;
  /** How far the source's time has come, as time/watermark.ts writes it; '' or absent when nothing is known. */
  readonly time?: string | undefined;
  /** Records from the offset up to here wait for a witness of the first one's time. */
  readonly waitsTo?: number | undefined;
  /** The next record is judged by those after it, which are to be read with it. */
  readonly wants?: boolean | undefined;
}

export interface StorePosition {
  readonly store: string;
  /** Next changelog offset to restore. */
  readonly offset: number;
}

/** Where a store stands when its task is opened. */
export interface OpenedStore extends StorePosition {
  /** Id of the last commit that changed it; 0 before the first. */
  readonly commitId: number;
  /** When it last read its changelog, ms UTC. */
  readonly readAt: number;
  /** Why the task's state was wiped, when it was: it is to be restored whole. */
  readonly wiped?: string;
}

export interface TaskWork extends PassingTime {
  readonly taskId: string;
  readonly commitId: number;
  readonly batches: readonly { readonly topic: string; readonly image: ArrayBuffer }[];
  /** Source topics of which the log has no more records now. */
  readonly caughtUp: readonly string[];
  /** Wall time, ms UTC, where the log limits timestamps by it. */
  readonly now?: number;
  /** Wall time, ms UTC, by which timestamps that lie too far ahead are refused. */
  readonly wall?: number;
}

export interface TaskResult {
  readonly taskId: string;
  readonly outputs: readonly OutputBatch[];
  readonly changelogs: readonly { readonly store: string; readonly image: ArrayBuffer }[];
  /** Next offset to consume of each source topic; records after it were handed back. */
  readonly positions: readonly TopicOffset[];
  readonly streamTime: number;
  /** How far its time is, ms UTC; see time/watermark.ts. */
  readonly watermark: number;
  readonly sourceTimes: readonly SourceProgress[];
  /** What the task tells those downstream after its outputs: how far it is (ms UTC); NaN: its input has ended. */
  readonly promises: readonly number[];
  /** A record that waits to be tried again. */
  readonly retry?: RetryTold;
  readonly counters: TaskCounters;
  readonly timings: TaskTimings;
  /** Keys that were looked for in its state, and those of them that were not in memory. */
  readonly lookups: { readonly keys: number; readonly reads: number };
  /** Records that traces follow, some of them; absent where nobody traces. */
  readonly traced?: readonly TracedRecord[];
  /** What its state takes now. */
  readonly memory: TaskMemory;
}

/** A sampler of the SDK may take fewer. */
const defaultTraceEvery = 1_000;

interface OpenTask {
  /** How far its time was with each cycle that is not committed yet, and with the last that is. */
  readonly asOf: AsOfCommits;
  readonly state: TaskState;
  readonly task: Task;
  readonly part: SubTopology;
  readonly directory: string;
  readonly tracing: Tracing | undefined;
  /** Damage was found in its state, which goes when the task is closed. */
  isDamaged: boolean;
}

/** How far a task's time is: its watermark, or without one the greatest timestamp that it has taken in. */
function timeOf({ time, streamTime }: Task): number {
  return Number.isFinite(time.watermark) ? time.watermark : streamTime;
}

/** What the runtime asks of the thread that runs tasks; `TaskHost` is that thread's end. */
export interface HostPort {
  open(assignment: TaskAssignment): Promise<readonly OpenedStore[]>;
  /** Answers the id of the last commit that changed the store. @param now wall time, ms UTC */
  restore(taskId: string, store: string, image: ArrayBuffer, now: number): Promise<number>;
  reset(taskId: string, store: string): Promise<void>;
  applyGlobal(topic: string, image: ArrayBuffer): Promise<void>;
  process(work: TaskWork): Promise<TaskResult>;
  /** Answers how long it took, ms, without waiting for the thread. @param now wall time, ms UTC */
  commit(
    taskId: string,
    commitId: number,
    ends: readonly StorePosition[],
    now: number,
  ): Promise<number>;
  query(taskId: string, store: string, keyId?: string, limit?: number): Promise<StoreRow[]>;
  /** How far the task's time is. */
  timeOf(taskId: string): Promise<TaskTime>;
  /** Rows as they are committed, also while the task works. @throws STATE_AWAY when the task is not here */
  ask(taskId: string, question: RowQuestion): Promise<RowAnswer>;
  close(taskId: string): Promise<void>;
  closeAll(): Promise<void>;
}

export class TaskHost implements HostPort {
  readonly #topology: Topology;
  readonly #config: HostConfig;
  readonly #backends: BackendFactory;
  readonly #parts: readonly SubTopology[];
  readonly #times: readonly PartTime[];
  readonly #world: World;
  readonly #globals: GlobalTables;
  readonly #tasks = new Map<string, OpenTask>();
  readonly #retries = new Map<string, Retries>();
  readonly #threadTime: ThreadTime = { busyMs: 0 };
  readonly #pauses: Pauses;
  readonly #memory: MemoryBudget;

  /** @param world what steps see of the world outside */
  constructor(
    topology: Topology,
    config: HostConfig,
    backends: BackendFactory,
    world: World = systemWorld,
  ) {
    this.#world = world;
    this.#pauses = new Pauses(world.clock, world.scheduler);
    this.#topology = topology;
    this.#config = config;
    this.#backends = backends;
    const { memoryBytes = defaultMemoryBytes(), tasks = 1 } = config;
    this.#memory = new MemoryBudget(memoryBytes, tasks);
    this.#parts = subTopologies(topology);
    this.#times = timePlan(topology);
    this.#globals = new GlobalTables(topology.globals);
  }

  #retriesOf(taskId: string): Retries {
    const known = this.#retries.get(taskId) ?? new Retries();
    this.#retries.set(taskId, known);
    return known;
  }

  /** Opens a task's state and answers where each of its stores stands. */
  async open(assignment: TaskAssignment): Promise<readonly OpenedStore[]> {
    const { taskId, partition } = assignment;
    assert(!this.#tasks.has(taskId), () => `task ${taskId} is open already`);
    const part = must(this.#parts[assignment.subTopology], () => `no sub-topology for ${taskId}`);
    const directory = `${this.#config.stateDirectory}/${taskId}`;
    const { state, wiped } = await this.#openState(assignment, directory, part);
    const positions = new Map(assignment.positions.map(({ topic, offset }) => [topic, offset]));
    const times = new Map(assignment.positions.map(({ topic, time }) => [topic, time ?? '']));
    const tracer = registeredTracer();
    let tracing: Tracing | undefined;
    const trace = (one: ChainTask) => {
      tracing = new Tracing(one, must(tracer, 'a tracer'), this.#tracingOf(taskId, part));
      return tracing;
    };
    const task = new Task({
      ...this.#config,
      dirtyBytesMax: Math.min(this.#config.dirtyBytesMax, this.#memory.dirtyBytes),
      globals: this.#globals,
      world: this.#world,
      threadTime: this.#threadTime,
      pauses: this.#pauses,
      trace: tracer === undefined ? undefined : trace,
      topology: this.#topology,
      part,
      partition,
      state,
      retries: this.#retriesOf(taskId),
      positions,
      ...(assignment.careful === undefined ? {} : { careful: assignment.careful }),
      times,
      time: must(this.#times[part.id], 'a part has its time'),
      upstreamTasks: this.#upstreamTasks(part),
    });
    const asOf = new AsOfCommits(timeOf(task));
    this.#tasks.set(taskId, { state, task, part, directory, asOf, tracing, isDamaged: false });
    return part.stores.map(({ name }) => {
      const { position, commitId, readAt } = state.meta(name);
      const opened = { store: name, offset: position, commitId, readAt };
      return wiped === undefined ? opened : { ...opened, wiped };
    });
  }

  restore(taskId: string, store: string, image: ArrayBuffer, now: number): Promise<number> {
    return this.#guarded(taskId, async ({ state }) => {
      await state.restore(store, new PackedBatch(image), now);
      return state.meta(store).commitId;
    });
  }

  /** Takes records of a global table's topic in. */
  async applyGlobal(topic: string, image: ArrayBuffer): Promise<void> {
    this.#globals.apply(topic, new PackedBatch(image));
  }

  /** Empties a store, so that it can be restored from the start of its changelog. */
  reset(taskId: string, store: string): Promise<void> {
    return this.#guarded(taskId, ({ state }) => state.reset(store));
  }

  process(work: TaskWork): Promise<TaskResult> {
    return this.#guarded(work.taskId, (open) => this.#process(open, work));
  }

  async #process({ task, state, asOf, tracing }: OpenTask, work: TaskWork): Promise<TaskResult> {
    for (const { topic, image } of work.batches) {
      const queue = must(
        task.queues.find((q) => q.topic === topic),
        () => `task ${work.taskId} does not read ${topic}`,
      );
      queue.add(new PackedBatch(image));
    }
    for (const queue of task.queues) queue.caughtUp = work.caughtUp.includes(queue.topic);
    if (work.now !== undefined) task.now = work.now;
    task.reading.wall = work.wall;
    state.beginCycle(this.#pauses.isBusy);
    await task.run(work);
    const positions = task.queues.map(({ topic, position, end }) => {
      const time = task.time.textOf(topic);
      const waits = task.reading.undecided.has(topic);
      return {
        ...{ topic, offset: position },
        ...(time === '' ? {} : { time }),
        ...(waits ? { waitsTo: end } : {}),
        ...(task.reading.wants.has(topic) ? { wants: true } : {}),
      };
    });
    const sourceTimes = task.time.sources(task.reading.waiting);
    for (const queue of task.queues) queue.clear();
    const { clock } = this.#world;
    const begin = clock.monotonic();
    const changelogs = task
      .seal(work.commitId)
      .map(({ store, batch }) => ({ store, image: batch.image }));
    const changelog = clock.monotonic() - begin;
    this.#threadTime.busyMs += changelog;
    asOf.sealed(work.commitId, timeOf(task));
    const { outputs, counters, timings } = task.take();
    const retry = this.#retriesOf(work.taskId).take();
    return {
      taskId: work.taskId,
      outputs,
      changelogs,
      positions,
      streamTime: task.streamTime,
      promises: task.time.takePromises(),
      watermark: task.time.watermark,
      sourceTimes,
      ...(retry === undefined ? {} : { retry }),
      counters,
      timings: { ...timings, changelog },
      lookups: state.takeLookups(),
      memory: state.memory(),
      ...(tracing === undefined ? {} : { traced: tracing.takeTraced() }),
    };
  }

  /** Moves the task's state to what the log has committed; `ends` are changelog end offsets. */
  async commit(
    taskId: string,
    commitId: number,
    ends: readonly StorePosition[],
    now: number,
  ): Promise<number> {
    const { clock } = this.#world;
    const begin = clock.monotonic();
    const busyMs = this.#threadTime.busyMs;
    const byStore = new Map(ends.map(({ store, offset }) => [store, offset]));
    await this.#guarded(taskId, ({ state, asOf }) => {
      asOf.committed(commitId);
      return state.commit(commitId, byStore, now);
    });
    // While a write is waited for, the thread may work.
    return Math.max(0, clock.monotonic() - begin - (this.#threadTime.busyMs - busyMs));
  }

  /** Rows of a store or a view, in key order; of one key when its encoded id is given. */
  query(taskId: string, table: string, keyId?: string, limit?: number): Promise<StoreRow[]> {
    return this.#guarded(taskId, (open) => this.#rows(open, table, keyId, limit, false));
  }

  async timeOf(taskId: string): Promise<TaskTime> {
    const { task, part, state } = this.#task(taskId);
    const kept = (step: string) => keptTimeOf(step, this.#topology, part, state);
    return task.time.report(task.streamTime, kept);
  }

  async #rows(
    open: OpenTask,
    table: string,
    keyId: string | undefined,
    limit: number | undefined,
    newestOnly: boolean,
  ): Promise<StoreRow[]> {
    const { part, state } = open;
    const view = this.#topology.views.get(table);
    if (view === undefined || typeof view.rows === 'string') {
      if (part.stores.some((spec) => spec.name === table)) {
        return state.rows(table, keyId, limit, newestOnly);
      }
      const stores = part.stores.map((spec) => spec.name).join(', ');
      throw new MillraceError('STORE_UNKNOWN', { store: table, stores });
    }
    const inputs: StoreRow[][] = [];
    for (const one of view.of) {
      inputs.push(await this.#rows(open, one, keyId, undefined, newestOnly || view.newestOnly));
    }
    const rows = view.rows(inputs);
    return limit === undefined ? rows : rows.slice(0, limit);
  }

  async ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    if (!this.#tasks.has(taskId)) {
      const problem = `task ${taskId} is not open here`;
      throw new MillraceError('STATE_AWAY', { table: question.table, problem });
    }
    this.#pauses.asked();
    return this.#guarded(taskId, (open) => answerRows(this.#topology, open, question));
  }

  /** Closes a task; what was not committed is forgotten, and so is state that is damaged. */
  async close(taskId: string): Promise<void> {
    const { state, directory, isDamaged } = this.#task(taskId);
    this.#tasks.delete(taskId);
    if (isDamaged) {
      await state.abandon().catch(() => {});
      await this.#backends.destroy(directory);
      return;
    }
    try {
      await state.close();
    } catch (error) {
      // It is found again at the next start, and wiped then: the changelog has all of it.
      if (!isDamage(error)) throw error;
    }
  }

  async closeAll(): Promise<void> {
    for (const taskId of [...this.#tasks.keys()]) await this.close(taskId);
  }

  /** Opens a task's state. What is damaged, or another's, is wiped: the changelog has all of it. */
  async #openState(
    { taskId, resets = 0 }: TaskAssignment,
    directory: string,
    { stores: specs }: SubTopology,
  ): Promise<{ readonly state: TaskState; readonly wiped: string | undefined }> {
    const { application, cacheBytes, saving } = this.#config;
    const options = saving === undefined ? { cacheBytes } : { cacheBytes, saving };
    let wiped: string | undefined;
    for (;;) {
      let backend: NumberedBackend | undefined;
      try {
        const owner = `${application} ${taskId}${resets === 0 ? '' : ` ${resets}`}`;
        const { writeBufferBytes } = this.#memory;
        backend = await NumberedBackend.open(this.#backends, directory, owner, {
          writeBufferBytes,
        });
        const given = { task: taskId, directory, specs, backend, ...options };
        const state = await TaskState.open({ ...given, memory: this.#memory });
        return { state, wiped };
      } catch (error) {
        await backend?.close().catch(() => {});
        if (wiped !== undefined || !isDamage(error)) throw error;
        wiped = messageOf(error);
        await this.#backends.destroy(directory);
      }
    }
  }

  /** Damage that is met is STATE_CORRUPT with the task; its state goes when the task is closed. */
  async #guarded<T>(taskId: string, work: (open: OpenTask) => Promise<T>): Promise<T> {
    const open = this.#task(taskId);
    try {
      return await work(open);
    } catch (error) {
      if (!isDamage(error)) throw error;
      open.isDamaged = true;
      if (isMillraceError(error, 'STATE_CORRUPT')) throw error;
      const { directory } = open;
      const context = { task: taskId, store: '(any)', problem: messageOf(error), directory };
      throw new MillraceError('STATE_CORRUPT', context, { cause: error });
    }
  }

  #tracingOf(taskId: string, part: SubTopology): TracingOptions {
    const { traceEvery: every = defaultTraceEvery } = this.#config;
    const steps = part.nodes.flatMap((id) => {
      const node = this.#topology.nodes[id];
      return node?.type === 'step' && node.step.stores.length > 0 ? [node.step.name] : [];
    });
    return { taskId, stateful: new Set(steps), every };
  }

  /** Number of the tasks that write each source that tells, by the topic's logical name. */
  #upstreamTasks(part: SubTopology): ReadonlyMap<string, number> {
    const { application, partitionsOf } = this.#config;
    const tasks = new Map<string, number>();
    part.sources.forEach(({ topic }, i) => {
      const input = this.#times[part.id]?.inputs[i];
      if (input?.kind !== 'told') return;
      const source = must(this.#parts[input.part]?.sources[0], 'a part has a source');
      const node = this.#topology.nodes[source.node];
      const name =
        source.repartition && node?.type === 'step'
          ? repartitionTopic(application, node.step.name)
          : source.topic.name;
      tasks.set(
        topic.name,
        must(partitionsOf[name], () => `partitions of ${name} are unknown`),
      );
    });
    return tasks;
  }

  #task(taskId: string): OpenTask {
    return must(this.#tasks.get(taskId), () => `task ${taskId} is not open`);
  }
}

function isDamage(error: unknown): boolean {
  return isMillraceError(error, 'STORE_CORRUPT') || isMillraceError(error, 'STATE_CORRUPT');
}
