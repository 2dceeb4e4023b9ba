/** What is kept of one subject, and what its logic needs of the operator that runs it. */
import type { ProcessContext } from 'millrace';
import { type Accepted, nothingAccepted } from '../accepted/accepted.ts';
import { type Engagement, noEngagement } from '../engagement/engagement.ts';
import type { Event, ScoreChange, SegmentChange } from '../event.ts';
import { noSegments, type SubjectSegments } from '../segments/subject-state.ts';

export interface Profile {
  accepted: Accepted;
  engagement: Engagement;
  /** Index of the band, apart from the gate. */
  band: number;
  /** The band is to be found from the start of its way: what is past has changed. */
  retrace: boolean;
  emitted: { score: number; subs: Record<string, number>; band: string } | undefined;
  segments: SubjectSegments;
  /**
   * The greatest instant of the subject's own events, ms UTC: what is late for it depends on them
   * alone, not on timers that others' time has made fire. Absent in profiles from before there was
   * one.
   */
  clock?: number;
  /** Who goes on for the subject: its events are passed on, nothing else is kept. */
  mergedInto?: string;
  /** Whom the subject goes on for. */
  absorbed?: readonly string[];
  /** When the subject was erased, ms UTC: nothing else is kept, and nothing more is taken in. */
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

/** Of a subject of which nothing is known. */
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

/** Of a profile from before there was a clock, and of a new one, that of the operator. */
export function clockOf({ now }: ProfileContext, { clock = now }: Profile): number {
  return clock;
}
