/**
 * Detects idle source partitions: caught up, and silent for `idleAfter` on the monotonic clock.
 * While idle, a partition promises the wall clock minus that time. Without the setting it steps
 * aside after a while and promises nothing, so that the wall clock does not close windows of a
 * history that waits for its next file.
 */
import type { Clock } from '../base/clock.ts';
import type { SteadyClock } from '../time/steady-clock.ts';
import type { RunningTask } from './task-opener.ts';

/** Without a setting, time stops waiting for a partition that is silent for this long, ms. */
const asideAfterMs = 30_000;
/**
 * Bounds of the interval between promises of an idle partition, ms; the interval is a tenth of
 * `idleAfter`.
 */
const [promiseLeastMs, promiseMostMs] = [50, 500];

interface Silence {
  readonly since: number;
  /** Time of the last promise; -Infinity if there was none. */
  promisedAt: number;
}

export interface IdleTask {
  readonly task: RunningTask;
  readonly idle: readonly { readonly topic: string; readonly until: number | null }[];
}

/** Leaves out tasks that were reopened since: their silence is measured from the reopening. */
export function stillOpen(due: readonly IdleTask[], tasks: readonly RunningTask[]): IdleTask[] {
  const open = new Set(tasks);
  return due.filter(({ task }) => open.has(task));
}

export class IdleWatch {
  readonly #clock: Clock;
  readonly #wall: SteadyClock;
  readonly #idleAfterMs: number | undefined;
  readonly #silent = new Map<RunningTask, Map<string, Silence>>();

  /** @param idleAfterMs default for topics without the option */
  constructor(clock: Clock, wall: SteadyClock, idleAfterMs: number | undefined) {
    this.#clock = clock;
    this.#wall = wall;
    this.#idleAfterMs = idleAfterMs;
  }

  /**
   * Notes a read of a task's topic.
   * @param silent true if it is read to its end and returned nothing
   */
  noteRead(task: RunningTask, topic: string, silent: boolean): void {
    const topics = this.#silent.get(task) ?? new Map<string, Silence>();
    this.#silent.set(task, topics);
    if (!silent) topics.delete(topic);
    else if (!topics.has(topic)) {
      topics.set(topic, { since: this.#clock.monotonic(), promisedAt: Number.NEGATIVE_INFINITY });
    }
  }

  /** Notes that a task is not read, so none of its partitions is idle. */
  forget(task: RunningTask): void {
    this.#silent.delete(task);
  }

  /** The due promises of idle partitions. @param tasks running tasks */
  due(tasks: readonly RunningTask[]): IdleTask[] {
    const known = new Set(tasks);
    for (const task of this.#silent.keys()) if (!known.has(task)) this.#silent.delete(task);
    const now = this.#clock.monotonic();
    const wall = this.#wall.now();
    return tasks.flatMap((task): IdleTask[] => {
      const idle: { topic: string; until: number | null }[] = [];
      for (const [topic, silence] of this.#silent.get(task) ?? []) {
        const until = this.#promiseOf(task, topic, silence, now, wall);
        if (until !== undefined) idle.push({ topic, until });
      }
      return idle.length === 0 ? [] : [{ task, idle }];
    });
  }

  /** Undefined if the partition is not idle, or has just promised. */
  #promiseOf(
    { planned }: RunningTask,
    topic: string,
    silence: Silence,
    now: number,
    wall: number,
  ): number | null | undefined {
    const source = planned.time.inputs[planned.topics.indexOf(topic)];
    if (source?.kind === 'told' || source?.kind === 'free') return undefined;
    const own = source?.kind === 'source' ? source.idleAfterMs : undefined;
    const after = own ?? this.#idleAfterMs;
    const silentMs = now - silence.since;
    if (after === undefined) {
      if (silentMs < asideAfterMs || silence.promisedAt > Number.NEGATIVE_INFINITY)
        return undefined;
      silence.promisedAt = now;
      return null;
    }
    const every = Math.min(promiseMostMs, Math.max(promiseLeastMs, after / 10));
    if (silentMs < after || now - silence.promisedAt < every) return undefined;
    silence.promisedAt = now;
    return Math.max(0, wall - after);
  }
}
