/**
 * Writes the corrections of a night, what is known of its files, and its refused rows, in one
 * commit.
 */
import type { Topic } from 'millrace';
import {
  type Append,
  BatchBuilder,
  deadLetterTopic,
  encodeHeaders,
  type Log,
} from 'millrace/engine';
import {
  baseName,
  cursorAppend,
  cursorName,
  partitionOf,
  readCursors,
} from '../../../engine/cli/index.ts';
import { type ActivityLabel, activityLabels, events } from '../../event.ts';
import { type Correction, correctionEvent } from '../../subject/correction.ts';
import { correctedClass } from '../../subject/subject-classes.ts';
import { placeOf } from '../questions/log-edits.ts';
import { correctionPlaces, correctionsCursor } from '../questions/taken-events.ts';
import { lettersOf } from './night-letters.ts';
import type { NightRows } from './night-rows.ts';
import {
  type ChangedNight,
  endsOf,
  type FileInputs,
  knownOf,
  nameOf,
  nightsAppend,
  nightsOf,
} from './nights.ts';

/** The correction for one subject. */
export interface SubjectCorrection {
  readonly subject: string;
  /** ms UTC. */
  readonly at: number;
  readonly labels: readonly ActivityLabel[];
  readonly correction: Correction;
}

export async function writeCorrections(
  { log, application }: { readonly log: Log; readonly application: string },
  { source, night }: ChangedNight,
  { known, rejected }: NightRows,
  corrections: readonly SubjectCorrection[],
): Promise<void> {
  const appends = new Appends(log);
  const ends = await endsOf(log);
  const places = [...(await correctionPlaces(log))];
  const id = `${correctedClass} ${nameOf(night)} ${known.map(({ hash }) => hash).join(' ')}`;
  const counts = new Map<number, number>();
  for (const { subject, at, labels, correction } of corrections) {
    const event = correctionEvent(id, correction);
    const partition = await appends.add(events, subject, event, at);
    counts.set(partition, (counts.get(partition) ?? 0) + 1);
    for (const label of labels) await appends.add(activityLabels, subject, label, at);
  }
  for (const [partition, count] of counts) {
    places.push({ partition, from: ends[partition] ?? 0, count });
  }
  const cursors = await readCursors(log, application);
  const name = cursorName(source);
  const all = [...knownOf(cursors, source.name)];
  all.splice(night.first, known.length, ...known);
  const cursor = { ...(cursors.get(name) as object), files: all };
  const nights = nightsOf(cursors).map((one) =>
    one.source === night.source && one.first === night.first
      ? { ...night, files: known.map((file) => file.name) }
      : one,
  );
  const letters = await lettersAnew(log, application, source, rejected);
  const writer = await log.openWriter('night-corrections');
  await writer.commit({
    appends: [
      ...appends.all(),
      ...letters,
      cursorAppend(application, new Map<string, unknown>([[name, cursor]])),
      nightsAppend(application, nights),
      cursorAppend(application, new Map([[correctionsCursor, places]])),
    ],
    offsets: [],
    commitId: writer.lastCommitId + 1,
  });
  await writer.close();
}

class Appends {
  readonly #log: Log;
  readonly #builders = new Map<string, { topic: string; partition: number; to: BatchBuilder }>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Returns the partition. */
  async add<V>(topic: Topic<string, V>, key: string, value: V, at: number): Promise<number> {
    const found = (await this.#log.topics()).find(({ name }) => name === topic.name);
    const bytes = Buffer.from(topic.key.encode(key));
    const partition = partitionOf(bytes, found?.partitions ?? 1);
    const place = placeOf(partition, 0) + topic.name;
    const known = this.#builders.get(place);
    const { to } = known ?? { to: new BatchBuilder() };
    if (known === undefined) this.#builders.set(place, { topic: topic.name, partition, to });
    to.append(bytes, Buffer.from(topic.value.encode(value)), at);
    return partition;
  }

  all(): Append[] {
    return [...this.#builders.values()].map(({ topic, partition, to }) => ({
      topic,
      partition,
      batch: to.finishAt(0),
    }));
  }
}

/** Dead letters for rows that are refused now and were not before. */
async function lettersAnew(
  log: Log,
  application: string,
  source: FileInputs,
  rejected: NightRows['rejected'],
): Promise<Append[]> {
  const known = new Map<string, number>();
  for (const { origin, text } of await lettersOf(log, application)) {
    const name = `${baseName(origin)} ${text}`;
    known.set(name, (known.get(name) ?? 0) + 1);
  }
  const builder = new BatchBuilder();
  let count = 0;
  for (const item of rejected) {
    const name = `${baseName(item.file)} ${item.row.raw}`;
    const left = known.get(name) ?? 0;
    known.set(name, left - 1);
    if (left > 0) continue;
    const headers = encodeHeaders(source.letterOf(item, item.reason));
    builder.append(null, Buffer.from(item.row.raw), 0, headers);
    count++;
  }
  if (count === 0) return [];
  return [{ topic: deadLetterTopic(application), partition: 0, batch: builder.finishAt(0) }];
}
