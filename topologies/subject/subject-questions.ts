/** Questions about a subject; they change nothing. */
import { bandAfter, bandChangesAt } from '../engagement/bands.ts';
import type { Companions } from '../engagement/companions.ts';
import { companions, curveOf } from '../engagement/engagement.ts';
import { explainScore, type ScoreExplanation } from '../engagement/explain-score.ts';
import type { Score } from '../engagement/score.ts';
import { type Explanation, explain } from '../segments/explain.ts';
import { rootOf } from '../segments/segment-program.ts';
import type { SegmentLogic } from '../segments/subject.ts';
import type { Timeline } from '../segments/timeline.ts';
import type { Profile } from './profile.ts';
import { bandName, type SubjectRules } from './rules.ts';
import { type SubjectStory, subjectStory } from './story.ts';

export class SubjectQuestions {
  readonly rules: SubjectRules;

  constructor(rules: SubjectRules) {
    this.rules = rules;
  }

  get segments(): SegmentLogic {
    return this.rules.segments;
  }

  /** Score of a profile at an instant (ms UTC), as `query` and the report of a run show it. */
  scoreOf(profile: Profile, at: number): Score & { readonly band: string } {
    const score = curveOf(this.rules.config, profile.engagement).at(at);
    const band = bandAfter(this.rules.config, score.score, profile.band);
    return { ...score, band: bandName(this.rules, profile, band, at) };
  }

  /** The parts of a score at an instant (ms UTC) that is not before the settled past. */
  explainScore(profile: Profile, at: number): ScoreExplanation & { readonly band: string } {
    const why = explainScore(this.rules.config, profile.engagement, at);
    return { ...why, band: this.scoreOf(profile, at).band };
  }

  /** Score, events, gates and segments of a profile over time; see story.ts. */
  storyOf(
    profile: Profile,
    clock: number,
    asked: { readonly from?: number; readonly to?: number } = {},
  ): SubjectStory {
    const score = this.explainScore(profile, clock);
    const parts = { config: this.rules.config, segments: this.rules.segments, score };
    return subjectStory(parts, profile, clock, asked);
  }

  /**
   * The next instant after `at` (ms UTC) at which the band or the gate changes if nothing arrives;
   * +Infinity for never.
   */
  bandNext(profile: Profile, at: number): number {
    const curve = curveOf(this.rules.config, profile.engagement);
    const band = bandAfter(this.rules.config, curve.at(at).score, profile.band);
    return bandChangesAt(this.rules.config, curve, band, at);
  }

  /** Recency, frequencies and money of a profile at the hour of an instant. */
  companionsOf(profile: Profile, at: number): Companions {
    return companions(this.rules.config, profile.engagement, at);
  }

  /**
   * Why a subject is in a segment or not at an instant (ms UTC), if nothing more arrives until
   * then. The instant must not be before the settled past. @throws CONFIG_INVALID for an unknown
   * segment
   */
  explain(subject: string, profile: Profile, id: string, at: number): Explanation {
    const root = rootOf(this.rules.segments.program, id);
    return explain(this.rules.segments, profile.segments, subject, root, at);
  }

  /**
   * When a subject is in a segment, as far as the past is kept and the future is known now: ends
   * may lie in the future.
   */
  timelineOf(profile: Profile, id: string): Timeline {
    return this.rules.segments.timelineOf(
      profile.segments,
      rootOf(this.rules.segments.program, id),
    );
  }
}
