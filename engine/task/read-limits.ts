/** What a task may read in a run, and what it left because of that. */
import type { PassingTime } from './task-options.ts';

export class ReadLimits {
  /** Wall clock, ms UTC, by which the guard goes; undefined where there is none. */
  wall: number | undefined;
  /** No more records will come: what waits for a witness of its time is refused. */
  isFinal = false;
  /** Records of the author's topics that are later wait for slower partitions, ms UTC. */
  readTo = Number.POSITIVE_INFINITY;
  /** A record is to be tried again later: nothing more is read. */
  stops = false;
  /** Topics whose next record waits for another one to confirm its time. */
  readonly undecided = new Set<string>();
  /** The same, where more records can be had. */
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
