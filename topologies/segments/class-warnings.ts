/** Warns of classes that only a definition names: mostly a misspelling. */
import { refundClass } from '../accepted/accepted.ts';
import { consentGranted, consentWithdrawn } from '../accepted/consent.ts';
import type { MachineConfig } from '../accepted/machine.ts';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import { gateEvents } from '../engagement/gates.ts';
import { childrenOf, type Expression, type Leaf, type SegmentDefinition } from './definition.ts';
import { matchesOf } from './matches.ts';
import { nearest } from './nearest.ts';

/** Classes to which the configuration, or the application itself, gives a meaning. */
export function knownClasses(engagement: EngagementConfig, machine: MachineConfig): Set<string> {
  return new Set([
    ...Object.keys(engagement.classes),
    ...engagement.money.classes,
    engagement.openSignal.human,
    engagement.openSignal.machine,
    ...gateEvents.keys(),
    ...Object.entries(machine.of).flat(),
    ...machine.clicks,
    machine.delivered,
    ...usual,
    refundClass,
    consentGranted,
    consentWithdrawn,
  ]);
}

/** Further classes that the shipped mappings produce. */
const usual = [
  'edit',
  'email_auth_failure',
  'email_auto_reply',
  'email_deferred',
  'email_dropped',
  'email_not_spam',
  'email_preferences',
  'email_sent',
  'email_soft_bounce',
  'in_app_click',
  'in_app_open',
  'in_app_sent',
  'other',
  'profile_updated',
  'push_bounce',
  'push_click',
  'push_deferred',
  'push_delivered',
  'push_dropped',
  'push_open',
  'push_sent',
  'sms_bounce',
  'sms_click',
  'sms_deferred',
  'sms_delivered',
  'sms_dropped',
  'sms_sent',
];

export interface Warning {
  readonly path: string;
  readonly problem: string;
}

/** One warning for each segment and class, in the order of the definitions. */
export function classWarnings(
  segments: readonly SegmentDefinition[],
  known: ReadonlySet<string>,
): readonly Warning[] {
  return segments.flatMap(({ id, when }) => {
    const unknown = [...new Set(classesIn(when))].filter((name) => !known.has(name));
    return unknown.map((name) => {
      const near = nearest(name, [...known]);
      const hint = near === undefined ? 'the mapping must make it' : `did you mean ${near}?`;
      const problem = `no part of the configuration knows the class ${JSON.stringify(name)}; ${hint}`;
      return { path: `segment ${id}`, problem };
    });
  });
}

function classesIn(node: Expression): readonly string[] {
  const children = childrenOf(node);
  if (children.length > 0) return children.flatMap(classesIn);
  if (node.kind === 'inSegment') return [];
  return matchesOf(node as Leaf).flatMap(({ event }) => event);
}
