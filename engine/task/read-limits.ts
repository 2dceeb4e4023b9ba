/** Limits on what a task may read in a run, and what it left unread because of them. */
import type { PassingTime } from './task-options.ts';

export class ReadLimits {
  /** Wall clock for the guard, ms UTC; undefined if there is none. */
  wall: number | undefined;
  /** No more records will come: a record that waits for a witness of its time is refused. */
  isFinal = false;
  /** Later records of the author's topics wait for slower partitions, ms UTC. */
  readTo = Number.POSITIVE_INFINITY;
  /** True if a record waits for a retry: nothing more is read. */
  stops = false;
  /** Topics whose next record waits for another one to confirm its time. */
  readonly undecided = new Set<string>();
  /** The same, if more records can be requested. */
  readonly wants = new Set<string>();
  /** Topics whose next record waits for slower partitions. */
  readonly waiting = new Set<string>();

  begin({ isFinal = false, readTo = Number.POSITIVE_INFINITY }: PassingTime): void {
    this.stops = false;
    this.undecided.clear();
    this.wants.clear();
    this.waiting.clear();
    this.isFinal = isFinal;
    this.readTo = readTo;
  }
}
