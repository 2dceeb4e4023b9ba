/**
 * Where the time of a cycle goes: stages that follow each other and add up to it, also where the
 * next cycle works while it commits; but work that a task began ahead counts in the cycle it is of,
 * too. Of tasks that run side by side the thread that takes longest counts, for it is what the
 * cycle waits for.
 */
import type { Commit, CommitPhase } from '../log/log.ts';
import type { Step, StepHook } from '../task/commit.ts';
import type { HostPort, TaskResult } from '../task/host-port.ts';

/**
 * hold: the rest of the commit interval before the cycle. fetch: waiting for the readers.
 * hand-over: to the threads and back, and waiting for them. load, decode, steps, changelog: see
 * task/timings.ts. turn: waiting for the commit before, and for threads that are at the next
 * cycle's work to hear of this one's. append: outputs and changelogs written to the log.
 * transaction: offsets and the end of it. state: tasks told of the commit.
 */
export const stageNames = [
  'hold',
  'fetch',
  'hand-over',
  'load',
  'decode',
  'steps',
  'changelog',
  'turn',
  'append',
  'transaction',
  'state',
] as const;
export type StageName = (typeof stageNames)[number];
/** In these a cycle waits while others work: no time of theirs is the records'. */
export const waitingStages: ReadonlySet<StageName> = new Set(['hold', 'turn']);
/** ms by stage. */
export type Stages = Readonly<Record<StageName, number>>;

/** The step of a commit that each phase of the log's is. */
const stepOf = {
  append: 'C4',
  flush: 'C5',
  offsets: 'C6',
  commit: 'C7',
} as const satisfies Readonly<Record<CommitPhase, Step>>;

/** Notes the instants at which a cycle passes from one stage to the next. */
export class StageClock {
  readonly #now: () => number;
  readonly #holdMs: number;
  readonly #begin: number;
  #fetched = 0;
  #processed = 0;
  #committing = 0;
  #appended: number | undefined;
  #committed = 0;

  /** @param now monotonic, ms */
  constructor(now: () => number, holdMs: number) {
    this.#now = now;
    this.#holdMs = holdMs;
    this.#begin = now();
    this.#fetched = this.#begin;
  }

  /** The work is read; the threads get it now. */
  fetched(): void {
    this.#fetched = this.#now();
  }

  processed(): void {
    this.#processed = this.#now();
  }

  /** From its beginning to the end of its work, ms. */
  get processMs(): number {
    return this.#processed - this.#begin;
  }

  /** The commit before is done. */
  committing(): void {
    this.#committing = this.#now();
  }

  /** Watches the phases of the log's commit, and tells them as steps. */
  phases(at: StepHook | undefined): NonNullable<Commit['onPhase']> {
    return (phase) => {
      if (phase === 'offsets') this.#appended = this.#now();
      return at?.(stepOf[phase]);
    };
  }

  /** The log has committed. */
  committed(): void {
    this.#committed = this.#now();
  }

  /** Since the log has committed, ms. */
  get sinceCommitted(): number {
    return this.#now() - this.#committed;
  }

  /**
   * To be called when the tasks know of it.
   * @param results with how long each task took to hear of the commit
   */
  stages(
    results: readonly { task: { host: HostPort }; result: TaskResult; toldMs: number }[],
  ): Stages {
    const byHost = new Map<HostPort, { work: number[]; told: number }>();
    for (const { task, result, toldMs } of results) {
      const { load, decode, steps, changelog } = result.timings;
      const sums = byHost.get(task.host) ?? { work: [0, 0, 0, 0], told: 0 };
      byHost.set(task.host, sums);
      for (const [i, ms] of [load, decode, steps, changelog].entries())
        sums.work[i] = (sums.work[i] ?? 0) + ms;
      sums.told += toldMs;
    }
    const total = (sums: readonly number[]) => sums.reduce((a, b) => a + b, 0);
    let slowest: readonly number[] = [0, 0, 0, 0];
    let told = 0;
    for (const sums of byHost.values()) {
      if (total(sums.work) > total(slowest)) slowest = sums.work;
      told = Math.max(told, sums.told);
    }
    const [load = 0, decode = 0, steps = 0, changelog = 0] = slowest;
    const telling = this.#now() - this.#committed;
    const state = Math.min(told, telling);
    const appended = this.#appended ?? this.#committed;
    return {
      hold: this.#holdMs,
      fetch: this.#fetched - this.#begin,
      // Clocks of threads differ by a little.
      'hand-over': Math.max(0, this.#processed - this.#fetched - total(slowest)),
      load,
      decode,
      steps,
      changelog,
      turn: this.#committing - this.#processed + telling - state,
      append: appended - this.#committing,
      transaction: this.#committed - appended,
      state,
    };
  }
}
