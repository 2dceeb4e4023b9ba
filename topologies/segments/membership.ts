/**
 * What has been reported of a subject in a segment, and what must be reported next. A reported end
 * is corrected by one that supersedes it. The ends that stand, in the order of their numbers,
 * alternate, begin with an entry and never go back in time. A membership that never was becomes an
 * interval of no length.
 */
import type { SegmentChange, SegmentState } from '../event.ts';
import { holdsAt, type Timeline } from './timeline.ts';

/** An end that was reported and may still be corrected. */
export type Told = readonly [at: number, seq: number];

export interface Membership {
  in: boolean;
  since: number;
  version: number;
  seq: number;
  /** Ascending by instant and by number. */
  ends: Told[];
  /** Hash of the definition that decided last. */
  definition: string;
  /** Since when that definition decides, ms UTC. */
  from: number;
}

/** A change without the parts that the subject adds: name, cause and witnesses. */
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
 * Brings the reported ends to `line` as of `now`, and returns what must be reported.
 * @param frozen ends up to this instant are no longer corrected, ms UTC
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
  // Ends that are left over become intervals of no length; an odd one gets one end more.
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

/** The ends that should stand: the frozen ones, then those of the timeline. */
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
    // For a new definition: the condition held before the kept past.
    truth = !truth;
    wanted.push(line.flips[0] === undefined ? now : Math.min(line.flips[0], now));
  }
  for (const at of line.flips) if (at > frozen && at <= now) wanted.push(at);
  return wanted;
}

/**
 * The places at which the reported and the wanted ends begin to differ; undefined when they do not.
 */
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

/** Starts another definition; earlier reports stand. */
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
 * Brings the reported ends to those of a recomputation, `target`, and returns what must be
 * reported. `target` is undefined when the recomputation never had the subject in the segment.
 * @param frozen nothing before it is kept, ms UTC
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

/** Corrects only the present, by one end. */
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

/** Forgets ends that can no longer be corrected. */
export function settleMembership(member: Membership, from: number): void {
  member.ends = member.ends.filter(([at]) => at > from);
}

/**
 * The intervals of one subject and segment after a stream of changes: those that stand and have a
 * length.
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
