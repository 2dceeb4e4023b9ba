/**
 * A night that is given again with other rows. The events of its files that are still the same stay; of
 * each subject with others, all that the log holds of it is taken anew as if the night had always been as
 * it is now, and one event brings what is kept of the subject, and what was told of it, to that.
 */
import type { Topic } from 'millrace';
import {
  type Append,
  BatchBuilder,
  deadLetterTopic,
  type Execution,
  encodeHeaders,
  type Log,
} from 'millrace/engine';
import {
  baseName,
  cursorAppend,
  cursorName,
  type Item,
  inputChanged,
  type KnownFile,
  recordsOf as mappedOf,
  Outputs,
  partitionOf,
  readCursors,
  writeRow,
} from '../../../engine/cli/index.ts';
import { type Correction, correctionEvent } from '../../correction.ts';
import { type ActivityLabel, activityLabels, type Event, events } from '../../event.ts';
import { type PersonalisationConfig, profileLogic } from '../../personalisation.ts';
import {
  absorbedClass,
  correctedClass,
  erasedClass,
  mergedClass,
  type Profile,
  type ProfileLogic,
  redefinedClass,
  splitClass,
} from '../../profile.ts';
import { type Arrival, SubjectRun } from '../../subject-run.ts';
import { type LogEdits, placeOf } from '../questions/log-edits.ts';
import {
  correctionPlaces,
  correctionsCursor,
  logEdits,
  type TakenEvent,
  takenEvents,
} from '../questions/taken-events.ts';
import { lettersOf } from './letters.ts';
import {
  type ChangedNight,
  endsOf,
  type FileInputs,
  knownOf,
  type Night,
  nightsAppend,
  nightsOf,
} from './nights.ts';

/** What became of a night that was given with other rows. */
export interface CorrectedNight {
  readonly files: readonly string[];
  /** Subjects whose events are others now. */
  readonly subjects: number;
  readonly events: { readonly same: number; readonly removed: number; readonly added: number };
  /** Of the files as they are now: in = out + rejected + skipped. */
  readonly rows: {
    readonly in: number;
    readonly out: number;
    readonly rejected: readonly { readonly file: string; readonly reason: string }[];
    readonly skipped: Readonly<Record<string, number>>;
  };
}

/** How far ahead of the application's time, and of the machine's, an event may be; as the guard has it. */
const aheadOfTimeMs = 366 * 86_400_000;
const aheadOfClockMs = 86_400_000;

/**
 * Writes the corrections of one night, in one commit; the application takes them as its next records.
 * Throws INPUT_CHANGED, before anything is written, where the log cannot be brought to a recomputation.
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
  const taken = await runs(log, logic, edits, differences, changed.order);
  const corrections = [...differences].map(([subject, difference]): Written => {
    const run = taken.get(subject) as Runs;
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
  await write({ log, application }, changed, now, corrections);
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

interface Written {
  readonly subject: string;
  /** ms UTC. */
  readonly at: number;
  readonly labels: readonly ActivityLabel[];
  readonly correction: Correction;
}

/** The files as they are now. */
interface Rows {
  readonly events: ReadonlyMap<string, readonly Arrival[]>;
  readonly known: readonly KnownFile[];
  readonly rejected: readonly (Item<string, unknown> & { readonly reason: string })[];
  readonly counts: CorrectedNight['rows'];
}

async function rowsOf(
  log: Log,
  application: string,
  { source, night, files }: ChangedNight,
): Promise<Rows> {
  const known = knownOf(await readCursors(log, application), source.name);
  const reader = source.reader(files, known.slice(0, night.first));
  const arrivals = new Map<string, Arrival[]>();
  const rejected: (Item<string, unknown> & { reason: string })[] = [];
  const skipped: Record<string, number> = {};
  let read = 0;
  for await (const items of reader.items()) {
    for (const item of items) {
      reader.took(item);
      read++;
      const { mapped } = item;
      if (mapped === 'skip' || 'skip' in mapped) {
        const reason = mapped === 'skip' ? 'not wanted' : mapped.skip;
        skipped[reason] = (skipped[reason] ?? 0) + 1;
        continue;
      }
      const told = 'reject' in mapped ? mapped.reject : arrivalsOf(mappedOf(mapped), source);
      if (typeof told === 'string') rejected.push({ ...item, reason: told });
      else for (const { key, ...arrival } of told) push(arrivals, key, arrival);
    }
  }
  const after = reader.cursor(null).files ?? [];
  const own = after.slice(night.first);
  const isSame = (file: KnownFile, i: number) => JSON.stringify(file) === JSON.stringify(known[i]);
  if (!after.slice(0, night.first).every(isSame) || own.length !== night.files.length) {
    const problem = 'a file of that night is empty now, or goes on from another one';
    throw inputChanged(files[0] ?? '', problem);
  }
  const left = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  const reasons = rejected.map(({ file, reason }) => ({ file, reason }));
  const counts = { in: read, out: read - rejected.length - left, rejected: reasons, skipped };
  return { events: arrivals, known: own, rejected, counts };
}

/** As they come out of the log; or why they cannot be written, as the source itself would say. */
function arrivalsOf(
  records: ReturnType<typeof mappedOf<string, unknown>>,
  { topic }: FileInputs,
): (Arrival & { readonly key: string })[] | string {
  const problem = writeRow(new Outputs({ [topic.name]: 1 }), topic, records);
  if (problem !== undefined) return problem;
  return records.map(({ key, value, timestamp: at }) => {
    const bytes = Buffer.from(events.value.encode(value as Event));
    return { key, event: events.value.decode(bytes, 0, bytes.byteLength), at };
  });
}

function push<T>(all: Map<string, T[]>, key: string, one: T): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, [one]);
  else known.push(one);
}

/** Throws INPUT_CHANGED when the log has let go of events. */
async function checkWhole(log: Log, { files }: ChangedNight): Promise<void> {
  const partitions = [...(await endsOf(log)).keys()];
  for (const partition of partitions) {
    if ((await log.startOffset({ topic: events.name, partition })) === 0) continue;
    const problem = 'the log no longer holds all events, so nothing can be computed from the start';
    throw inputChanged(files[0] ?? '', problem);
  }
}

async function eventsOfNight(
  log: Log,
  edits: LogEdits,
  { night }: ChangedNight,
): Promise<Map<string, TakenEvent[]>> {
  const own = new Map<string, TakenEvent[]>();
  const name = nameOf(night);
  for await (const record of takenEvents(log, edits)) {
    const { added, partition, offset, key, value } = record;
    const isOwn =
      added === undefined
        ? night.ranges.some(
            ({ from, to }) =>
              (from[partition] ?? 0) <= offset && offset < (to[partition] ?? 0) && !isOurs(value),
          )
        : added.night === name;
    if (!isOwn) continue;
    const known = own.get(key);
    if (known === undefined) own.set(key, [record]);
    else known.push(record);
  }
  return own;
}

/** Written by the application, not by who brought the input. */
function isOurs({ class: name, id, via }: Event): boolean {
  if (via !== undefined || [absorbedClass, redefinedClass, correctedClass].includes(name)) {
    return true;
  }
  return name === mergedClass && id.startsWith('identity ');
}

/** What is other in one subject's events of the night. */
interface Difference {
  readonly gone: readonly number[];
  readonly rows: readonly Arrival[];
  readonly before: number;
  readonly removed: readonly Event[];
  readonly added: number;
}

function differencesOf(
  before: ReadonlyMap<string, readonly TakenEvent[]>,
  now: ReadonlyMap<string, readonly Arrival[]>,
  { night }: ChangedNight,
): Map<string, Difference> {
  const differences = new Map<string, Difference>();
  const from = night.ranges[0]?.from ?? [];
  for (const subject of new Set([...before.keys(), ...now.keys()])) {
    const [old, fresh] = [before.get(subject) ?? [], now.get(subject) ?? []];
    const bytes = Buffer.from(events.key.encode(subject));
    const start = from[partitionOf(bytes, from.length)] ?? 0;
    const found = difference(old, fresh, start);
    if (found !== undefined) differences.set(subject, found);
  }
  return differences;
}

/** Of the same at the start and at the end nothing is said, unless an earlier correction has brought it. */
function difference(
  old: readonly TakenEvent[],
  fresh: readonly Arrival[],
  start: number,
): Difference | undefined {
  const was = old.map(({ value, timestamp }) => textOf(value, timestamp));
  const is = fresh.map(({ event, at }) => textOf(event, at));
  const most = Math.min(was.length, is.length);
  let [head, tail] = [0, 0];
  while (head < most && was[head] === is[head]) head++;
  while (tail < most - head && was.at(-1 - tail) === is.at(-1 - tail)) tail++;
  if (head === was.length && head === is.length) return undefined;
  const removed = old.slice(head, old.length - tail);
  const counts = {
    removed: removed.map(({ value }) => value),
    added: fresh.length - head - tail,
  };
  if (old.some(({ added }) => added !== undefined)) {
    const gone = new Set(old.map(({ added, offset }) => added?.by ?? offset));
    return { gone: [...gone], rows: fresh, before: old[0]?.offset ?? start, ...counts };
  }
  const next = removed[0] ?? old[old.length - tail];
  const last = old[head - 1];
  return {
    gone: removed.map(({ offset }) => offset),
    rows: fresh.slice(head, fresh.length - tail),
    before: next?.offset ?? (last === undefined ? start : last.offset + 1),
    ...counts,
  };
}

function textOf(event: Event, at: number): string {
  return JSON.stringify([at, event]);
}

/** Throws INPUT_CHANGED for what one subject's events alone do not decide. */
function checkDifference(
  { files }: ChangedNight,
  profile: Profile | undefined,
  { removed, rows }: Difference,
  clock: number,
): void {
  const fail = (why: string) => {
    throw inputChanged(files[0] ?? '', `${why}, which a correction cannot take back or bring`);
  };
  if ((profile?.mergedInto ?? profile?.absorbed) !== undefined) {
    fail('a person of it was joined with another');
  }
  for (const event of [...removed, ...rows.map((row) => row.event)]) {
    if ([mergedClass, splitClass].includes(event.class)) fail(`it holds ${event.class}`);
    if (event.class === erasedClass) fail('it holds an erasure');
    if ((event.identities?.length ?? 0) > 1) fail('a row of it joins two identifiers of a person');
  }
  const latest = Math.min(Math.max(clock, 0) + aheadOfTimeMs, Date.now() + aheadOfClockMs);
  const ahead = rows.find(({ at }) => at > latest);
  if (ahead === undefined) return;
  fail(`an event of it is of ${new Date(ahead.at).toISOString()}, too far ahead`);
}

interface Runs {
  readonly was: SubjectRun;
  readonly is: SubjectRun;
  /** Of its events, by id. */
  readonly classes: Map<string, string>;
}

/** The subjects with differences: as they were taken, and as they are to be. */
async function runs(
  log: Log,
  logic: ProfileLogic,
  edits: LogEdits,
  differences: ReadonlyMap<string, Difference>,
  order: number,
): Promise<ReadonlyMap<string, Runs>> {
  const all = new Map<string, Runs>();
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

function scoredAt({ outputs }: SubjectRun): number {
  const told = outputs.findLast((output) => output.type === 'score');
  return told?.type === 'score' ? told.score.effectiveAt : 0;
}

/** What is to be said of activities of which something else was said. */
function labelsAnew({ was, is, classes }: Runs, decidedAt: number): ActivityLabel[] {
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

async function write(
  { log, application }: { readonly log: Log; readonly application: string },
  { source, night }: ChangedNight,
  { known, rejected }: Rows,
  corrections: readonly Written[],
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

  /** Answers the partition. */
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

/** Rows that are refused and were not before. */
async function lettersAnew(
  log: Log,
  application: string,
  source: FileInputs,
  rejected: Rows['rejected'],
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

function nameOf({ source, first }: Night): string {
  return `${source}/${first}`;
}
