/**
 * Splits a cycle's wall time into consecutive stages that add up to it, even if the next cycle
 * works while it commits. Work that a task began ahead is charged to its own cycle. Of parallel
 * tasks, the slowest thread counts, because the cycle waits for it.
 */
import type { Commit } from '../log/log.ts';
import type { StepHook } from '../task/commit.ts';
import type { HostPort, TaskResult } from '../task/host-port.ts';

/**
 * hold: the rest of the commit interval before the cycle. fetch: waiting for the readers.
 * hand-over: to the threads and back, and waiting for them. load, decode, steps, changelog: see
 * task/timings.ts. turn: waiting for the previous commit, and for its acknowledgement by threads
 * that work on the next cycle. append: writing outputs and changelogs to the log. transaction:
 * offsets and the end of the transaction. state: acknowledging the commit to the tasks.
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
/** Stages in which a cycle waits while others work; they are not processing time of its records. */
export const waitingStages: ReadonlySet<StageName> = new Set(['hold', 'turn']);
/** ms by stage. */
export type Stages = Readonly<Record<StageName, number>>;

/** Records the instants at which a cycle passes from one stage to the next. */
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

  /** The records are read; the threads get them now. */
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

  /** The previous commit is done. */
  committing(): void {
    this.#committing = this.#now();
  }

  /** Observes the phases of the log's commit, and reports them as steps. */
  phases(at: StepHook | undefined): NonNullable<Commit['onPhase']> {
    return (phase) => {
      if (phase === 'offsets') this.#appended = this.#now();
      return at?.(phase);
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
   * Call when the tasks have the acknowledgement.
   * @param results with the time that each task took for the acknowledgement
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
