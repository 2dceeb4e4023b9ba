/** Reads the sources of the tasks for a cycle, and decides which tasks wait for slower ones. */
import type { Member } from '../log/member.ts';
import type { TaskWork } from '../task/host-port.ts';
import { witnessesMost } from '../time/guard.ts';
import { alignedTo, isHeldBack } from './alignment.ts';
import type { CycleSize } from './cycle-size.ts';
import type { IdleWatch } from './idle-watch.ts';
import type { RunningTask } from './task-opener.ts';

type Read = Pick<TaskWork, 'batches' | 'caughtUp' | 'readTo'> & {
  /** True if more records wait for the task than a cycle may leave. */
  readonly isBacklog: boolean;
};

const all = Number.POSITIVE_INFINITY;

export class Reading {
  /** No more records will come: a record that waits for a witness of its time is refused. */
  isFinal = false;
  /** True if a task was not read since `begin` because it waits for slower ones. */
  isHeldBack = false;
  readonly #idle: IdleWatch;
  readonly #maxDriftMs: number | undefined;
  readonly #isHeld: (task: RunningTask) => boolean;
  #readTo: (task: RunningTask) => number = () => all;

  /** @param isHeld true if a task is paused or waits for a retry */
  constructor(
    idle: IdleWatch,
    maxDriftMs: number | undefined,
    isHeld: (task: RunningTask) => boolean = () => false,
  ) {
    this.#isHeld = isHeld;
    this.#idle = idle;
    this.#maxDriftMs = maxDriftMs;
  }

  /** A cycle begins. */
  begin(tasks: readonly RunningTask[]): void {
    // Other tasks do not wait for a held task.
    const read = tasks.filter((task) => !this.#isHeld(task));
    this.#readTo = alignedTo(read, this.#maxDriftMs);
    this.isHeldBack = false;
  }

  /** The next records of a task; undefined if there are none, or it could process none. */
  async next(task: RunningTask, member: Member, size: CycleSize): Promise<Read | undefined> {
    const { planned, positions } = task;
    if (this.#isHeld(task)) {
      // Records that arrive meanwhile must not be late.
      this.#idle.forget(task);
      return undefined;
    }
    const { backlog } = size;
    const readTo = this.#readTo(task);
    if (isHeldBack(task, readTo)) {
      this.isHeldBack = true;
      return undefined;
    }
    const batches: { topic: string; image: ArrayBuffer }[] = [];
    const caughtUp: string[] = [];
    let isBacklog = false;
    for (const [topic, position] of positions) {
      const at = { topic, partition: planned.partition };
      const limits = { ...size.limits, once: !task.handsBack };
      if (task.wants.has(topic)) limits.records = Math.max(limits.records, witnessesMost + 1);
      const { batches: read, end } = await member.fetch(at, position, limits);
      task.offeredUpTo = read.at(-1)?.nextOffset ?? position;
      this.#noteSilent(task, topic, end && read.length === 0);
      // Its next record waits for confirmation of its time, and no further record has arrived.
      if (task.undecided.get(topic) === task.offeredUpTo && !this.isFinal) {
        caughtUp.push(topic);
        continue;
      }
      const waiting = read.reduce((sum, { count }) => sum + count, 0);
      for (const { image } of read) batches.push({ topic, image });
      if (end) caughtUp.push(topic);
      // A steady trickle keeps the reader from the end; only count it as a backlog from this size
      // on.
      else isBacklog ||= waiting >= backlog;
    }
    // Wait for a source whose state is unknown: until then the task could process nothing.
    const known = new Set([...caughtUp, ...batches.map(({ topic }) => topic)]);
    if (batches.length === 0 || known.size < positions.size) return undefined;
    return { batches, caughtUp, isBacklog, ...(readTo === all ? {} : { readTo }) };
  }

  #noteSilent(task: RunningTask, topic: string, isSilent: boolean): void {
    this.#idle.noteRead(task, topic, isSilent);
    if (isSilent) task.silent.add(topic);
    else task.silent.delete(topic);
  }
}
