/**
 * Follows the membership: a task is opened when all its source partitions are assigned, and closed
 * when one of them is taken away. Tasks open beside the running ones (open-tasks.ts).
 */

import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { GroupOffset, Log, TopicPartition } from '../log/log.ts';
import type { AssignmentChange, Member } from '../log/member.ts';
import { keyOf } from '../log/partition-key.ts';
import type { StepHook } from '../task/commit.ts';
import type { HostConfig, HostPort } from '../task/host-port.ts';
import { commitModelOf } from './commit-model.ts';
import { GlobalFeed } from './global-feed.ts';
import { firstUnread } from './group-lag.ts';
import { OpenTasks } from './open-tasks.ts';
import type { Plan, PlannedTask } from './start-plan.ts';
import { type OffsetLost, type Position, type RunningTask, TaskOpener } from './task-opener.ts';

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
  /** Called for each task when it is open. */
  readonly onOpened: (taskId: string) => void;
  readonly at: StepHook | undefined;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
}

/** How long an assignment may arrive in parts, ms. */
const colocateWithinMs = 60_000;
/**
 * Longer than the session timeout that a group waits for when a member died (brokers' default 45
 * s), ms.
 */
const awaitedAfterMs = 60_000;

export class Assignment {
  readonly #options: AssignmentOptions;
  readonly #globals: GlobalFeed;
  readonly #opener: TaskOpener;
  /** The tasks whose partitions are all assigned to this process. */
  readonly openTasks: OpenTasks;
  readonly #owned = new Map<string, TopicPartition>();
  /**
   * A change that is not acknowledged to the member yet: the steps before that may fail and are
   * retried.
   */
  #change: AssignmentChange | undefined;
  /** Assigned partitions without a committed offset when they were assigned. */
  readonly #started = new Set<string>();
  /** Revoked partitions, until it was checked that their topics still exist. */
  #taken: TopicPartition[] = [];
  #assignedOnce = false;
  /** Since when the first assignment is awaited, or when this was last reported. */
  #awaitedSince: number;
  /** Since when topics that are read together are assigned to different members. */
  #apartSince: number | undefined;

  constructor(options: AssignmentOptions) {
    this.#options = options;
    this.#awaitedSince = options.clock.monotonic();
    this.#opener = new TaskOpener({ ...options, shared: commitModelOf(options.member).hasOthers });
    this.openTasks = new OpenTasks({ ...options, opener: this.#opener });
    this.#globals = new GlobalFeed(
      options.log,
      options.member,
      options.config.application,
      options.globals,
    );
  }

  /** Feeds new records to the global tables; returns their number. */
  feedGlobals(): Promise<number> {
    return this.#globals.next(this.openTasks.hosts);
  }

  /** Positions of the global tables, to be committed with the work that used them. */
  get globalOffsets(): readonly GroupOffset[] {
    return this.#globals.offsets;
  }

  /** The tasks that are open, in the order of the plan. */
  get tasks(): readonly RunningTask[] {
    return this.openTasks.running;
  }

  /** True while tasks are being opened. */
  get isOpening(): boolean {
    return !this.#assignedOnce || this.openTasks.isOpening;
  }

  /** Starts hosts and opens every task whose partitions are already assigned. */
  async start(): Promise<void> {
    const hosts = await this.#options.startHosts(this.#options.config);
    this.openTasks.startOn(hosts);
    await this.#globals.load(hosts);
    this.#openOwned();
  }

  /** Closes every task; discards uncommitted work. */
  close(): Promise<void> {
    return this.openTasks.leaveHosts();
  }

  /**
   * Opens every task again at its last commit, on the same hosts.
   * @param careful see `OpenTasks.closeAll`
   */
  async reopen(careful: string): Promise<void> {
    await this.openTasks.closeAll(careful);
    this.#openOwned();
  }

  /** Handles changes of the membership. If there is one, nothing may be uncommitted. */
  async follow(): Promise<void> {
    for (;;) {
      this.openTasks.throwFailure();
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

  /**
   * Call after a cycle without work: false if records for a task of this process may still arrive.
   */
  async caughtUp(): Promise<boolean> {
    if (!commitModelOf(this.#options.member).hasOthers) return true;
    if (this.isOpening) return false;
    const lags = await this.#options.member.lag(this.openTasks.positions('past what waits'));
    return lags.every((records) => records === 0);
  }

  /**
   * The same for the whole group: unfinished work of other members may lead to records for tasks of
   * this process. Checks upstream first, so that records written meanwhile are seen downstream.
   */
  async groupCaughtUp(): Promise<boolean> {
    const { log, config, planned } = this.#options;
    if (!(await this.caughtUp())) return false;
    const elsewhere = planned
      .flatMap(({ topics, partition }) => topics.map((topic) => ({ topic, partition })))
      .filter(({ topic, partition }) => !this.#owned.has(keyOf({ topic, partition })));
    if (elsewhere.length === 0) return true;
    if ((await firstUnread(log, config.application, elsewhere)) !== undefined) return false;
    return this.caughtUp();
  }

  /** Records that wait in the topics the tasks read. */
  async lag(): Promise<PartitionLag[]> {
    const positions = this.openTasks.positions();
    const lags = await this.#options.member.lag(positions);
    return positions.map(({ topic, partition }, i) => ({
      topic,
      partition,
      records: lags[i] ?? 0,
    }));
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
    const sources = change.partitions.filter(({ topic }) => read.has(topic));
    const find = () =>
      Promise.all(sources.map(async (at) => ({ ...at, ...(await this.#opener.position(at)) })));
    let positions = await find();
    if (await this.#areStale(positions)) positions = await find();
    // Another member may have them by now.
    if (change.holds?.() === false) return;
    for (const at of change.partitions) this.#owned.set(keyOf(at), at);
    await change.answer(
      positions.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
    );
    this.#assignedOnce = true;
    this.#openOwned();
  }

  /** Checks the tasks of whose sources none has a committed offset; true if there is one now. */
  async #areStale(positions: readonly (TopicPartition & Position)[]): Promise<boolean> {
    if (!commitModelOf(this.#options.member).hasOthers) return false;
    for (const { topic, partition, isStart } of positions) {
      const key = keyOf({ topic, partition });
      if (isStart === true) this.#started.add(key);
      else this.#started.delete(key);
    }
    const isGiven = new Set(positions.map(keyOf));
    const tasks = this.#options.planned.filter(({ topics, partition }) => {
      const keys = topics.map((topic) => keyOf({ topic, partition }));
      return keys.every((key) => this.#started.has(key)) && keys.some((key) => isGiven.has(key));
    });
    for (const task of tasks) if (await this.#opener.isBehind(task)) return true;
    return false;
  }

  async #revoked(change: AssignmentChange): Promise<void> {
    const { at } = this.#options;
    await at?.('stop-reading');
    for (const { topic, partition } of change.partitions) {
      this.#owned.delete(keyOf({ topic, partition }));
      this.#started.delete(keyOf({ topic, partition }));
    }
    await at?.('close-tasks');
    for (const { taskId, topics, partition } of this.#options.planned) {
      if (topics.every((topic) => this.#owned.has(keyOf({ topic, partition })))) continue;
      await this.openTasks.close(taskId);
    }
    await at?.('let-go');
    await change.answer([]);
    this.#taken.push(...change.partitions);
  }

  /**
   * Checks revoked partitions: they are also revoked if their topic is deleted, and then no member
   * gets them.
   */
  async #checkThere(): Promise<void> {
    if (this.#taken.length === 0) return;
    const there = new Set((await this.#options.log.topics()).map(({ name }) => name));
    const deleted = this.#taken.find(({ topic }) => !there.has(topic));
    this.#taken = [];
    if (deleted !== undefined) throw new MillraceError('TOPIC_DELETED', { topic: deleted.topic });
  }

  #openOwned(): void {
    for (const planned of this.#options.planned) {
      const { topics, partition } = planned;
      if (topics.every((topic) => this.#owned.has(keyOf({ topic, partition }))))
        this.openTasks.open(planned);
    }
  }

  /**
   * Checks the number of partitions: state and repartition topics only match the number they were
   * created for.
   */
  #checkPlanned({ topic, partition }: TopicPartition): void {
    const planned = this.#options.config.partitionsOf[topic] ?? 0;
    if (partition < planned) return;
    throw new MillraceError('TOPIC_GREW', { topic, planned, actual: partition + 1 });
  }

  /**
   * Partitions that are read together must be assigned together; range assignment guarantees that
   * for topics of equal width. An assignment may arrive in steps, so it is an error only if they
   * stay apart.
   */
  #checkColocated(): void {
    const { planned, clock } = this.#options;
    const apart = planned.find(({ topics, partition }) => {
      const here = topics.filter((topic) => this.#owned.has(keyOf({ topic, partition }))).length;
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
}
