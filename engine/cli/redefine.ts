/**
 * Definitions that changed decide for everybody at once: each subject that others decided last is sent an
 * event that says so. Without it a subject is decided anew by its next event or timer, which may never come.
 */
import { type Event, events } from '../../topologies/event.ts';
import { profileLogic } from '../../topologies/personalisation.ts';
import { type Profile, redefinedClass } from '../../topologies/profile.ts';
import { BatchBuilder } from '../record/batch.ts';
import { partitionOf } from '../record/partitioner.ts';
import type { Asked } from './questions.ts';

/** Answers how many subjects there were. To be called when the application is open and stands still. */
export async function tellRedefined({ runtime, log, config }: Asked): Promise<number> {
  const { fingerprint } = profileLogic(config).segments;
  const subjects = (await runtime.query('profiles')).filter(({ value }) => {
    const { segments, erased, mergedInto } = value as Profile;
    const isKept = (erased ?? mergedInto) === undefined;
    return isKept && segments.program !== fingerprint;
  });
  if (subjects.length === 0) return 0;
  const topic = (await log.topics()).find(({ name }) => name === events.name);
  const builders = new Map<number, BatchBuilder>();
  for (const { key, timestamp = 0 } of subjects) {
    const event: Event = { id: `redefined ${fingerprint}`, class: redefinedClass };
    const bytes = Buffer.from(events.key.encode(String(key)));
    const partition = partitionOf(bytes, topic?.partitions ?? 1);
    const builder = builders.get(partition) ?? new BatchBuilder();
    builders.set(partition, builder);
    // At the subject's own clock: no time passes by it.
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
