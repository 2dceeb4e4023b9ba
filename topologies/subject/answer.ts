/**
 * What is answered about one subject: score, band, segments, traits, consents, and what changes
 * next.
 */
import { MillraceError } from 'millrace';
import { type ConsentEntry, consentAt } from '../accepted/consent.ts';
import type { Trait } from '../event.ts';
import type { TraitEntry } from '../segments/history.ts';
import type { Root } from '../segments/segment-program.ts';
import { holdsAt, lastFlip, never, nextFlip, type Timeline } from '../segments/timeline.ts';
import type { Profile } from './profile.ts';
import type { SubjectQuestions } from './subject-questions.ts';

export interface SubjectAnswer {
  /** The instant of the answer, ms UTC: the one asked for, else the subject's own clock. */
  readonly at: number;
  readonly score: number;
  /** 0..99, by channel. */
  readonly channels: Readonly<Record<string, number>>;
  readonly band: string;
  readonly segments: readonly SubjectSegment[];
  /** The traits that a segment reads. */
  readonly traits: Readonly<Record<string, { readonly value: Trait; readonly since: number }>>;
  /** By purpose. */
  readonly consents: Readonly<Record<string, SubjectConsent>>;
  /** The first change if nothing more arrives; absent when nothing changes. */
  readonly next?: NextChange;
  /** The subject that this one was merged into. */
  readonly mergedInto?: string;
  /** The subjects that were merged into this one. */
  readonly absorbed?: readonly string[];
  /** When it was erased, ms UTC. */
  readonly erased?: number;
}

export interface SubjectSegment {
  readonly id: string;
  readonly version: number;
  readonly in: boolean;
  /** Instant of the last change, ms UTC; absent when there was none. */
  readonly since?: number;
  /** Instant of the next change if nothing more arrives, ms UTC; absent for never. */
  readonly changesAt?: number;
}

export interface SubjectConsent {
  readonly status: 'granted' | 'withdrawn' | 'unknown';
  /** Instant of the statement, ms UTC. */
  readonly since?: number;
  /** End of the consent, ms UTC; absent for none. */
  readonly until?: number;
}

export interface NextChange {
  readonly at: number;
  readonly what: 'band' | 'segment';
  /** Ids of the segments that change at that instant. */
  readonly segments?: readonly string[];
}

/** Arguments of the question; with `segment` only members of that segment are answered. */
export interface SubjectArgs {
  /** ms UTC; default: the subject's own clock, up to which everything is decided. */
  readonly at?: number;
}

/**
 * Answers from a profile as it is kept. For a later instant than the subject's clock the answer
 * assumes that nothing more arrives until then.
 * @param clock of the subject, ms UTC: its newest event or timer
 * @throws CONFIG_INVALID for an instant before the settled past
 */
export function subjectAnswer(
  logic: SubjectQuestions,
  profile: Profile,
  clock: number,
  { at: asked }: SubjectArgs = {},
): SubjectAnswer {
  const at = asked ?? clock;
  const { from } = profile.segments.history;
  if (at < from) {
    const problem = `the past before ${new Date(from).toISOString()} is settled`;
    throw new MillraceError('CONFIG_INVALID', { field: 'at', problem });
  }
  const { score, subs, band } = logic.scoreOf(profile, at);
  const lines = logic.segments.timelines(profile.segments);
  const segments = logic.segments.program.roots.map((root) =>
    segmentAnswer(profile, root, lines(root.node), at, asked === undefined),
  );
  const { mergedInto, absorbed, erased } = profile;
  const next = nextChange(segments, logic.bandNext(profile, at));
  return {
    ...{ at, score, channels: subs, band, segments },
    traits: traitsOf(profile.segments.history.traits, at),
    consents: consentsOf(profile, at),
    ...(next === undefined ? {} : { next }),
    ...(mergedInto === undefined ? {} : { mergedInto }),
    ...(absorbed === undefined ? {} : { absorbed }),
    ...(erased === undefined ? {} : { erased }),
  };
}

/**
 * @param isNow whether to answer what was last reported, not a computed value of another instant
 */
function segmentAnswer(
  { segments }: Profile,
  { segment }: Root,
  line: Timeline,
  at: number,
  isNow: boolean,
): SubjectSegment {
  const { id, version } = segment;
  const told = segments.members.get(id);
  const next = nextFlip(line, at);
  const changes = next === never ? {} : { changesAt: next };
  if (isNow) {
    if (told === undefined) return { id, version, in: false, ...changes };
    const since = told.seq > 0 ? { since: told.since } : {};
    return { id, version: told.version, in: told.in, ...since, ...changes };
  }
  const turned = lastFlip(line, at);
  const since = turned === undefined ? {} : { since: turned };
  return { id, version, in: holdsAt(line, at), ...since, ...changes };
}

function nextChange(segments: readonly SubjectSegment[], band: number): NextChange | undefined {
  let at = never;
  for (const { changesAt = never } of segments) at = Math.min(at, changesAt);
  if (band < at) return { at: band, what: 'band' };
  if (at === never) return undefined;
  const ids = segments.filter(({ changesAt }) => changesAt === at).map(({ id }) => id);
  return { at, what: 'segment', segments: ids };
}

function traitsOf(
  traits: ReadonlyMap<string, readonly TraitEntry[]>,
  at: number,
): SubjectAnswer['traits'] {
  const known: [string, { value: Trait; since: number }][] = [];
  for (const [name, entries] of traits) {
    const last = entries.findLast((entry) => entry[0] <= at);
    if (last === undefined || last[2] === null) continue;
    known.push([name, { value: last[2], since: last[0] }]);
  }
  return Object.fromEntries(known.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function consentsOf({ accepted, segments }: Profile, at: number): SubjectAnswer['consents'] {
  const all = new Map<string, readonly ConsentEntry[]>([
    ...segments.history.consents,
    ...accepted.consents,
  ]);
  const told = [...all].map(([purpose, entries]) => {
    const status = consentAt(entries, at);
    const last = entries.findLast((entry) => entry[0] <= at);
    const since = last === undefined ? {} : { since: last[0] };
    const until = last?.[1] === true && last[2] !== null ? { until: last[2] } : {};
    return [purpose, { status, ...since, ...until }] as const;
  });
  return Object.fromEntries(told.sort(([a], [b]) => (a < b ? -1 : 1)));
}
