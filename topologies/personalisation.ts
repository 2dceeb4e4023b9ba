/**
 * The ready topology: from events of a subject to engagement score, band and segment memberships,
 * with durable timers for changes that time alone causes.
 */
import { type StoreRow, topology } from 'millrace';
import { aRecord, checkSettings, list, optional } from 'millrace/steps';
import { type ConsentConfig, checkConsent, defaultConsent } from './accepted/consent.ts';
import {
  checkMachine,
  defaultMachine,
  type MachineConfig,
  MachineRules,
} from './accepted/machine.ts';
import { suppressed } from './engagement/bands.ts';
import {
  checkEngagement,
  defaultEngagement,
  type EngagementConfig,
} from './engagement/engagement-config.ts';
import {
  activityLabels,
  events,
  lateEvents,
  scores,
  segmentChanges,
  segmentStates,
} from './event.ts';
import { addIdentity, identityLinks } from './identity.ts';
import type { SegmentText } from './segments/builder.ts';
import {
  Categories,
  type CategoryTable,
  categoryWarnings,
  withCategories,
} from './segments/categories.ts';
import { checkSegments, readSegments, type SegmentVocabulary } from './segments/check-segments.ts';
import { classWarnings, knownClasses, type Warning } from './segments/class-warnings.ts';
import type { Mistake } from './segments/definition-fields.ts';
import { defaultSegments } from './segments/examples.ts';
import { planSegments } from './segments/segment-plan.ts';
import { type SubjectArgs, subjectAnswer } from './subject/answer.ts';
import { ProfileLogic } from './subject/logic.ts';
import type { Output, Profile } from './subject/profile.ts';
import { profileSerde } from './subject/profile-codec.ts';
import { SubjectRules } from './subject/rules.ts';

/**
 * The configuration of the ready topology. A part that is left out has its default; a part that is
 * given replaces single settings of the default, and segments as a whole.
 */
export interface PersonalisationConfig {
  readonly engagement?: Partial<EngagementConfig>;
  readonly machine?: Partial<MachineConfig>;
  readonly consent?: Partial<ConsentConfig>;
  /** What browsing is about; segments read it as the field `category`. */
  readonly categories?: CategoryTable;
  readonly segments?: readonly SegmentText[];
}

/**
 * Checks a configuration.
 * @throws CONFIG_INVALID that names the field, also for a segment that exceeds its budget or a
 * purpose
 */
export function checkPersonalisation(config: PersonalisationConfig) {
  checkSettings('', config, {
    engagement: optional(aRecord),
    machine: optional(aRecord),
    consent: optional(aRecord),
    categories: optional(aRecord),
    segments: optional(list),
  });
  const engagement = checkEngagement({ ...defaultEngagement, ...config.engagement });
  const categories =
    config.categories === undefined ? undefined : new Categories(config.categories);
  const written = checkSegments(config.segments ?? defaultSegments, vocabularyOf(engagement));
  const segments = categories === undefined ? written : withCategories(written, categories);
  const machine = new MachineRules(checkMachine({ ...defaultMachine, ...config.machine }));
  const consent = checkConsent({ ...defaultConsent, ...config.consent });
  const { graceMs, refundMs } = engagement;
  planSegments(segments, { graceMs, refundMs, consent, eventsPerDay: 1 });
  return { engagement, machine, consent, segments, categories };
}

/**
 * Every mistake in the segments, each with its path.
 * @throws CONFIG_INVALID for mistakes elsewhere in the configuration
 */
export function lintPersonalisation(config: PersonalisationConfig): readonly Mistake[] {
  const { engagement } = checkPersonalisation({ ...config, segments: [] });
  return readSegments(config.segments ?? defaultSegments, vocabularyOf(engagement)).mistakes;
}

/**
 * Warnings about valid definitions that are probably mistakes: classes of events that nothing else
 * names.
 */
export function warnPersonalisation(config: PersonalisationConfig): readonly Warning[] {
  const { engagement, machine, categories } = checkPersonalisation({ ...config, segments: [] });
  const { definitions } = readSegments(
    config.segments ?? defaultSegments,
    vocabularyOf(engagement),
  );
  return [
    ...classWarnings(definitions, knownClasses(engagement, machine.config)),
    ...(categories === undefined ? [] : categoryWarnings(definitions, categories)),
  ];
}

function vocabularyOf({ bands, channels, graceMs }: EngagementConfig): SegmentVocabulary {
  const names = bands.map((band) => band.name);
  return { bands: [...names, suppressed], channels: Object.keys(channels), graceMs };
}

/** What the topology does for one subject; it can also score a stored profile at any instant. */
export function profileLogic(config: PersonalisationConfig): ProfileLogic {
  const { engagement, machine, consent, segments, categories } = checkPersonalisation(config);
  return new ProfileLogic(new SubjectRules(engagement, machine, consent, segments, categories));
}

/** Names of the bands, lowest first. */
export function bandOrder(config: PersonalisationConfig): readonly string[] {
  return checkPersonalisation(config).engagement.bands.map((band) => band.name);
}

export default function personalisation(config: PersonalisationConfig = {}) {
  const logic = profileLogic(config);
  return topology('personalisation', (t) => {
    const heard = t.stream(events);
    addIdentity(heard, t.stream(identityLinks));
    const results = heard.process<Profile, Output>('profiles', {
      // The results of a subject must not depend on when the events of others arrive.
      clock: 'key',
      state: profileSerde,
      topics: [segmentStates, activityLabels, scores, events],
      record: (context, event, timestamp) => logic.onEvent(context, event, timestamp),
      timer: (context, _name, at) => logic.onTimer(context, at),
    });
    const { score, change, late } = results.split({
      score: (output) => output.type === 'score',
      change: (output) => output.type === 'change',
      late: (output) => output.type === 'late',
    });
    score.flatMap((output) => (output.type === 'score' ? [output.score] : [])).to(scores);
    change
      .flatMap((output) => (output.type === 'change' ? [output.change] : []))
      .to(segmentChanges);
    late.flatMap((output) => (output.type === 'late' ? [output.event] : [])).to(lateEvents);
    const subjects = {
      store: 'profiles',
      show: ({ value, timestamp }: StoreRow<string, Profile>, args: unknown) =>
        subjectAnswer(logic, value, timestamp ?? 0, args as SubjectArgs | undefined),
    };
    return { profiles: { store: 'profiles' }, subjects };
  });
}
