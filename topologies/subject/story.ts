/**
 * The story of one subject for a picture: its score over time, the events behind it, and when it
 * was in which segment.
 */
import { consentAt } from '../accepted/consent.ts';
import { type BandStep, suppressed } from '../engagement/bands.ts';
import { hourOf } from '../engagement/counts.ts';
import { bandsUntil, curveOf } from '../engagement/engagement.ts';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import type { ScoreExplanation } from '../engagement/explain-score.ts';
import { type Gates, gateChangesAt, gateIsShut } from '../engagement/gates.ts';
import type { ScoreCurve } from '../engagement/score.ts';
import type { Trait } from '../event.ts';
import type { SegmentLogic } from '../segments/subject.ts';
import { holdsAt, type Interval, nextFlip, type Timeline } from '../segments/timeline.ts';
import { type SegmentJson, segmentToJson } from '../segments/unparse.ts';
import { dayMs, hourMs } from '../time-units.ts';
import type { Profile } from './profile.ts';

/** All instants are ms UTC. */
export interface SubjectStory {
  /** The subject's own clock, up to which everything is decided: its newest event or timer. */
  readonly at: number;
  /** First instant of the picture. */
  readonly from: number;
  readonly to: number;
  /** Ascending; from `at` on as if nothing more arrived. */
  readonly curve: readonly (readonly [at: number, score: number])[];
  readonly bounds: readonly { readonly name: string; readonly from: number }[];
  /** The band from each instant on; those after `at` come if nothing more arrives. */
  readonly bands: readonly { readonly at: number; readonly band: string }[];
  /** What was counted, by class and hour, oldest first. */
  readonly marks: readonly Mark[];
  /** When a gate was shut, so that its channel counted nothing. */
  readonly gated: readonly Interval[];
  readonly gatedChannel: string;
  readonly score: ScoreExplanation & { readonly band: string };
  /** The segments keep nothing from before this instant; absent when everything is kept. */
  readonly knownFrom?: number;
  readonly segments: readonly SegmentStory[];
  readonly consents: readonly ConsentStory[];
  readonly traits: Readonly<Record<string, { readonly value: Trait; readonly since: number }>>;
  /** Changes until `to` if nothing more arrives, earliest first. */
  readonly coming: readonly Coming[];
  readonly mergedInto?: string;
  readonly absorbed?: readonly string[];
  readonly erased?: number;
}

export interface Mark {
  readonly at: number;
  readonly class: string;
  readonly channel: string;
  readonly items: number;
  /** The first items, as far as they are kept. */
  readonly which?: readonly string[];
}

export interface SegmentStory {
  readonly id: string;
  readonly version: number;
  readonly description?: string;
  /** The definition as JSON; durations in ms. */
  readonly definition: SegmentJson;
  readonly in: boolean;
  /** When the subject is in the segment, within the picture. */
  readonly intervals: readonly Interval[];
  readonly changesAt?: number;
}

export interface ConsentStory {
  readonly purpose: string;
  readonly status: 'granted' | 'withdrawn' | 'unknown';
  /** When the status was stated, and until when it holds. */
  readonly since?: number;
  readonly until?: number;
}

export type Coming =
  | { readonly at: number; readonly what: 'band'; readonly band: string }
  | { readonly at: number; readonly what: 'gate'; readonly shut: boolean }
  | {
      readonly at: number;
      readonly what: 'segment';
      readonly segment: string;
      readonly enters: boolean;
    };

export interface StoryParts {
  readonly config: EngagementConfig;
  readonly segments: SegmentLogic;
  readonly score: ScoreExplanation & { readonly band: string };
}

const usual = { back: 90 * dayMs, ahead: 45 * dayMs };
const samples = 400;
const marksMost = 2_000;
const whichMost = 5;
const comingMost = 20;

/**
 * @param clock of the subject, ms UTC
 * @param asked what to show; by default 90 days back and 45 ahead
 */
export function subjectStory(
  { config, segments, score }: StoryParts,
  profile: Profile,
  clock: number,
  asked: { readonly from?: number; readonly to?: number } = {},
): SubjectStory {
  const { from = clock - usual.back, to = clock + usual.ahead } = asked;
  const { engagement } = profile;
  const curve = curveOf(config, engagement);
  const marks = marksOf(config, profile, from, to);
  const steps = bandsUntil(config, engagement, curve, to);
  const gated = gatedIn(engagement.gates, from, to);
  const stories = segmentStories(segments, profile, clock, from, to);
  const { mergedInto, absorbed, erased } = profile;
  const settled = profile.segments.history.from;
  const bands = steps.map(({ at, band }) => ({ at: Math.max(at, 0), band: nameOf(config, band) }));
  const band = (at: number) => (gateIsShut(engagement.gates, at) ? suppressed : undefined);
  return {
    ...{ at: clock, from, to, marks, gated, score, bands },
    curve: curveIn(curve, marks, clock, from, to),
    bounds: config.bands,
    gatedChannel: config.gatedChannel,
    ...(Number.isFinite(settled) ? { knownFrom: settled } : {}),
    segments: stories,
    consents: consentsOf(profile, clock),
    traits: traitsOf(profile, clock),
    coming: comingOf(config, steps, engagement.gates, stories, clock, to, band),
    ...(mergedInto === undefined ? {} : { mergedInto }),
    ...(absorbed === undefined ? {} : { absorbed }),
    ...(erased === undefined ? {} : { erased }),
  };
}

function nameOf(config: EngagementConfig, band: number): string {
  return config.bands[band]?.name ?? '';
}

/** Samples at regular instants, and at each mark, where the curve jumps. */
function curveIn(
  curve: ScoreCurve,
  marks: readonly Mark[],
  clock: number,
  from: number,
  to: number,
): [number, number][] {
  const step = Math.max(hourMs, Math.ceil((to - from) / samples / hourMs) * hourMs);
  const instants = new Set<number>([clock]);
  for (let at = hourOf(from) * hourMs; at <= to; at += step) instants.add(Math.max(at, from));
  // Events count from their own instants on; at the end of the hour all of them do.
  for (const { at } of marks.slice(-samples)) {
    instants.add(Math.max(from, at - 1));
    instants.add(Math.min(at + hourMs - 1, at > clock ? to : Math.max(at, clock)));
  }
  return [...instants]
    .filter((at) => at >= from && at <= to)
    .sort((a, b) => a - b)
    .map((at) => [at, curve.at(at).score]);
}

function marksOf(config: EngagementConfig, profile: Profile, from: number, to: number): Mark[] {
  const marks: Mark[] = [];
  for (const [name, hours] of profile.engagement.counts.hours) {
    const channel = config.classes[name]?.channel;
    if (channel === undefined) continue;
    for (const [hour, held] of Object.entries(hours)) {
      const at = Number(hour) * hourMs;
      const items = typeof held === 'number' ? held : held.size;
      if (items === 0 || at < from - hourMs || at > to) continue;
      const first = typeof held === 'number' ? at : Math.min(...[...held.values()].flat());
      const which = typeof held === 'number' ? undefined : [...held.keys()].slice(0, whichMost);
      const mark = { at: Number.isFinite(first) ? first : at, class: name, channel, items };
      marks.push(which === undefined ? mark : { ...mark, which });
    }
  }
  return marks.sort((a, b) => a.at - b.at).slice(-marksMost);
}

/**
 * Intervals in which the gates are shut; their state is computed between the instants at which it
 * may change.
 */
function gatedIn(gates: Gates, from: number, to: number): Interval[] {
  const instants = new Set<number>([from]);
  for (const at of Object.values(gates.events).flat()) instants.add(at);
  for (const [at, , until] of gates.consent) {
    instants.add(at);
    if (until !== null) instants.add(until);
  }
  for (const at of [...instants]) {
    const next = gateChangesAt(gates, at);
    if (Number.isFinite(next)) instants.add(next);
  }
  const within = [...instants].filter((at) => at >= from && at <= to).sort((a, b) => a - b);
  const shut: Interval[] = [];
  within.forEach((at, i) => {
    if (!gateIsShut(gates, at)) return;
    const end = within[i + 1] ?? to;
    const last = shut.at(-1);
    if (last !== undefined && last[1] === at) shut[shut.length - 1] = [last[0], end];
    else shut.push([at, end]);
  });
  return shut;
}

function segmentStories(
  logic: SegmentLogic,
  profile: Profile,
  clock: number,
  from: number,
  to: number,
): SegmentStory[] {
  const lines = logic.timelines(profile.segments);
  return logic.program.roots.map(({ segment, node }) => {
    const line = lines(node);
    const told = profile.segments.members.get(segment.id);
    const next = nextFlip(line, clock);
    const { id, version, description } = segment;
    return {
      ...{ id, version, definition: segmentToJson(segment) },
      ...(description === undefined ? {} : { description }),
      in: told?.in ?? holdsAt(line, clock),
      intervals: intervalsIn(line, from, to, told?.in === true ? told.since : undefined),
      ...(Number.isFinite(next) ? { changesAt: next } : {}),
    };
  });
}

function intervalsIn(
  { first, flips }: Timeline,
  from: number,
  to: number,
  since: number | undefined,
): Interval[] {
  const ends = first ? [flips[0] === undefined ? (since ?? from) : from, ...flips] : [...flips];
  const intervals: Interval[] = [];
  for (let i = 0; i < ends.length; i += 2) {
    const [start, end] = [Math.max(from, ends[i] as number), Math.min(to, ends[i + 1] ?? to)];
    if (start < end) intervals.push([start, end]);
  }
  return intervals;
}

function consentsOf({ accepted, segments }: Profile, at: number): ConsentStory[] {
  const all = new Map([...segments.history.consents, ...accepted.consents]);
  return [...all]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([purpose, entries]) => {
      const last = entries.findLast((entry) => entry[0] <= at);
      const until = last?.[1] === true ? last[2] : null;
      return {
        ...{ purpose, status: consentAt(entries, at) },
        ...(last === undefined ? {} : { since: last[0] }),
        ...(until === null ? {} : { until }),
      };
    });
}

function traitsOf({ segments }: Profile, at: number): SubjectStory['traits'] {
  const known = [...segments.history.traits].flatMap(([name, entries]) => {
    const last = entries.findLast((entry) => entry[0] <= at);
    return last === undefined || last[2] === null
      ? []
      : [[name, { value: last[2], since: last[0] }] as const];
  });
  return Object.fromEntries(known.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function comingOf(
  config: EngagementConfig,
  steps: readonly BandStep[],
  gates: Gates,
  segments: readonly SegmentStory[],
  clock: number,
  to: number,
  gateBand: (at: number) => string | undefined,
): Coming[] {
  const coming: Coming[] = [];
  for (const { at, band } of steps) {
    if (at > clock && gateBand(at) === undefined) {
      coming.push({ at, what: 'band', band: nameOf(config, band) });
    }
  }
  const opens = gateChangesAt(gates, clock);
  if (opens <= to) coming.push({ at: opens, what: 'gate', shut: gateIsShut(gates, opens) });
  for (const { id, intervals } of segments) {
    for (const [start, end] of intervals) {
      if (start > clock) coming.push({ at: start, what: 'segment', segment: id, enters: true });
      if (end > clock && end < to) {
        coming.push({ at: end, what: 'segment', segment: id, enters: false });
      }
    }
  }
  return coming.sort((a, b) => a.at - b.at).slice(0, comingMost);
}
