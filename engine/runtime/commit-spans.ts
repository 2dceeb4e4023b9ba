/**
 * Spans of commits: a child of each traced record in the commit, or of some if there are many.
 */
import type { CommitId } from '../base/commit-id.ts';
import { commitSpan, registeredTracer } from '../task/tracing.ts';
import type { CycleWork } from './cycle-work.ts';

export interface CommitTaken {
  readonly commitId: CommitId;
  /** Wall time at its end, ms UTC, and how long it took, ms. */
  readonly end: number;
  readonly tookMs: number;
}

/** Call when the log has the commit. Does nothing if nothing was traced. */
export function traceCommit(
  results: CycleWork['results'],
  { commitId, end, tookMs }: CommitTaken,
): void {
  if (results.every(({ result }) => (result.traced?.length ?? 0) === 0)) return;
  const tracer = registeredTracer();
  if (tracer === undefined) return;
  for (const { result } of results) {
    const attributes = { 'millrace.task': result.taskId, 'millrace.commit': commitId };
    for (const record of result.traced ?? []) {
      commitSpan(tracer, record, { startTime: end - tookMs, endTime: end, attributes });
    }
  }
}
