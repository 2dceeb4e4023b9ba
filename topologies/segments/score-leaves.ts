/**
 * Conditions on score and band as timelines, computed from change to change instead of hour by
 * hour.
 */
import { type BandStep, bandPath, suppressed } from '../engagement/bands.ts';
import type { Engagement } from '../engagement/engagement.ts';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import { gateChangesAt, gateIsShut } from '../engagement/gates.ts';
import type { ScoreCurve } from '../engagement/score.ts';
import type { BandNode, EngagementLeaf, OpenSignalNode, ScoreNode } from './definition.ts';
import { flipsUntil, never, type Timeline } from './timeline.ts';
import { compare } from './value-test.ts';

export interface EngagementView {
  readonly config: EngagementConfig;
  readonly state: Engagement;
  readonly curve: ScoreCurve;
  /** Nothing before this instant has changed; with the band at it. */
  readonly since: BandStep;
}

/** Upper bound of all instants: the walk over the bands needs an end. */
const endOfTime = Number.MAX_SAFE_INTEGER;

/** The timeline of a leaf that reads score, band or open signal, from `since` on. */
export function engagementTimeline(leaf: EngagementLeaf, view: EngagementView): Timeline {
  if (leaf.kind === 'score') return scoreTimeline(leaf, view);
  return leaf.kind === 'band' ? bandTimeline(leaf, view) : openSignalTimeline(leaf, view);
}

function scoreTimeline({ channel, op, value }: ScoreNode, view: EngagementView): Timeline {
  const { curve, since } = view;
  const of = channel ?? 'total';
  return walk(
    view,
    since.at,
    (at) => compare(curve.valueAt(of, at), op, value),
    // Without events a score only falls: the next change is when it passes the value or the next
    // higher one.
    (at) =>
      Math.min(
        curve.fallsBelow(of, value, at),
        curve.fallsBelow(of, value + 1, at),
        curve.opensAt(at),
      ),
  );
}

function bandTimeline(node: BandNode, view: EngagementView): Timeline {
  const { config, curve, state, since } = view;
  const events = state.instants.slice(flipsUntil(state.instants, since.at));
  const steps = bandPath(config, curve, since, events, endOfTime);
  const nameAt = (at: number) => {
    if (gateIsShut(state.gates, at)) return suppressed;
    const step = steps.findLast((one) => one.at <= at) as BandStep;
    return config.bands[step.band]?.name ?? '';
  };
  return walk(
    view,
    since.at,
    (at) => node.in.includes(nameAt(at)),
    (at) => {
      const step = steps.find((one) => one.at > at)?.at ?? never;
      return Math.min(step, gateChangesAt(state.gates, at));
    },
  );
}

function openSignalTimeline({ is }: OpenSignalNode, view: EngagementView): Timeline {
  const { curve, since } = view;
  const holds = (at: number) => curve.openSignalIsUnreliable(at) === (is === 'unreliable');
  return walk(view, since.at, holds, (at) => curve.opensAt(at));
}

/** Evaluates the leaf at every event and at every change that time alone causes. */
function walk(
  { state }: EngagementView,
  since: number,
  holds: (at: number) => boolean,
  changes: (at: number) => number,
): Timeline {
  const { instants } = state;
  const first = holds(since);
  const flips: number[] = [];
  let truth = first;
  let i = flipsUntil(instants, since);
  for (let at = since; ; ) {
    const event = instants[i] ?? never;
    const next = Math.min(event, changes(at));
    if (next === never) return { first, flips };
    if (next === event) i++;
    at = next;
    if (holds(at) !== truth) {
      truth = !truth;
      flips.push(at);
    }
  }
}

/** `line` with its part from `since` on replaced by `anew`. */
export function continued(line: Timeline, since: number, anew: Timeline): Timeline {
  const flips = line.flips.slice(0, flipsUntil(line.flips, since - 1));
  const truth = line.first !== (flips.length % 2 === 1);
  const turn = truth === anew.first ? [] : [since];
  return { first: line.first, flips: [...flips, ...turn, ...anew.flips] };
}
