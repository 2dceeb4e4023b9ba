/**
 * `millrace/personalisation`: the ready topology, its configuration, and the builder of segments.
 */
export type { ConsentConfig } from './accepted/consent.ts';
export { defaultConsent } from './accepted/consent.ts';
export type { MachineConfig, MachineRule } from './accepted/machine.ts';
export { defaultMachine } from './accepted/machine.ts';
export {
  type Band,
  type Channel,
  defaultEngagement,
  type EngagementConfig,
  type EventClass,
  type Money,
  type OpenSignal,
} from './engagement/engagement-config.ts';
export {
  type ActivityLabel,
  activityLabels,
  type ChangeCause,
  type Event,
  type Evidence,
  events,
  lateEvents,
  type ScoreChange,
  type SegmentChange,
  type SegmentState,
  scores,
  segmentChanges,
  segmentStates,
  type Trait,
} from './event.ts';
export {
  checkPersonalisation,
  default,
  default as personalisation,
  lintPersonalisation,
  type PersonalisationConfig,
  warnPersonalisation,
} from './personalisation.ts';
export {
  type AggregateFields,
  abandoned,
  absent,
  all,
  any,
  avg,
  band,
  bucket,
  type Condition,
  type CountFields,
  calendar,
  consent,
  count,
  type Duration,
  definitions,
  held,
  inSegment,
  latch,
  type Matching,
  max,
  min,
  not,
  once,
  openSignal,
  type SegmentText,
  score,
  sequence,
  sum,
  trait,
  type Where,
} from './segments/builder.ts';
export type { CategoryRule, CategoryTable } from './segments/categories.ts';
export { defaultSegments } from './segments/examples.ts';
