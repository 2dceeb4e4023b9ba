/**
 * What has been told of a subject in a segment, and what is to be told next. Ends that were told
 * are corrected by ends that supersede them, so that the ends that stand, in the order of their
 * numbers, alternate, begin with an entry and never go back in time. What never was becomes an
 * interval of no length.
 */
import type { SegmentChange, SegmentState } from '../event.ts';
import { holdsAt, type Timeline } from './timeline.ts';

/** An end that was told and may still be corrected. */
export type Told = readonly [at: number, seq: number];

export interface Membership {
  in: boolean;
  since: number;
  version: number;
  seq: number;
  /** Ascending by both. */
  ends: Told[];
  /** Hash of the definition by which it was decided, and since when that holds; ms UTC. */
  definition: string;
  from: number;
}

/** A change without what the subject adds: its name, cause and witnesses. */
export type End = Pick<SegmentChange, 'seq' | 'type' | 'effectiveAt'> & {
  readonly supersedes?: number;
};

export function noMembership(version: number, definition: string): Membership {
  const from = Number.NEGATIVE_INFINITY;
  return { in: false, since: 0, version, seq: 0, ends: [], definition, from };
}

export function stateOf({ in: isIn, since, version, seq }: Membership): SegmentState {
  return { in: isIn, since, version, seq };
}

/**
 * Brings what was told to `line` as of `now`; answers what is to be told.
 * @param frozen ends up to this instant are corrected no more, ms UTC
 */
export function tell(
  member: Membership,
  line: Timeline,
  now: number,
  corrections: 'emit' | 'none',
  frozen: number,
): End[] {
  if (corrections === 'none') return tellPresent(member, line, now);
  const { ends } = member;
  const before = member.in !== (ends.length % 2 === 1);
  const wanted = wantedEnds(before, ends, line, now, frozen);
  const first = firstDifference(ends, wanted);
  if (first === undefined) return [];
  let [kept] = first;
  const replaced = ends.slice(kept);
  const anew = wanted.slice(first[1]);
  const last = anew.at(-1) ?? replaced[0]?.[0] ?? now;
  // What is left over becomes intervals without length; an odd one is closed by one end more.
  while (anew.length < replaced.length) anew.push(last, last);
  for (; replaced[0] !== undefined && replaced[0][0] === anew[0]; kept++) {
    replaced.shift();
    anew.shift();
  }
  const told: End[] = [];
  ends.length = kept;
  let isIn = before !== (kept % 2 === 1);
  anew.forEach((at, i) => {
    isIn = !isIn;
    const supersedes = replaced[i]?.[1];
    told.push(push(member, isIn, at, supersedes));
  });
  return told;
}

/** The ends that should stand: those frozen, then those of the timeline. */
function wantedEnds(
  before: boolean,
  ends: readonly Told[],
  line: Timeline,
  now: number,
  frozen: number,
): number[] {
  const wanted = ends.map(([at]) => at).filter((at) => at <= frozen);
  let truth = before !== (wanted.length % 2 === 1);
  if (frozen > Number.NEGATIVE_INFINITY && holdsAt(line, frozen) !== truth) {
    truth = !truth;
    wanted.push(frozen);
  } else if (frozen === Number.NEGATIVE_INFINITY && line.first !== truth) {
    // Of a definition that is new: it held before all that is kept.
    truth = !truth;
    wanted.push(line.flips[0] === undefined ? now : Math.min(line.flips[0], now));
  }
  for (const at of line.flips) if (at > frozen && at <= now) wanted.push(at);
  return wanted;
}

/** Where what was told ceases to be what is wanted: as places in both; undefined: nowhere. */
function firstDifference(
  ends: readonly Told[],
  wanted: readonly number[],
): readonly [ends: number, wanted: number] | undefined {
  let [i, j] = [0, 0];
  for (;;) {
    if (i === ends.length && j === wanted.length) return undefined;
    const at = ends[i]?.[0];
    const isVoid = at !== undefined && at === ends[i + 1]?.[0];
    if (isVoid && at <= (wanted[j] ?? at)) i += 2;
    else if (at !== undefined && at === wanted[j]) {
      i++;
      j++;
    } else return [i, j];
  }
}

/** Another definition decides from now on: what was told before stands. */
export function redefine(
  member: Membership,
  line: Timeline,
  now: number,
  version: number,
  definition: string,
): End[] {
  member.ends = [];
  member.from = now;
  member.definition = definition;
  member.version = version;
  const holds = holdsAt(line, now);
  return holds === member.in ? [] : [push(member, holds, now, undefined)];
}

/**
 * Brings what was told to what a recomputation has told, `target`; answers what is to be told. A
 * subject that the recomputation never had in the segment has no `target`.
 * @param frozen what lies before is not kept, ms UTC
 */
export function retell(
  member: Membership,
  target: Membership | undefined,
  now: number,
  corrections: 'emit' | 'none',
  frozen: number,
): End[] {
  const flips: number[] = [];
  for (const [at] of target?.ends ?? []) {
    if (flips.at(-1) === at) flips.pop();
    else flips.push(at);
  }
  const isIn = target?.in === true;
  const line = { first: isIn !== (flips.length % 2 === 1), flips };
  const ends = tell(member, line, now, corrections, frozen);
  if (target === undefined) return ends;
  member.since = target.since;
  member.version = target.version;
  member.definition = target.definition;
  member.from = target.from;
  return ends;
}

/** Only the present is put right, by one end. */
function tellPresent(member: Membership, line: Timeline, now: number): End[] {
  const holds = holdsAt(line, now);
  if (holds === member.in) return [];
  const turned = line.flips.findLast((at) => at <= now) ?? now;
  return [push(member, holds, Math.max(turned, member.since), undefined)];
}

function push(member: Membership, isIn: boolean, at: number, supersedes: number | undefined): End {
  member.seq++;
  member.in = isIn;
  member.since = at;
  member.ends.push([at, member.seq]);
  const type = isIn ? 'entered' : 'exited';
  const end = { seq: member.seq, type, effectiveAt: at } as const;
  return supersedes === undefined ? end : { ...end, supersedes };
}

/** Forgets the ends that can be corrected no more. */
export function settleMembership(member: Membership, from: number): void {
  member.ends = member.ends.filter(([at]) => at > from);
}

/**
 * The intervals that a stream of changes of one subject and segment tells: what stands, without
 * what has no length.
 */
export function fold(
  changes: readonly (Pick<SegmentChange, 'seq' | 'type' | 'effectiveAt'> & {
    readonly supersedes?: number;
  })[],
): { readonly at: number; readonly in: boolean }[] {
  const gone = new Set(changes.flatMap(({ supersedes }) => supersedes ?? []));
  const standing = changes.filter(({ seq }) => !gone.has(seq)).sort((a, b) => a.seq - b.seq);
  const ends: { at: number; in: boolean }[] = [];
  for (const { effectiveAt: at, type } of standing) {
    if (ends.at(-1)?.at === at) ends.pop();
    else ends.push({ at, in: type === 'entered' });
  }
  return ends;
}
