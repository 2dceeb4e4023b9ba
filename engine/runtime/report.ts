/** Reports a cycle to the observer and adds it to the summary. */
import type { CommitId } from '../base/commit-id.ts';
import type { DropReason, FailureStage, Observer, WorkedTask, Written } from '../base/events.ts';
import { PackedBatch } from '../record/batch.ts';
import { addCounters } from '../task/counters.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { Taken } from './source-intake.ts';
import type { Stages } from './stages.ts';
import type { Summary } from './summary.ts';

export interface CycleReport {
  readonly commitId: CommitId;
  readonly chunks: readonly Taken[];
  readonly results: readonly TaskResult[];
  readonly processMs: number;
  readonly commitMs: number;
  readonly toldMs: number;
  readonly stages: Stages;
}

export function reportCycle(summary: Summary, observer: Observer, cycle: CycleReport): void {
  const { commitId, chunks, results, processMs, commitMs, toldMs, stages } = cycle;
  summary.commits++;
  let [recordsIn, recordsOut] = [0, 0];
  for (const { source, chunk } of chunks) {
    const { records, bytes, deadLettered, skipped = {} } = chunk;
    const counts = { records, bytes, deadLettered, skipped };
    observer.on('connectorAdvanced', { source: source.name, ...counts });
  }
  for (const { taskId, counters, streamTime, memory } of results) {
    observer.on('stateMemory', { task: taskId, ...memory });
    addCounters(summary.counters, counters);
    summary.streamTime = Math.max(summary.streamTime, streamTime);
    recordsIn += counters.in;
    recordsOut += counters.out;
    for (const [place, count] of Object.entries(counters.drops)) {
      const [step, reason] = halves(place);
      observer.on('recordsDropped', { step, reason: reason as DropReason, count });
    }
    for (const [place, count] of Object.entries(counters.failures)) {
      const [step, stage] = halves(place);
      const at = { task: taskId, step, stage: stage as FailureStage };
      observer.on('recordsDeadLettered', { ...at, count });
    }
  }
  observer.on('tasksWorked', { tookMs: processMs + commitMs, all: () => results.map(workedOf) });
  const { streamTime } = summary;
  observer.on('cycleCommitted', {
    commitId,
    recordsIn,
    recordsOut,
    processMs,
    commitMs,
    toldMs,
    stages,
    streamTime,
  });
}

function workedOf(result: TaskResult): WorkedTask {
  const { taskId, counters, timings, lookups, streamTime } = result;
  const { load, decode, steps, changelog } = timings;
  return {
    task: taskId,
    ...{ recordsIn: counters.in, recordsOut: counters.out, lookups, streamTime },
    stages: { load, decode, steps, changelog },
    stores: result.changelogs.map(({ store, image }) => writtenIn(store, image)),
    topics: result.outputs.map(({ topic, image }) => writtenIn(topic, image)),
  };
}

function writtenIn(name: string, image: ArrayBuffer): Written {
  const bytes = image.byteLength;
  return { name, bytes, records: bytes === 0 ? 0 : new PackedBatch(image).count };
}

/** Splits '<step>|<reason>'; a step's name may contain the separator. */
function halves(place: string): [string, string] {
  const at = place.lastIndexOf('|');
  return [place.slice(0, at), place.slice(at + 1)];
}
