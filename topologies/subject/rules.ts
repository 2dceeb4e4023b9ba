/** The rules that decide subjects: the configuration, checked and compiled. */
import { AcceptedSet } from '../accepted/accepted.ts';
import type { ConsentConfig } from '../accepted/consent.ts';
import type { MachineRules } from '../accepted/machine.ts';
import { suppressed } from '../engagement/bands.ts';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import { gateIsShut } from '../engagement/gates.ts';
import type { Categories } from '../segments/categories.ts';
import type { SegmentDefinition } from '../segments/definition.ts';
import { SegmentLogic } from '../segments/subject.ts';
import type { Profile } from './profile.ts';

export class SubjectRules {
  readonly config: EngagementConfig;
  readonly segments: SegmentLogic;
  readonly accepted: AcceptedSet;
  readonly machineVersion: number;
  /** How long the past may still change, ms. */
  readonly keepMs: number;

  constructor(
    config: EngagementConfig,
    machine: MachineRules,
    consent: ConsentConfig,
    segments: readonly SegmentDefinition[],
    categories?: Categories,
  ) {
    this.config = config;
    this.segments = new SegmentLogic(segments, consent.unknown, categories);
    this.accepted = new AcceptedSet(config, machine, consent);
    this.machineVersion = machine.config.version;
    this.keepMs = config.graceMs + config.refundMs;
  }
}

/** The name of a band at an instant (ms UTC); `suppressed` while a gate is shut. */
export function bandName(
  { config }: SubjectRules,
  profile: Profile,
  band: number,
  at: number,
): string {
  if (gateIsShut(profile.engagement.gates, at)) return suppressed;
  return config.bands[band]?.name ?? '';
}
