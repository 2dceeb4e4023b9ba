/**
 * Counts of a task's records. Every record read is counted in `in` and, by its worst outcome, in
 * exactly one of processed, dropped and deadLettered, so that
 *
 *     in = processed + dropped + deadLettered
 *
 * `drops` and `failures` count every single drop and failure by place; a record that is late for
 * two windows is one `dropped` record and two drops.
 */
export interface TaskCounters {
  in: number;
  processed: number;
  dropped: number;
  deadLettered: number;
  /** Records written to the topology's own topics; repartition and dead letters are not in it. */
  out: number;
  /** '<step>|<reason>' -> count */
  drops: Record<string, number>;
  /** '<step>|<stage>' -> count */
  failures: Record<string, number>;
}

export function zeroCounters(): TaskCounters {
  return { in: 0, processed: 0, dropped: 0, deadLettered: 0, out: 0, drops: {}, failures: {} };
}

export function addCounters(total: TaskCounters, more: TaskCounters): void {
  total.in += more.in;
  total.processed += more.processed;
  total.dropped += more.dropped;
  total.deadLettered += more.deadLettered;
  total.out += more.out;
  for (const [place, n] of Object.entries(more.drops)) increase(total.drops, place, n);
  for (const [place, n] of Object.entries(more.failures)) increase(total.failures, place, n);
}

export function increase(counts: Record<string, number>, place: string, by = 1): void {
  counts[place] = (counts[place] ?? 0) + by;
}

/** Undoes an increase; a count of zero is removed. */
export function decrease(counts: Record<string, number>, place: string): void {
  const left = (counts[place] ?? 0) - 1;
  if (left > 0) counts[place] = left;
  else delete counts[place];
}

/** Outcomes of a record, from best to worst. */
export const [processed, dropped, deadLettered] = [0, 1, 2] as const;

/** Counts a record by its outcome, or removes it from the count. */
export function countOutcome(counters: TaskCounters, outcome: number, by: 1 | -1): void {
  if (outcome === processed) counters.processed += by;
  else if (outcome === dropped) counters.dropped += by;
  else counters.deadLettered += by;
}
