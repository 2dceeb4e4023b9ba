/**
 * The tasks of one thread. It runs in a worker or on the main thread, is controlled by method
 * calls, and accesses nothing outside except its state backends. Images are transferred: after
 * passing one, the caller must not use it again.
 */

import { assert, must } from '../base/assert.ts';
import type { CommitId } from '../base/commit-id.ts';
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import { defaultMemoryBytes } from '../base/memory.ts';
import { systemWorld, type World } from '../base/world.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import { type SubTopology, subTopologies } from '../graph/sub-topology.ts';
import { type PartTime, timePlan } from '../graph/time-plan.ts';
import { PackedBatch } from '../record/batch.ts';
import { MemoryBudget } from '../state/memory-budget.ts';
import type { TaskState } from '../state/task-state.ts';
import type { BackendFactory } from '../storage/backend.ts';
import type { ChainTask } from './chain-task.ts';
import { GlobalTables } from './global-tables.ts';
import type {
  HostConfig,
  HostPort,
  OpenedStore,
  StorePosition,
  TaskAssignment,
  TaskResult,
  TaskWork,
} from './host-port.ts';
import { isDamage, openState } from './open-state.ts';
import { Pauses } from './pauses.ts';
import { Retries } from './retries.ts';
import { AsOfCommits, answerRows, type RowAnswer, type RowQuestion } from './row-answers.ts';
import { rowsOf } from './table-rows.ts';
import { Task } from './task.ts';
import { keptTimeOf, type TaskTime } from './task-time.ts';
import type { ThreadTime } from './timings.ts';
import { registeredTracer, Tracing, tracingOptions } from './tracing.ts';
import { upstreamTasks } from './upstream-tasks.ts';

interface OpenTask {
  /** Its time at each uncommitted cycle, and at the last committed one. */
  readonly asOf: AsOfCommits;
  readonly state: TaskState;
  readonly task: Task;
  readonly part: SubTopology;
  readonly directory: string;
  readonly tracing: Tracing | undefined;
  /** True if damage was found in its state, which is deleted when the task is closed. */
  isDamaged: boolean;
}

/** A task's time: its watermark, or without one its greatest timestamp so far. */
function timeOf({ time, streamTime }: Task): number {
  return Number.isFinite(time.watermark) ? time.watermark : streamTime;
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

  /** @param world the outside services available to steps */
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

  /** Opens a task's state and returns the position of each of its stores. */
  async open(assignment: TaskAssignment): Promise<readonly OpenedStore[]> {
    const { taskId, partition } = assignment;
    const topology = this.#topology;
    const { traceEvery } = this.#config;
    assert(!this.#tasks.has(taskId), () => `task ${taskId} is open already`);
    const part = must(this.#parts[assignment.subTopology], () => `no sub-topology for ${taskId}`);
    const directory = `${this.#config.stateDirectory}/${taskId}`;
    const { state, wiped } = await openState(
      assignment,
      directory,
      part.stores,
      this.#config,
      this.#memory,
      this.#backends,
    );
    const positions = new Map(assignment.positions.map(({ topic, offset }) => [topic, offset]));
    const times = new Map(assignment.positions.map(({ topic, time }) => [topic, time ?? '']));
    const tracer = registeredTracer();
    let tracing: Tracing | undefined;
    const trace = (one: ChainTask) => {
      tracing = new Tracing(
        one,
        must(tracer, 'a tracer'),
        tracingOptions(taskId, topology, part, traceEvery),
      );
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
      topology,
      part,
      partition,
      state,
      retries: this.#retriesOf(taskId),
      positions,
      ...(assignment.careful === undefined ? {} : { careful: assignment.careful }),
      times,
      time: must(this.#times[part.id], 'a part has its time'),
      upstreamTasks: upstreamTasks(part, topology, this.#parts, this.#times, this.#config),
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

  /** Applies records of a global table's topic. */
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
    const begin = clock.monotonic() - this.#threadTime.busyMs;
    const changes = await this.#pauses.through(task.sealing(work.commitId));
    const changelogs = changes.map(({ store, batch }) => ({ store, image: batch.image }));
    const changelog = Math.max(0, clock.monotonic() - this.#threadTime.busyMs - begin);
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

  /** Acknowledges a commit to the task; `ends` are changelog end offsets. */
  async commit(
    taskId: string,
    commitId: CommitId,
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
    // While a write is in progress, the thread may work.
    return Math.max(0, clock.monotonic() - begin - (this.#threadTime.busyMs - busyMs));
  }

  /** Rows of a store or a view, in key order; of one key when its encoded id is given. */
  query(taskId: string, table: string, keyText?: string, limit?: number): Promise<StoreRow[]> {
    return this.#guarded(taskId, (open) =>
      rowsOf(this.#topology, open, table, keyText, limit, false),
    );
  }

  async timeOf(taskId: string): Promise<TaskTime> {
    const { task, part, state } = this.#task(taskId);
    const kept = (step: string) => keptTimeOf(step, this.#topology, part, state);
    return task.time.report(task.streamTime, kept);
  }

  async ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    if (!this.#tasks.has(taskId)) {
      const problem = `task ${taskId} is not open here`;
      throw new MillraceError('STATE_AWAY', { table: question.table, problem });
    }
    this.#pauses.asked();
    return this.#guarded(taskId, (open) => answerRows(this.#topology, open, question));
  }

  /** Closes a task; discards uncommitted changes, and deletes damaged state. */
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
      // The next start finds the damage again and wipes the state then.
      if (!isDamage(error)) throw error;
    }
  }

  async closeAll(): Promise<void> {
    for (const taskId of [...this.#tasks.keys()]) await this.close(taskId);
  }

  /** Reports damage as STATE_CORRUPT with the task, whose state is deleted when it is closed. */
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

  #task(taskId: string): OpenTask {
    return must(this.#tasks.get(taskId), () => `task ${taskId} is not open`);
  }
}
