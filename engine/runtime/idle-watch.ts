/**
 * Which source partitions are idle: caught up, and silent for so long on the monotonic clock. One
 * that is idle promises the wall clock less that time, for as long as it stays so; without a
 * setting it steps aside after a while and promises nothing, so that a history that waits for its
 * next file is not closed by the wall clock.
 */
import type { Clock } from '../base/clock.ts';
import type { SteadyClock } from '../time/steady-clock.ts';
import type { RunningTask } from './task-opener.ts';

/** Where nothing is set, a partition that is silent for so long is waited for no more, ms. */
const asideAfterMs = 30_000;
/**
 * Between two promises of an idle partition, ms: a tenth of the time that makes it idle, within
 * these.
 */
const [promiseLeastMs, promiseMostMs] = [50, 500];

interface Silence {
  readonly since: number;
  /** When it promised last; -Infinity when it has not. */
  promisedAt: number;
}

export interface IdleTask {
  readonly task: RunningTask;
  readonly idle: readonly { readonly topic: string; readonly until: number | null }[];
}

/**
 * Without tasks that were opened anew since: of theirs, time tells when they have been silent in
 * their turn.
 */
export function stillOpen(due: readonly IdleTask[], tasks: readonly RunningTask[]): IdleTask[] {
  const open = new Set(tasks);
  return due.filter(({ task }) => open.has(task));
}

export class IdleWatch {
  readonly #clock: Clock;
  readonly #wall: SteadyClock;
  readonly #idleAfterMs: number | undefined;
  readonly #silent = new Map<RunningTask, Map<string, Silence>>();

  /** @param idleAfterMs of topics that do not say */
  constructor(clock: Clock, wall: SteadyClock, idleAfterMs: number | undefined) {
    this.#clock = clock;
    this.#wall = wall;
    this.#idleAfterMs = idleAfterMs;
  }

  /** A topic of a task was read. @param silent it is read to its end, and nothing was there */
  noteRead(task: RunningTask, topic: string, silent: boolean): void {
    const topics = this.#silent.get(task) ?? new Map<string, Silence>();
    this.#silent.set(task, topics);
    if (!silent) topics.delete(topic);
    else if (!topics.has(topic)) {
      topics.set(topic, { since: this.#clock.monotonic(), promisedAt: Number.NEGATIVE_INFINITY });
    }
  }

  /** A task is not read: nothing of it is idle. */
  forget(task: RunningTask): void {
    this.#silent.delete(task);
  }

  /** What idle partitions have to say now. @param tasks that run */
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

  /** Undefined: it is not idle, or has promised just now. */
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
