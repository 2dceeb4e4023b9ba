/**
 * A night that is given again with other rows. Events of files that did not change stay. Each
 * subject whose events changed is run again over everything that the log holds of it, with the
 * night as it is now. One event then brings the subject's profile, and what was reported of it, to
 * the result.
 */
import type { Execution, Log } from 'millrace/engine';
import { baseName, inputChanged } from '../../../engine/cli/index.ts';
import { events } from '../../event.ts';
import { type PersonalisationConfig, profileLogic } from '../../personalisation.ts';
import type { Profile } from '../../subject/profile.ts';
import { logEdits } from '../questions/taken-events.ts';
import {
  checkDifference,
  type Difference,
  differencesOf,
  eventsOfNight,
} from './night-differences.ts';
import { type RowCounts, rowsOf } from './night-rows.ts';
import { type ChangedNight, endsOf, nameOf } from './nights.ts';
import { labelsAnew, type SubjectRuns, scoredAt, subjectRuns } from './subject-runs.ts';
import { type SubjectCorrection, writeCorrections } from './write-corrections.ts';

/** The result of a night that was given with other rows. */
export interface CorrectedNight {
  readonly files: readonly string[];
  /** Number of subjects whose events changed. */
  readonly subjects: number;
  readonly events: { readonly same: number; readonly removed: number; readonly added: number };
  /** Of the files as they are now: in = out + rejected + skipped. */
  readonly rows: RowCounts;
}

/**
 * Writes the corrections of one night in one commit; the application reads them as its next
 * records.
 * @throws INPUT_CHANGED, before anything is written, when the log cannot be brought to the
 * recomputed result
 */
export async function correctNight(
  { log, runtime, application }: Pick<Execution, 'log' | 'runtime' | 'application'>,
  config: PersonalisationConfig,
  changed: ChangedNight,
): Promise<CorrectedNight> {
  const edits = await logEdits(log);
  const now = await rowsOf(log, application, changed);
  await checkWhole(log, changed);
  const before = await eventsOfNight(log, edits, changed);
  const differences = differencesOf(before, now.events, changed);
  const rows = await runtime.query('profiles');
  const profiles = new Map(rows.map((row) => [String(row.key), row]));
  const clock = rows.reduce((most, { timestamp = most }) => Math.max(most, timestamp), 0);
  for (const [subject, difference] of differences) {
    const profile = profiles.get(subject)?.value as Profile | undefined;
    checkDifference(changed, profile, difference, clock);
  }
  const logic = profileLogic(config);
  const taken = await subjectRuns(log, logic, edits, differences, changed.order);
  const corrections = [...differences].map(([subject, difference]): SubjectCorrection => {
    const run = taken.get(subject) as SubjectRuns;
    const at = Math.max(0, profiles.get(subject)?.timestamp ?? 0, run.is.now);
    run.is.advanceTo(at);
    const { gone, rows: arrivals, before: place } = difference;
    const { order } = changed;
    const event = {
      night: nameOf(changed.night),
      order,
      profile: run.is.state,
      scoredAt: scoredAt(run.is),
    };
    const labels = labelsAnew(run, at);
    return { subject, at, labels, correction: { ...event, gone, rows: arrivals, before: place } };
  });
  await writeCorrections({ log, application }, changed, now, corrections);
  const sum = (count: (one: Difference) => number) =>
    [...differences.values()].reduce((all, one) => all + count(one), 0);
  const removed = sum(({ removed: all }) => all.length);
  const { length: had } = [...before.values()].flat();
  return {
    files: changed.files.map(baseName),
    subjects: differences.size,
    events: { same: had - removed, removed, added: sum(({ added }) => added) },
    rows: now.counts,
  };
}

/** @throws INPUT_CHANGED when the log no longer has all events */
async function checkWhole(log: Log, { files }: ChangedNight): Promise<void> {
  const partitions = [...(await endsOf(log)).keys()];
  for (const partition of partitions) {
    if ((await log.startOffset({ topic: events.name, partition })) === 0) continue;
    const problem = 'the log no longer holds all events, so nothing can be computed from the start';
    throw inputChanged(files[0] ?? '', problem);
  }
}
