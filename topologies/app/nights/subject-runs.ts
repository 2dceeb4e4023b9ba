/** Subjects as they were taken in, and as they should be: both recomputed from the log. */
import type { Log } from 'millrace/engine';
import type { ActivityLabel } from '../../event.ts';
import type { ProfileLogic } from '../../subject/logic.ts';
import { redefinedClass } from '../../subject/subject-classes.ts';
import { SubjectRun } from '../../subject/subject-run.ts';
import type { LogEdits } from '../questions/log-edits.ts';
import { takenEvents } from '../questions/taken-events.ts';
import type { Difference } from './night-differences.ts';

export interface SubjectRuns {
  readonly was: SubjectRun;
  readonly is: SubjectRun;
  /** Classes of its events, by id. */
  readonly classes: Map<string, string>;
}

/** The subjects that differ: as they were taken in, and as they should be. */
export async function subjectRuns(
  log: Log,
  logic: ProfileLogic,
  edits: LogEdits,
  differences: ReadonlyMap<string, Difference>,
  order: number,
): Promise<ReadonlyMap<string, SubjectRuns>> {
  const all = new Map<string, SubjectRuns>();
  for (const subject of differences.keys()) {
    const [was, is] = [new SubjectRun(logic, subject), new SubjectRun(logic, subject)];
    all.set(subject, { was, is, classes: new Map() });
  }
  const waiting = new Map(differences);
  const bring = (subject: string, { rows }: Difference) => {
    for (const arrival of rows) all.get(subject)?.is.take(arrival);
    waiting.delete(subject);
  };
  for await (const { key, value, timestamp: at, offset, added } of takenEvents(log, edits)) {
    const [own, run] = [differences.get(key), all.get(key)];
    if (own === undefined || run === undefined || value.class === redefinedClass) continue;
    const isAtPlace = offset === own.before && (added === undefined || added.order >= order);
    if ((isAtPlace || offset > own.before) && waiting.has(key)) bring(key, own);
    run.classes.set(value.id, value.class);
    run.was.take({ event: value, at });
    if (!own.gone.includes(added?.by ?? offset)) run.is.take({ event: value, at });
  }
  for (const [subject, left] of waiting) bring(subject, left);
  return all;
}

export function scoredAt({ outputs }: SubjectRun): number {
  const told = outputs.findLast((output) => output.type === 'score');
  return told?.type === 'score' ? told.score.effectiveAt : 0;
}

/** Labels of activities whose label has changed. */
export function labelsAnew({ was, is, classes }: SubjectRuns, decidedAt: number): ActivityLabel[] {
  const byId = (labels: readonly ActivityLabel[]) =>
    new Map(labels.map((label) => [label.eventId, label]));
  const [before, now] = [byId(was.labels), byId(is.labels)];
  const anew: ActivityLabel[] = [];
  for (const [id, label] of now) {
    const told = before.get(id);
    if (told?.label === label.label && told.at === label.at) continue;
    anew.push({ ...label, decidedAt, correction: true });
  }
  for (const [id, label] of before) {
    if (now.has(id) || label.label === 'human') continue;
    const human = { label: 'human', class: classes.get(id) ?? label.class, rules: [] } as const;
    anew.push({ ...label, ...human, decidedAt, correction: true });
  }
  return anew;
}
