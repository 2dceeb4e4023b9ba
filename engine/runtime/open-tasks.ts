/**
 * The hosts of this process and their tasks: opens tasks on the least loaded host, restores them
 * one after another on each host, closes them, and reopens them at their last commit.
 */
import { MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import type { Readable } from '../graph/view.ts';
import type { GroupOffset } from '../log/log.ts';
import type { HostPort } from '../task/host-port.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
import type { PlannedTask } from './start-plan.ts';
import type { RunningTask, TaskOpener } from './task-opener.ts';

/** Cycles for which a task is careful after one of its cycles was repeated; doubled each time. */
const [carefulFirst, carefulMost] = [64, 4_096];

interface Opening {
  stopped: boolean;
  done: Promise<void>;
}

interface HostSlot {
  readonly host: HostPort;
  tasks: number;
  /** The previous restore; restores run one after another. */
  tail: Promise<void>;
}

export interface OpenTasksOptions {
  readonly planned: readonly PlannedTask[];
  readonly opener: TaskOpener;
  readonly observer: Observer;
  /** Called for each task when it is open. */
  readonly onOpened: (taskId: string) => void;
}

export class OpenTasks {
  readonly #options: OpenTasksOptions;
  #slots: HostSlot[] = [];
  readonly #tasks = new Map<string, RunningTask & { readonly slot: HostSlot }>();
  readonly #opening = new Map<string, Opening>();
  /** The error of a failed opening. */
  #failure: { readonly error: unknown } | undefined;
  /** By task: the number of careful cycles at its next opening, and at its last one. */
  readonly #careful = new Map<string, number>();
  /** Changelog records that were applied to open the tasks. */
  restored = 0;

  constructor(options: OpenTasksOptions) {
    this.#options = options;
  }

  get hosts(): readonly HostPort[] {
    return this.#slots.map(({ host }) => host);
  }

  /** Opens tasks on these hosts from now on. */
  startOn(hosts: readonly HostPort[]): void {
    this.#slots = hosts.map((host) => ({ host, tasks: 0, tail: Promise.resolve() }));
  }

  /** The tasks that are open, in the order of the plan. */
  get running(): readonly RunningTask[] {
    return this.#options.planned.flatMap(({ taskId }) => this.#tasks.get(taskId) ?? []);
  }

  get isOpening(): boolean {
    return this.#opening.size > 0;
  }

  /** True if a task is open here, or about to be. */
  has(taskId: string): boolean {
    return this.#tasks.has(taskId) || this.#opening.has(taskId);
  }

  /** Resolves when the next task is open; never, if none is being opened. */
  nextOpened(): Promise<void> {
    return Promise.race([...this.#opening.values()].map(({ done }) => done));
  }

  /** Waits until no task is being opened; throws an error of an opening once. */
  async allOpen(): Promise<void> {
    while (this.#opening.size > 0) {
      await Promise.all([...this.#opening.values()].map(({ done }) => done));
    }
    this.throwFailure();
  }

  /** Throws the error of an opening once. */
  throwFailure(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  /** Begins to open a task, unless it is open or being opened. */
  open(planned: PlannedTask): void {
    if (this.has(planned.taskId)) return;
    const slot = this.#slots.reduce((least, one) => (one.tasks < least.tasks ? one : least));
    this.#startOpening(planned, slot);
  }

  async close(taskId: string): Promise<void> {
    const opening = this.#opening.get(taskId);
    if (opening !== undefined) {
      opening.stopped = true;
      await opening.done;
    }
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    this.#tasks.delete(taskId);
    task.slot.tasks--;
    await task.host.close(taskId);
    this.#told();
  }

  /** Closes all tasks and leaves the hosts; discards uncommitted work. */
  async leaveHosts(): Promise<void> {
    const slots = this.#slots;
    this.#slots = [];
    await this.#closeAll(slots);
  }

  /**
   * Closes all tasks, to reopen them on the same hosts.
   * @param careful a task whose cycle could not be committed; other tasks with the same steps may
   * fail the same way
   */
  async closeAll(careful: string): Promise<void> {
    const before = this.#careful.get(careful);
    const next = before === undefined ? carefulFirst : Math.min(2 * before, carefulMost);
    const { planned } = this.#options;
    const part = planned.find(({ taskId }) => taskId === careful)?.subTopology;
    for (const { taskId, subTopology } of planned) {
      if (subTopology === part) this.#careful.set(taskId, next);
    }
    await this.#closeAll(this.#slots);
    this.startOn(this.hosts);
  }

  /** Closes tasks; ignores errors of dead hosts. */
  async #closeAll(slots: readonly HostSlot[]): Promise<void> {
    for (const opening of this.#opening.values()) opening.stopped = true;
    await Promise.all([...this.#opening.values()].map(({ done }) => done));
    this.#tasks.clear();
    this.#told();
    this.#failure = undefined;
    for (const { host } of slots) {
      await host.closeAll().catch((error: unknown) => {
        if (!(error instanceof MillraceError && error.code === 'WORKER_FAILED')) throw error;
      });
    }
  }

  /**
   * The read positions of the tasks, before or after records that wait for a witness of their time.
   */
  positions(side: 'before what waits' | 'past what waits' = 'before what waits'): GroupOffset[] {
    return [...this.#tasks.values()].flatMap(({ planned: { partition }, positions, undecided }) =>
      [...positions].map(([topic, position]) => {
        const waitsTo = side === 'past what waits' ? undecided.get(topic) : undefined;
        return { topic, partition, offset: waitsTo ?? position };
      }),
    );
  }

  /** Rows of a table over the tasks that have its store. */
  async query({ table, store }: Readable, keyText?: string, limit?: number): Promise<StoreRow[]> {
    const rows: StoreRow[] = [];
    for (const task of this.running) {
      if (!task.planned.stores.includes(store)) continue;
      rows.push(...(await task.host.query(task.planned.taskId, table, keyText, limit)));
    }
    return rows;
  }

  /** As HostPort.ask; also STATE_AWAY while the task is being opened or restored. */
  async ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    const task = this.#tasks.get(taskId);
    if (task === undefined) {
      const problem = this.#opening.has(taskId)
        ? `task ${taskId} is being restored here`
        : `task ${taskId} is not open here`;
      throw new MillraceError('STATE_AWAY', { table: question.table, problem });
    }
    const answer = await task.host.ask(taskId, question);
    // Restored rows belong to a commit that was not acknowledged to the host.
    return answer.commit >= task.commitId ? answer : { ...answer, commit: task.commitId };
  }

  #startOpening(planned: PlannedTask, slot: HostSlot): void {
    const { taskId } = planned;
    const { opener, onOpened } = this.#options;
    slot.tasks++;
    const stopped = () => this.#opening.get(taskId)?.stopped === true;
    const { tail } = slot;
    const open = async () => {
      try {
        const careful = this.#careful.get(taskId);
        const opened = await opener.open(planned, slot.host, stopped, tail, careful);
        this.restored += opened?.restored ?? 0;
        if (opened === undefined) slot.tasks--;
        else {
          this.#tasks.set(taskId, { ...opened.task, slot });
          onOpened(taskId);
        }
      } catch (error) {
        this.#failure ??= { error };
      } finally {
        this.#opening.delete(taskId);
        this.#told();
      }
    };
    const opening = { stopped: false, done: Promise.resolve() };
    this.#opening.set(taskId, opening);
    opening.done = open();
    slot.tail = Promise.all([tail, opening.done]).then(() => {});
    this.#told();
  }

  #told(): void {
    const [open, opening] = [this.#tasks.size, this.#opening.size];
    this.#options.observer.on('assignmentChanged', { open, opening });
  }
}
