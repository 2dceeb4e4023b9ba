/**
 * Advances time for the tasks without records: idle sources, the wall clock, the end of the input.
 */
import type { PassingTime } from '../task/task-options.ts';
import { passesMultiple, wallClockIntervals } from '../task/wall-clock.ts';
import type { Cycles } from './cycles.ts';
import { stillOpen } from './idle-watch.ts';
import type { Recovery } from './recovery.ts';
import type { RuntimeParts } from './runtime-parts.ts';
import type { Session } from './session.ts';

/** How work is run while time passes. */
export interface Working {
  readonly cycles: Cycles;
  readonly recovery: Recovery;
  /** Runs cycles until this process has read everything for its tasks, or the signal is aborted. */
  readonly runUntilCaughtUp: (signal?: AbortSignal) => Promise<void>;
}

export class TimePassing {
  readonly #parts: RuntimeParts;
  readonly #session: Session;
  readonly #working: Working;
  readonly #wallIntervals: readonly number[];
  /** Wall time that the steps have received, ms UTC. */
  #tickedAt: number;

  constructor(parts: RuntimeParts, session: Session, working: Working, tickedAt: number) {
    this.#parts = parts;
    this.#session = session;
    this.#working = working;
    this.#wallIntervals = wallClockIntervals(parts.options.topology);
    this.#tickedAt = tickedAt;
  }

  /**
   * Advances stage by stage, upstream first: records that a part writes because of time must not be
   * late for the next, nor for the part itself.
   */
  async partByPart(passing: PassingTime, signal?: AbortSignal): Promise<void> {
    await this.#working.recovery.survive(async () => {
      const { plan } = this.#session;
      const { cycles, runUntilCaughtUp } = this.#working;
      for (const { part, round } of plan.stages) {
        // Steps behind a loop learn the end of the input through the loop.
        if (round > 0 && passing.idleClock === undefined) continue;
        // Also before the first part: a worker may have died after a part's commit, before the next
        // part read it.
        await runUntilCaughtUp(signal);
        if (signal?.aborted) return;
        await cycles.pass((tasks) =>
          tasks
            .filter(({ planned }) => planned.subTopology === part)
            .map((task) => ({ task, passing: { ...passing, round } })),
        );
      }
      await runUntilCaughtUp(signal);
    }, signal);
  }

  /** Advances time of idle source partitions, whatever the others do. */
  async passIdle(signal: AbortSignal): Promise<void> {
    const { intake, idle } = this.#parts;
    const { cycles, recovery } = this.#working;
    // Records of a source may be on their way to any partition.
    if (intake.isUnderWay) return;
    const due = idle.due(this.#session.assignment.tasks);
    if (due.length === 0) return;
    await recovery.survive(async () => {
      await cycles.drain();
      await cycles.pass((tasks) =>
        stillOpen(due, tasks).map(({ task, idle }) => ({ task, passing: { idle } })),
      );
    }, signal);
  }

  /**
   * Sends the wall time to the steps that use it; between two cycles, when a multiple of one of
   * their intervals has passed.
   */
  async tick(signal?: AbortSignal): Promise<void> {
    const { cycles, recovery } = this.#working;
    // The time of a pause is sent when it is over.
    if (this.#wallIntervals.length === 0 || this.#parts.pause.paused.all) return;
    const wallClock = { from: this.#tickedAt, to: this.#parts.clock.now() };
    this.#tickedAt = wallClock.to;
    if (!this.#wallIntervals.some((everyMs) => passesMultiple(wallClock, everyMs))) return;
    await recovery.survive(async () => {
      await cycles.drain();
      await cycles.pass((tasks) => tasks.map((task) => ({ task, passing: { wallClock } })));
    }, signal);
  }
}
