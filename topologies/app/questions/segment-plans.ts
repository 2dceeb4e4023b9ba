/** What segments keep of a subject, and what they cost. */
import { checkPersonalisation, type PersonalisationConfig } from '../../personalisation.ts';
import { planSegments, type SegmentPlan } from '../../segments/segment-plan.ts';

/**
 * Plans of the segments of a configuration.
 * @throws CONFIG_INVALID for a segment that is refused
 */
export function segmentPlans(
  config: PersonalisationConfig,
  eventsPerDay: number,
): {
  readonly scored: number;
  readonly channels: readonly string[];
  readonly segments: readonly SegmentPlan[];
} {
  const { engagement, consent, segments } = checkPersonalisation(config);
  const { graceMs, refundMs } = engagement;
  const plans = planSegments(segments, { graceMs, refundMs, consent, eventsPerDay });
  const scored = Object.keys(engagement.classes).length;
  return { scored, channels: Object.keys(engagement.channels), segments: plans };
}
