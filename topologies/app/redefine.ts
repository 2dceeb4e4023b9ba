/**
 * Makes changed definitions take effect for all subjects at once: each subject that other
 * definitions decided last gets an event that says so. Without it, a subject would be decided again
 * by its next event or timer, which may never come.
 */
import { BatchBuilder, type Log } from 'millrace/engine';
import { partitionOf } from '../../engine/cli/index.ts';
import { events } from '../event.ts';
import { profileLogic } from '../personalisation.ts';
import type { ProfileLogic } from '../subject/logic.ts';
import type { Profile } from '../subject/profile.ts';
import { redefinedClass } from '../subject/subject-classes.ts';
import { SubjectRun } from '../subject/subject-run.ts';
import type { Asked } from './questions/questions.ts';
import { takenEvents } from './questions/taken-events.ts';

/**
 * Returns the number of subjects that were told. Call it while the application is open and does not
 * process.
 */
export async function tellRedefined({ runtime, log, config }: Asked): Promise<number> {
  const logic = profileLogic(config);
  const { fingerprint } = logic.segments;
  const subjects = (await runtime.query('profiles')).filter(({ value }) => {
    const { segments, erased, mergedInto } = value as Profile;
    const isKept = (erased ?? mergedInto) === undefined;
    return isKept && segments.program !== fingerprint;
  });
  if (subjects.length === 0) return 0;
  const topic = (await log.topics()).find(({ name }) => name === events.name);
  const builders = new Map<number, BatchBuilder>();
  const runs = await runAnew(log, logic, subjects);
  for (const { key, timestamp = 0 } of subjects) {
    const event = logic.redefined(runs.get(String(key))?.state);
    const bytes = Buffer.from(events.key.encode(String(key)));
    const partition = partitionOf(bytes, topic?.partitions ?? 1);
    const builder = builders.get(partition) ?? new BatchBuilder();
    builders.set(partition, builder);
    // At the subject's own clock, so that no time passes.
    builder.append(bytes, Buffer.from(events.value.encode(event)), Math.max(0, timestamp));
  }
  const appends = [...builders].map(([partition, builder]) => ({
    topic: events.name,
    partition,
    batch: builder.finishAt(0),
  }));
  const writer = await log.openWriter('segment-definitions');
  await writer.commit({ appends, offsets: [], commitId: writer.lastCommitId + 1 });
  await writer.close();
  return subjects.length;
}

/**
 * Profiles as if the new definitions had always been in force, from the events of the log, subject
 * by subject. A subject that took over another keeps its profile, because the other's events came
 * as one profile.
 */
async function runAnew(
  log: Log,
  logic: ProfileLogic,
  subjects: readonly { readonly key: unknown; readonly value: unknown }[],
): Promise<ReadonlyMap<string, SubjectRun>> {
  const runs = new Map<string, SubjectRun>();
  for (const { key, value } of subjects) {
    if ((value as Profile).absorbed !== undefined) continue;
    runs.set(String(key), new SubjectRun(logic, String(key)));
  }
  for await (const { key, value, timestamp: at } of takenEvents(log)) {
    if (value.class !== redefinedClass) runs.get(key)?.take({ event: value, at });
  }
  return runs;
}
