/**
 * Nights: the files that `load` took in together, and where their events are in the log. A night
 * that is given again with other rows can thus be compared with what was taken in
 * (correct-night.ts).
 */
import type { Append, FileSource, Log } from 'millrace/engine';
import {
  baseName,
  type Cursor,
  changedBefore,
  cursorAppend,
  cursorName,
  type FileInput,
  inputChanged,
  readCursors,
  recognise,
} from '../../../engine/cli/index.ts';
import { events } from '../../event.ts';

export type FileInputs = FileInput & FileSource<string, unknown>;

/** Offsets of the topic `events` by partition: [from, to). */
interface Range {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export interface Night {
  /** Name of the source. */
  readonly source: string;
  /** Index of its first file among those that the source knows. */
  readonly first: number;
  /** Names of the files, in the order in which they were taken in. */
  readonly files: readonly string[];
  /**
   * One for each run that took in rows of it; empty when its records can no longer be told apart.
   */
  readonly ranges: readonly Range[];
}

/** Key in the cursor topic: all nights, in the order in which they were begun. */
const nightsCursor = 'nights';

export function nightsOf(cursors: ReadonlyMap<string, unknown>): readonly Night[] {
  return (cursors.get(nightsCursor) ?? []) as readonly Night[];
}

export function knownOf(cursors: ReadonlyMap<string, unknown>, source: string) {
  return ((cursors.get(cursorName({ name: source } as FileInput)) ?? {}) as Cursor).files ?? [];
}

export function nightsAppend(application: string, nights: readonly Night[]): Append {
  return cursorAppend(application, new Map([[nightsCursor, nights]]));
}

/** End offsets of the topic `events`. */
export async function endsOf(log: Log): Promise<number[]> {
  const topic = (await log.topics()).find(({ name }) => name === events.name);
  const partitions = [...Array(topic?.partitions ?? 0).keys()];
  return Promise.all(
    partitions.map((partition) => log.endOffset({ topic: events.name, partition })),
  );
}

/** What a load finds before it takes anything in. */
export interface NightBegin {
  readonly sources: readonly FileInput[];
  readonly cursors: ReadonlyMap<string, unknown>;
  readonly from: readonly number[];
}

export async function beginNight(
  log: Log,
  application: string,
  sources: readonly FileInput[],
): Promise<NightBegin> {
  const [cursors, from] = [await readCursors(log, application), await endsOf(log)];
  return { sources, cursors, from };
}

/** Records what a load took in, complete or not; does nothing when nothing was new. */
export async function endNight(log: Log, application: string, begin: NightBegin): Promise<void> {
  const cursors = await readCursors(log, application);
  const nights = nightsAfter(begin, cursors, { from: begin.from, to: await endsOf(log) });
  if (nights === undefined) return;
  const writer = await log.openWriter('nights');
  const appends = [nightsAppend(application, nights)];
  await writer.commit({ appends, offsets: [], commitId: writer.lastCommitId + 1 });
  await writer.close();
}

function nightsAfter(
  { sources, cursors }: NightBegin,
  after: ReadonlyMap<string, unknown>,
  range: Range,
): readonly Night[] | undefined {
  const nights = [...nightsOf(cursors)];
  const mixed = sources.length > 1;
  let isNews = false;
  for (const { name: source } of sources) {
    const [before, now] = [knownOf(cursors, source), knownOf(after, source)];
    const grown = before.flatMap((file, i) => (now[i]?.rows === file.rows ? [] : [i]));
    const fresh = now.slice(before.length).map(({ name }) => name);
    const concerned = grown.map((i) => nightAt(nights, source, i));
    const alone = new Set(concerned).size + Math.sign(fresh.length) === 1 && !mixed;
    for (const place of new Set(concerned)) {
      const night = nights[place];
      if (night === undefined) continue;
      const isWhole = alone && night.ranges.length > 0;
      nights[place] = { ...night, ranges: isWhole ? [...night.ranges, range] : [] };
      isNews = true;
    }
    if (fresh.length === 0) continue;
    const ranges = alone ? [range] : [];
    nights.push({ source, first: before.length, files: fresh, ranges });
    isNews = true;
  }
  return isNews ? nights : undefined;
}

/** -1 when the file was not taken in by a load that ended. */
function nightAt(nights: readonly Night[], source: string, file: number): number {
  return nights.findIndex(
    (night) =>
      night.source === source && file >= night.first && file < night.first + night.files.length,
  );
}

/** A night that was given with other rows than before. */
export interface ChangedNight {
  readonly source: FileInputs;
  readonly night: Night;
  /** Its index among all nights. */
  readonly order: number;
  /** The files of the night, as given now. */
  readonly files: readonly string[];
}

/** @throws INPUT_CHANGED for a file that changed and cannot be taken back */
export async function changedNights(
  log: Log,
  application: string,
  sources: readonly FileInput[],
): Promise<ChangedNight[]> {
  const cursors = await readCursors(log, application);
  const nights = nightsOf(cursors);
  const changed = new Map<number, ChangedNight>();
  for (const one of sources) {
    const source = one as FileInputs;
    const known = knownOf(cursors, source.name);
    for (const file of source.files) {
      const recognised = await recognise(file, known, source.rowOptions);
      if (recognised.is === 'new') continue;
      const order = nightAt(nights, source.name, known.indexOf(recognised.file));
      const night = nights[order];
      if (recognised.is === 'known') {
        if (night === undefined || !(await isFollowed(log, night))) continue;
        const { done } = await source.reader([file], known).items().next();
        if (done === true) continue;
      }
      if (night === undefined || night.ranges.length === 0) {
        throw changedBefore(file, recognised.file);
      }
      changed.set(order, { source, night, order, files: filesOf(source, night, file) });
    }
  }
  return [...changed.values()].sort((a, b) => a.order - b.order);
}

/** Whether something was written after it: new rows of it then do not belong at the end. */
async function isFollowed(log: Log, { ranges }: Night): Promise<boolean> {
  const to = ranges.at(-1)?.to ?? [];
  return (await endsOf(log)).some((end, partition) => end > (to[partition] ?? 0));
}

/** @throws INPUT_CHANGED when not all files of the night are given */
function filesOf(source: FileInput, night: Night, changed: string): string[] {
  return night.files.map((name) => {
    const given = source.files.find((file) => baseName(file) === name);
    if (given !== undefined) return given;
    const problem = `it was loaded together with ${name}: give all files of that night`;
    throw inputChanged(changed, problem);
  });
}

/** A name that tells a night from the others of its application. */
export function nameOf({ source, first }: Night): string {
  return `${source}/${first}`;
}
