/** Where one event's time goes in a run of ours, stage by stage, with the largest one named. */
import { table } from '../../engine/cli/output.ts';
import { type StageName, stageNames, waitingStages } from '../../engine/runtime/stages.ts';
import type { Line } from './compare.ts';

/** Microseconds an event by stage, of each job's fastest run; empty where no run tells. */
export function attributionTable(lines: readonly Line[]): string {
  const rows: (string | number)[][] = [];
  for (const job of new Set(lines.map((line) => line.job))) {
    const fastest = fastestOf(lines, job);
    if (fastest === undefined) continue;
    const of = (stage: StageName) => stageUs(fastest, stage);
    const each = stageNames.map((stage) => of(stage).toFixed(2));
    rows.push([`${job} (${fastest.peer})`, ...each, largestStage(fastest)]);
  }
  return rows.length === 0 ? '' : table(['us an event', ...stageNames, 'largest'], rows);
}

/** The fastest run of a job that tells its stages. */
export function fastestOf(lines: readonly Line[], job: string): Line | undefined {
  const told = lines.filter((line) => line.job === job && line.drained.stages !== undefined);
  return told.sort((a, b) => b.drained.eventsPerSecond - a.drained.eventsPerSecond)[0];
}

/** Where something is done for the longest time. */
export function largestStage(line: Line): StageName {
  const working = stageNames.filter((stage) => !waitingStages.has(stage));
  return working.sort((a, b) => stageUs(line, b) - stageUs(line, a))[0] as StageName;
}

/** Microseconds an event. */
export function stageUs({ drained }: Line, stage: StageName): number {
  return ((drained.stages?.[stage] ?? 0) * 1_000) / drained.events;
}
