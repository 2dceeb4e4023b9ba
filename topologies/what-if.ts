/**
 * Compares two configurations over the same events: who would enter and leave segments, and how
 * scores would shift.
 */
import type { Arrival, Event } from './event.ts';
import {
  checkPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from './personalisation.ts';
import { definitionHash } from './segments/canonical.ts';
import type { Categories } from './segments/categories.ts';
import type { ProfileLogic } from './subject/logic.ts';
import type { Profile } from './subject/profile.ts';
import { runSubject } from './subject/subject-run.ts';

export interface SegmentDifference {
  readonly id: string;
  /** Absent when the configuration before has no such segment. */
  readonly before?: { readonly version: number; readonly members: number };
  readonly after?: { readonly version: number; readonly members: number };
  readonly changed: boolean;
  /** Subjects, ascending. */
  readonly enter: readonly string[];
  readonly leave: readonly string[];
  readonly unchanged: number;
}

export interface ScoreShift {
  readonly subjects: number;
  /** Sums of all scores; divide by the number of subjects for means. */
  readonly before: number;
  readonly after: number;
  /** Number of subjects by difference of score. */
  readonly shifts: Readonly<Record<string, number>>;
  /** Subjects by band, before and after. */
  readonly bands: Readonly<Record<string, readonly [before: number, after: number]>>;
}

/** What two tables of categories make of the same events. */
export interface CategoryShift {
  /** Version; absent where there is no table. */
  readonly before?: number;
  readonly after?: number;
  readonly events: number;
  /** Of those whose category is another one; without `from` or `to` they have none. */
  readonly moved: readonly {
    readonly from?: string;
    readonly to?: string;
    readonly events: number;
  }[];
}

export interface WhatIf {
  readonly segments: readonly SegmentDifference[];
  readonly scores: ScoreShift;
  /** Absent where neither has a table. */
  readonly categories?: CategoryShift;
}

interface Tally {
  readonly enter: string[];
  readonly leave: string[];
  both: number;
}

/**
 * Runs every subject under both configurations without a pause. It may take minutes, so it belongs
 * in a thread of its own. The memberships compared are those at `until`, as known then.
 * @param subjects each with its events in order of arrival
 * @param until ms UTC
 */
export function whatIf(
  before: PersonalisationConfig,
  after: PersonalisationConfig,
  subjects: Iterable<readonly [subject: string, arrivals: readonly Arrival[]]>,
  until: number,
): WhatIf {
  const [old, anew] = [profileLogic(before), profileLogic(after)];
  const ids = [...new Set([...idsOf(old), ...idsOf(anew)])].sort();
  const tallies = new Map<string, Tally>(ids.map((id) => [id, { enter: [], leave: [], both: 0 }]));
  const shifts = new Map<string, number>();
  const bands = new Map<string, [number, number]>();
  const categories = new CategoryTally(before, after);
  let [count, sumBefore, sumAfter] = [0, 0, 0];
  for (const [subject, arrivals] of subjects) {
    for (const { event } of arrivals) categories.add(event);
    const [was, will] = [old, anew].map((logic) => outcome(logic, subject, arrivals, until));
    if (was === undefined || will === undefined) continue;
    count++;
    sumBefore += was.score;
    sumAfter += will.score;
    const shift = String(will.score - was.score);
    shifts.set(shift, (shifts.get(shift) ?? 0) + 1);
    for (const [i, band] of [was.band, will.band].entries()) {
      const both = bands.get(band) ?? [0, 0];
      both[i as 0 | 1]++;
      bands.set(band, both);
    }
    for (const [id, tally] of tallies) {
      const [isIn, willBe] = [was.members.has(id), will.members.has(id)];
      if (isIn && willBe) tally.both++;
      else if (willBe) tally.enter.push(subject);
      else if (isIn) tally.leave.push(subject);
    }
  }
  const segments = ids.map((id) => difference(id, old, anew, tallies.get(id) as Tally));
  return {
    segments,
    scores: {
      subjects: count,
      before: sumBefore,
      after: sumAfter,
      shifts: Object.fromEntries(shifts),
      bands: Object.fromEntries(bands),
    },
    ...categories.told(),
  };
}

/** Events by the category that they had and would have. */
class CategoryTally {
  readonly #tables: readonly (Categories | undefined)[];
  readonly #moved = new Map<string, { from?: string; to?: string; events: number }>();
  #events = 0;

  constructor(before: PersonalisationConfig, after: PersonalisationConfig) {
    this.#tables = [before, after].map((one) => checkPersonalisation(one).categories);
  }

  add(event: Event): void {
    const [old, anew] = this.#tables;
    if (old === undefined && anew === undefined) return;
    this.#events++;
    const [from, to] = [old?.of(event), anew?.of(event)];
    if (from === to) return;
    const key = JSON.stringify([from, to]);
    const moved = this.#moved.get(key) ?? {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      events: 0,
    };
    moved.events++;
    this.#moved.set(key, moved);
  }

  told(): Pick<WhatIf, 'categories'> {
    const [old, anew] = this.#tables.map((one) => one?.table.version);
    if (old === undefined && anew === undefined) return {};
    const moved = [...this.#moved]
      .sort(([a, one], [b, other]) => other.events - one.events || (a < b ? -1 : 1))
      .map(([, one]) => one);
    return {
      categories: {
        ...(old === undefined ? {} : { before: old }),
        ...(anew === undefined ? {} : { after: anew }),
        events: this.#events,
        moved,
      },
    };
  }
}

function idsOf({ segments }: ProfileLogic): string[] {
  return segments.program.roots.map(({ segment }) => segment.id);
}

function outcome(
  logic: ProfileLogic,
  subject: string,
  arrivals: readonly Arrival[],
  until: number,
) {
  const run = runSubject(logic, subject, arrivals);
  run.advanceTo(until);
  const { state } = run;
  if (state === undefined) return undefined;
  const { score, band } = logic.scoreOf(state, until);
  return { score, band, members: membersOf(state) };
}

function membersOf({ segments }: Profile): Set<string> {
  return new Set([...segments.members].flatMap(([id, one]) => (one.in ? [id] : [])));
}

function difference(
  id: string,
  old: ProfileLogic,
  anew: ProfileLogic,
  { enter, leave, both }: Tally,
): SegmentDifference {
  const [was, will] = [old, anew].map(({ segments: { program } }) => {
    const place = program.rootPlaces.get(id);
    return place === undefined ? undefined : program.roots[place]?.segment;
  });
  const hashes = [was, will].map((one) => (one === undefined ? '' : definitionHash(one)));
  return {
    id,
    ...(was === undefined
      ? {}
      : { before: { version: was.version, members: both + leave.length } }),
    ...(will === undefined
      ? {}
      : { after: { version: will.version, members: both + enter.length } }),
    changed: hashes[0] !== hashes[1],
    enter: enter.sort(),
    leave: leave.sort(),
    unchanged: both,
  };
}
