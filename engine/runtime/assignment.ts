/**
 * The tasks that run here and the hosts that run them. It follows the membership: a task is opened when
 * all its source partitions are assigned, and closed when one of them is taken away. Tasks open beside
 * the running ones; on each host they are restored one after another.
 */
import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import type { Readable } from '../graph/view.ts';
import type { GroupOffset, Log, TopicPartition } from '../log/log.ts';
import type { AssignmentChange, Member } from '../log/member.ts';
import type { StepHook } from '../task/commit.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
import type { HostConfig, HostPort } from '../task/task-host.ts';
import { GlobalFeed } from './global-feed.ts';
import { firstUnread } from './group-lag.ts';
import type { Plan, PlannedTask } from './plan.ts';
import { type OffsetLost, type RunningTask, TaskOpener } from './task-opener.ts';

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly records: number;
}

export interface AssignmentOptions {
  readonly log: Log;
  readonly member: Member;
  readonly config: HostConfig;
  readonly planned: readonly PlannedTask[];
  readonly globals: Plan['globals'];
  readonly startHosts: (config: HostConfig) => Promise<readonly HostPort[]>;
  readonly onOffsetLost: OffsetLost;
  /** How often the application was reset. */
  readonly resets: number;
  /** Told of each task that is open. */
  readonly onOpened: (taskId: string) => void;
  readonly at: StepHook | undefined;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

/** How long the parts of an assignment may take to come, ms. */
const colocateWithinMs = 60_000;
/** Longer than sessions last, which a group waits for when a member died: 45 s by the brokers' default. */
const awaitedAfterMs = 60_000;

/** Cycles for which a task is careful after one of its cycles was repeated; doubled each time. */
const [carefulFirst, carefulMost] = [64, 4_096];

interface Opening {
  stopped: boolean;
  done: Promise<void>;
}

interface HostSlot {
  readonly host: HostPort;
  tasks: number;
  /** The restore before; they follow one another. */
  tail: Promise<void>;
}

export class Assignment {
  readonly #options: AssignmentOptions;
  readonly #globals: GlobalFeed;
  readonly #opener: TaskOpener;
  #hosts: HostSlot[] = [];
  readonly #tasks = new Map<string, RunningTask & { readonly slot: HostSlot }>();
  readonly #opening = new Map<string, Opening>();
  readonly #owned = new Map<string, TopicPartition>();
  /** Taken of the member and not answered yet: what the answer needs may fail, and is tried again. */
  #change: AssignmentChange | undefined;
  /** Partitions that were taken away, as long as nobody has asked whether their topics are still there. */
  #taken: TopicPartition[] = [];
  #assignedOnce = false;
  /** Since when the first assignment is waited for, or this was told last. */
  #awaitedSince: number;
  /** Since when topics that are read together are assigned to different members. */
  #apartSince: number | undefined;
  /** What an opening failed of; the next look at the membership throws it. */
  #failure: { readonly error: unknown } | undefined;
  /** By task: for how many cycles it is to be careful when it is opened next, and was last. */
  readonly #careful = new Map<string, number>();
  /** Changelog records that were applied to open the tasks. */
  restored = 0;

  constructor(options: AssignmentOptions) {
    this.#options = options;
    this.#awaitedSince = options.clock.monotonic();
    this.#opener = new TaskOpener({ ...options, shared: !options.member.sole });
    this.#globals = new GlobalFeed(
      options.log,
      options.member,
      options.config.application,
      options.globals,
    );
  }

  /** Takes in what is new for the global tables; answers how many records. */
  feedGlobals(): Promise<number> {
    return this.#globals.next(this.#hosts.map(({ host }) => host));
  }

  /** How far the global tables are, to be committed with what was read with them. */
  get globalOffsets(): readonly GroupOffset[] {
    return this.#globals.offsets;
  }

  /** The tasks that are open, in the order of the plan. */
  get tasks(): readonly RunningTask[] {
    return this.#options.planned.flatMap(({ taskId }) => this.#tasks.get(taskId) ?? []);
  }

  /** Tasks are still to come. */
  get isOpening(): boolean {
    return !this.#assignedOnce || this.#opening.size > 0;
  }

  /** Until the next task is open, where one is being opened; else for ever. */
  nextOpened(): Promise<void> {
    return Promise.race([...this.#opening.values()].map(({ done }) => done));
  }

  get threads(): number {
    return this.#hosts.length;
  }

  /** Starts hosts and opens every task whose partitions are assigned already. */
  async open(): Promise<void> {
    const hosts = await this.#options.startHosts(this.#options.config);
    this.#hosts = hosts.map((host) => ({ host, tasks: 0, tail: Promise.resolve() }));
    await this.#globals.load(hosts);
    this.#openOwned();
  }

  /** Answers what the membership has to say. When it has a change, nothing may be uncommitted. */
  async follow(): Promise<void> {
    for (;;) {
      this.#throwFailure();
      const change = this.#change ?? this.#nextChange();
      if (change === undefined) {
        await this.#checkThere();
        this.#checkColocated();
        this.#tellAwaited();
        return;
      }
      if (change.kind === 'assigned') await this.#assigned(change);
      else await this.#revoked(change);
      this.#change = undefined;
    }
  }

  /** After a cycle without work: false where records may be on their way to a task that runs here. */
  async caughtUp(): Promise<boolean> {
    if (this.#options.member.sole) return true;
    if (this.isOpening) return false;
    const lags = await this.#options.member.lag(this.#positions('past what waits'));
    return lags.every((records) => records === 0);
  }

  /**
   * The same of the whole group: what others have not done yet, or have left undone, may come to a task
   * that runs here. Upstream first, so that what others write meanwhile is seen further down.
   */
  async groupCaughtUp(): Promise<boolean> {
    const { log, config, planned } = this.#options;
    if (!(await this.caughtUp())) return false;
    const elsewhere = planned
      .flatMap(({ topics, partition }) => topics.map((topic) => ({ topic, partition })))
      .filter(({ topic, partition }) => !this.#owned.has(`${topic}/${partition}`));
    if (elsewhere.length === 0) return true;
    if ((await firstUnread(log, config.application, elsewhere)) !== undefined) return false;
    return this.caughtUp();
  }

  /** Waits until every task that can be opened is. */
  async settled(): Promise<void> {
    while (this.#opening.size > 0) {
      await Promise.all([...this.#opening.values()].map(({ done }) => done));
    }
    this.#throwFailure();
  }

  /** Closes every task; what was not committed is forgotten. Errors of dead hosts are of no interest. */
  async close(): Promise<void> {
    const hosts = this.#hosts;
    this.#hosts = [];
    await this.#closeTasks(hosts);
  }

  /**
   * Opens every task again at its last commit, on the same hosts.
   * @param careful task whose cycle could not be committed; what it met, others of its steps will meet
   */
  async reopen(careful: string): Promise<void> {
    const before = this.#careful.get(careful);
    const next = before === undefined ? carefulFirst : Math.min(2 * before, carefulMost);
    const { planned } = this.#options;
    const part = planned.find(({ taskId }) => taskId === careful)?.subTopology;
    for (const { taskId, subTopology } of planned) {
      if (subTopology === part) this.#careful.set(taskId, next);
    }
    await this.#closeTasks(this.#hosts);
    this.#hosts = this.#hosts.map(({ host }) => ({ host, tasks: 0, tail: Promise.resolve() }));
    this.#openOwned();
  }

  async #closeTasks(hosts: readonly HostSlot[]): Promise<void> {
    for (const opening of this.#opening.values()) opening.stopped = true;
    await Promise.all([...this.#opening.values()].map(({ done }) => done));
    this.#tasks.clear();
    this.#told();
    this.#failure = undefined;
    for (const { host } of hosts) {
      await host.closeAll().catch((error: unknown) => {
        if (!(error instanceof MillraceError && error.code === 'WORKER_FAILED')) throw error;
      });
    }
  }

  /** Records that wait in the topics the tasks read. */
  async lag(): Promise<PartitionLag[]> {
    const positions = this.#positions();
    const lags = await this.#options.member.lag(positions);
    return positions.map(({ topic, partition }, i) => ({
      topic,
      partition,
      records: lags[i] ?? 0,
    }));
  }

  /** Where the tasks read on; of records that wait for a witness of their time, before or past them. */
  #positions(side: 'before what waits' | 'past what waits' = 'before what waits'): GroupOffset[] {
    return [...this.#tasks.values()].flatMap(({ planned: { partition }, positions, undecided }) =>
      [...positions].map(([topic, position]) => {
        const waitsTo = side === 'past what waits' ? undecided.get(topic) : undefined;
        return { topic, partition, offset: waitsTo ?? position };
      }),
    );
  }

  /** Rows of a table over the tasks that hold its store. */
  async query({ table, store }: Readable, keyId?: string, limit?: number): Promise<StoreRow[]> {
    const rows: StoreRow[] = [];
    for (const task of this.tasks) {
      if (!task.planned.stores.includes(store)) continue;
      rows.push(...(await task.host.query(task.planned.taskId, table, keyId, limit)));
    }
    return rows;
  }

  /** As HostPort.ask; STATE_AWAY, too, while the task is opened or restored. */
  async ask(taskId: string, question: RowQuestion): Promise<RowAnswer> {
    const task = this.#tasks.get(taskId);
    if (task === undefined) {
      const problem = this.#opening.has(taskId)
        ? `task ${taskId} is being restored here`
        : `task ${taskId} is not open here`;
      throw new MillraceError('STATE_AWAY', { table: question.table, problem });
    }
    const answer = await task.host.ask(taskId, question);
    // What was restored belongs to a commit that the host has not heard of.
    return answer.commit >= task.commitId ? answer : { ...answer, commit: task.commitId };
  }

  /** Whether a task is open here, or about to be. */
  has(taskId: string): boolean {
    return this.#tasks.has(taskId) || this.#opening.has(taskId);
  }

  #nextChange(): AssignmentChange | undefined {
    const change = this.#options.member.takeChange();
    if (change === undefined) return undefined;
    const { kind, partitions } = change;
    this.#options.observer.on('partitionsMoved', { kind, count: partitions.length });
    this.#change = change;
    return change;
  }

  async #assigned(change: AssignmentChange): Promise<void> {
    for (const at of change.partitions) this.#checkPlanned(at);
    const read = new Set(this.#options.planned.flatMap(({ topics }) => topics));
    const positions = await Promise.all(
      change.partitions
        .filter(({ topic }) => read.has(topic))
        .map(async (at) => ({ ...at, offset: (await this.#opener.position(at)).offset })),
    );
    // Another member may have them by now.
    if (change.holds?.() === false) return;
    for (const at of change.partitions) this.#owned.set(`${at.topic}/${at.partition}`, at);
    await change.answer(positions);
    this.#assignedOnce = true;
    this.#openOwned();
  }

  async #revoked(change: AssignmentChange): Promise<void> {
    const { at } = this.#options;
    await at?.('R1');
    for (const { topic, partition } of change.partitions) {
      this.#owned.delete(`${topic}/${partition}`);
    }
    await at?.('R5');
    for (const { taskId, topics, partition } of this.#options.planned) {
      if (topics.every((topic) => this.#owned.has(`${topic}/${partition}`))) continue;
      await this.#closeTask(taskId);
    }
    await at?.('R6');
    await change.answer([]);
    this.#taken.push(...change.partitions);
  }

  /** Partitions are also taken away when their topic is deleted: nobody else gets them then. */
  async #checkThere(): Promise<void> {
    if (this.#taken.length === 0) return;
    const there = new Set((await this.#options.log.topics()).map(({ name }) => name));
    const deleted = this.#taken.find(({ topic }) => !there.has(topic));
    this.#taken = [];
    if (deleted !== undefined) throw new MillraceError('TOPIC_DELETED', { topic: deleted.topic });
  }

  async #closeTask(taskId: string): Promise<void> {
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

  #openOwned(): void {
    for (const planned of this.#options.planned) {
      const { taskId, topics, partition } = planned;
      if (this.#tasks.has(taskId) || this.#opening.has(taskId)) continue;
      if (!topics.every((topic) => this.#owned.has(`${topic}/${partition}`))) continue;
      const slot = this.#hosts.reduce((least, one) => (one.tasks < least.tasks ? one : least));
      this.#startOpening(planned, slot);
    }
  }

  #startOpening(planned: PlannedTask, slot: HostSlot): void {
    const { taskId } = planned;
    slot.tasks++;
    const stopped = () => this.#opening.get(taskId)?.stopped === true;
    const { tail } = slot;
    const open = async () => {
      try {
        const careful = this.#careful.get(taskId);
        const opened = await this.#opener.open(planned, slot.host, stopped, tail, careful);
        this.restored += opened?.restored ?? 0;
        if (opened === undefined) slot.tasks--;
        else {
          this.#tasks.set(taskId, { ...opened.task, slot });
          this.#options.onOpened(taskId);
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

  /** State and repartition topics are bound to the number of partitions they were made for. */
  #checkPlanned({ topic, partition }: TopicPartition): void {
    const planned = this.#options.config.partitionsOf[topic] ?? 0;
    if (partition < planned) return;
    throw new MillraceError('TOPIC_GREW', { topic, planned, actual: partition + 1 });
  }

  /**
   * Partitions that are read together must be given together; range assignment promises it to topics of
   * equal width. An assignment may come in steps, so only what stays apart is an error.
   */
  #checkColocated(): void {
    const { planned, clock } = this.#options;
    const apart = planned.find(({ topics, partition }) => {
      const here = topics.filter((topic) => this.#owned.has(`${topic}/${partition}`)).length;
      return here > 0 && here < topics.length;
    });
    if (apart === undefined) {
      this.#apartSince = undefined;
      return;
    }
    const now = clock.monotonic();
    this.#apartSince ??= now;
    if (now - this.#apartSince < colocateWithinMs) return;
    const { partition, topics } = apart;
    throw new MillraceError('NOT_COLOCATED', { partition, topics: topics.join(', ') });
  }

  #tellAwaited(): void {
    const { clock, observer } = this.#options;
    const waitedMs = clock.monotonic() - this.#awaitedSince;
    if (this.#assignedOnce || waitedMs < awaitedAfterMs) return;
    this.#awaitedSince = clock.monotonic();
    observer.on('assignmentAwaited', { waitedMs });
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }
}
