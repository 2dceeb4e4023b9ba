/** What is kept of one subject, and what its logic needs of the operator that runs it. */
import type { ProcessContext } from 'millrace';
import { type Accepted, nothingAccepted } from '../accepted/accepted.ts';
import { type Engagement, noEngagement } from '../engagement/engagement.ts';
import type { Event, ScoreChange, SegmentChange } from '../event.ts';
import { noSegments, type SubjectSegments } from '../segments/subject-state.ts';

export interface Profile {
  accepted: Accepted;
  engagement: Engagement;
  /** Index of the band, without regard to the gate. */
  band: number;
  /** The past has changed: the band must be found again from the start of the kept bands. */
  retrace: boolean;
  emitted: { score: number; subs: Record<string, number>; band: string } | undefined;
  segments: SubjectSegments;
  /**
   * The greatest instant of the subject's own events, ms UTC. Lateness is judged by it, and not by
   * timers that the time of other subjects fires. Absent in older profiles.
   */
  clock?: number;
  /**
   * The subject that this one was merged into: its events are passed on, and nothing else is kept.
   */
  mergedInto?: string;
  /** The subjects that were merged into this one. */
  absorbed?: readonly string[];
  /** When the subject was erased, ms UTC: nothing else is kept, and no event is taken in. */
  erased?: number;
}

export type Output =
  | { readonly type: 'score'; readonly score: ScoreChange }
  | { readonly type: 'change'; readonly change: SegmentChange }
  | { readonly type: 'late'; readonly event: Event };

/** What the logic needs of the operator that runs it. */
export type ProfileContext = Pick<
  ProcessContext<string, Profile, Output>,
  'key' | 'state' | 'now' | 'emit' | 'emitTo' | 'setTimer' | 'cancelTimer' | 'drop'
>;

/** The profile of an unknown subject. */
export function emptyProfile(): Profile {
  return {
    accepted: nothingAccepted(),
    engagement: noEngagement(),
    band: 0,
    retrace: false,
    emitted: undefined,
    segments: noSegments(),
  };
}

/**
 * The clock of a profile; for a new profile, and for an older one without a clock, that of the
 * operator.
 */
export function clockOf({ now }: ProfileContext, { clock = now }: Profile): number {
  return clock;
}
