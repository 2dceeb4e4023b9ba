/** Summary of a run, in numbers that add up; see task/counters.ts for the balance. */

import { type TaskCounters, zeroCounters } from '../task/counters.ts';
import type { SourceChunk } from './connector.ts';

export interface SourceProgress {
  readonly name: string;
  /** Records since the start of this run. */
  records: number;
  bytes: number;
  deadLettered: number;
  /** Skipped rows, by reason. */
  skipped: Readonly<Record<string, number>>;
  done: boolean;
  /** Greatest event time returned by the source, ms UTC. */
  eventTime: number;
}

export interface Summary {
  readonly application: string;
  /** True if the run continued an earlier run's committed work. */
  continued: boolean;
  commits: number;
  /** Records restored from changelogs at the start. */
  restored: number;
  /** Greatest event time processed by any task, ms UTC; -Infinity before the first. */
  streamTime: number;
  readonly sources: readonly SourceProgress[];
  readonly counters: TaskCounters;
}

export function emptySummary(application: string, sources: readonly SourceProgress[]): Summary {
  return {
    application,
    continued: false,
    commits: 0,
    restored: 0,
    streamTime: Number.NEGATIVE_INFINITY,
    sources,
    counters: zeroCounters(),
  };
}

export function addChunk(progress: SourceProgress, chunk: SourceChunk): void {
  progress.records += chunk.records;
  progress.bytes += chunk.bytes;
  progress.deadLettered += chunk.deadLettered;
  const skipped = new Map(Object.entries(progress.skipped));
  for (const [reason, count] of Object.entries(chunk.skipped ?? {})) {
    skipped.set(reason, (skipped.get(reason) ?? 0) + count);
  }
  progress.skipped = Object.fromEntries(skipped);
  progress.done = chunk.done;
  progress.eventTime = Math.max(progress.eventTime, chunk.eventTime);
}
