/**
 * What changed in the events of a night, by subject, and whether a correction can bring it about.
 */
import type { Log } from 'millrace/engine';
import { inputChanged, partitionOf } from '../../../engine/cli/index.ts';
import { type Arrival, type Event, events } from '../../event.ts';
import type { Profile } from '../../subject/profile.ts';
import {
  absorbedClass,
  correctedClass,
  erasedClass,
  mergedClass,
  redefinedClass,
  splitClass,
} from '../../subject/subject-classes.ts';
import { dayMs } from '../../time-units.ts';
import type { LogEdits } from '../questions/log-edits.ts';
import { type TakenEvent, takenEvents } from '../questions/taken-events.ts';
import { type ChangedNight, nameOf } from './nights.ts';

/**
 * How far an event may be ahead of the application's time, and of the machine's clock, as the guard
 * has it.
 */
const aheadOfTimeMs = 366 * dayMs;
const aheadOfClockMs = dayMs;

export async function eventsOfNight(
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

/** Whether the application wrote it, and not the sender of the input. */
function isOurs({ class: name, id, via }: Event): boolean {
  if (via !== undefined || [absorbedClass, redefinedClass, correctedClass].includes(name)) {
    return true;
  }
  return name === mergedClass && id.startsWith('identity ');
}

/** What changed in one subject's events of the night. */
export interface Difference {
  readonly gone: readonly number[];
  readonly rows: readonly Arrival[];
  readonly before: number;
  readonly removed: readonly Event[];
  readonly added: number;
}

export function differencesOf(
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

/**
 * Equal events at the start and at the end are left out, unless an earlier correction added them.
 */
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

/** @throws INPUT_CHANGED for a change whose result depends on other subjects */
export function checkDifference(
  { files }: ChangedNight,
  profile: Profile | undefined,
  { removed, rows }: Difference,
  clock: number,
): void {
  const fail = (why: string) => {
    throw inputChanged(files[0] ?? '', `${why}, which a correction cannot take back or bring`);
  };
  if ((profile?.mergedInto ?? profile?.absorbed) !== undefined) {
    fail('one of its people was merged with another');
  }
  for (const event of [...removed, ...rows.map((row) => row.event)]) {
    if ([mergedClass, splitClass].includes(event.class)) fail(`it holds ${event.class}`);
    if (event.class === erasedClass) fail('it has an erasure');
    if ((event.identities?.length ?? 0) > 1)
      fail('one of its rows joins two identifiers of a person');
  }
  const latest = Math.min(Math.max(clock, 0) + aheadOfTimeMs, Date.now() + aheadOfClockMs);
  const ahead = rows.find(({ at }) => at > latest);
  if (ahead === undefined) return;
  fail(`one of its events is at ${new Date(ahead.at).toISOString()}, too far ahead`);
}
