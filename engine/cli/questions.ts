/** What may be asked of the ready topology, on the command line and over HTTP alike: data in, data out. */
import { events, segmentChanges } from '../../topologies/event.ts';
import { instantReader } from '../../topologies/ingest/instant.ts';
import {
  checkPersonalisation,
  lintPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from '../../topologies/personalisation.ts';
import type { Profile, ProfileLogic } from '../../topologies/profile.ts';
import { type AsOf, asOf } from '../../topologies/segments/as-of.ts';
import type { Explanation } from '../../topologies/segments/explain.ts';
import type { Mistake } from '../../topologies/segments/fields.ts';
import { checkSize, planSegments, type SegmentPlan } from '../../topologies/segments/plan.ts';
import type { Arrival } from '../../topologies/subject-run.ts';
import { type WhatIf, whatIf } from '../../topologies/what-if.ts';
import { keyIdOf } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { systemScheduler } from '../base/scheduler.ts';
import type { Log } from '../log/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { utf8 } from '../serde/utf8.ts';
import { instant } from './output.ts';
import { recordsOf } from './verify/topic-reader.ts';

/** An application that is open, and the configuration that it runs. */
export interface Asked {
  readonly runtime: Pick<Runtime, 'query'>;
  readonly log: Log;
  readonly config: PersonalisationConfig;
}

interface KeptProfile {
  readonly profile: Profile;
  readonly logic: ProfileLogic;
  /** The instant asked for, ms UTC. */
  readonly at: number;
}

/** Where a record lies. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** Why a subject is in a segment or not; `records`: where the events lie that are named as witnesses. */
export async function explainSegment(
  asked: Asked,
  { subject, segment, at: text }: { subject: string; segment: string; at?: string | undefined },
) {
  const { profile, logic, at } = await keptProfile(asked, subject, text);
  const why = logic.explain(subject, profile, segment, at);
  const records = await placesOf(asked.log, subject, new Set(witnessesIn(why)));
  return { subject, segment, at, ...why, records };
}

/** What the score of a subject is made of. */
export async function explainScore(
  asked: Asked,
  { subject, at: text }: { subject: string; at?: string | undefined },
) {
  const { profile, logic, at } = await keptProfile(asked, subject, text);
  return { subject, at, ...logic.explainScore(profile, at) };
}

/** Every mistake in a configuration, with its path. */
export function lintOf(config: PersonalisationConfig): readonly Mistake[] {
  return lintPersonalisation(config);
}

/** What the segments of a configuration keep and cost. Throws CONFIG_INVALID for what is refused. */
export function planOf(
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

/**
 * The configuration that runs beside another, over the events in the log, up to the last of them. Throws
 * CONFIG_INVALID for a segment that would be smaller than it may be.
 */
export async function whatIfOf(
  { log, config }: Pick<Asked, 'log' | 'config'>,
  after: PersonalisationConfig,
): Promise<WhatIf> {
  const { segments } = checkPersonalisation(after);
  const subjects = new Map<string, Arrival[]>();
  let until = 0;
  for await (const { key, value, timestamp: at } of recordsOf(log, events)) {
    until = Math.max(until, at);
    const own = subjects.get(key);
    if (own === undefined) subjects.set(key, [{ event: value, at }]);
    else own.push({ event: value, at });
  }
  const result = await whatIf(config, after, subjects, until, () => systemScheduler.yieldNow());
  for (const segment of segments) {
    const found = result.segments.find(({ id }) => id === segment.id);
    checkSize(segment, found?.after?.members ?? 0);
  }
  return result;
}

/** Who was in each segment, or in one, at an instant: as known then, and as known now. */
export async function asOfOf(
  log: Log,
  { at: text, segment }: { at: string; segment?: string | undefined },
): Promise<{ readonly at: number; readonly segments: readonly AsOf[] }> {
  const at = instantOf(text, 'instant');
  const changes = [];
  for await (const { value } of recordsOf(log, segmentChanges)) changes.push(value);
  const found = asOf(changes, at);
  const segments = segment === undefined ? found : found.filter((one) => one.segment === segment);
  return { at, segments };
}

/** Throws SUBJECT_UNKNOWN, and CONFIG_INVALID for an instant that is settled. */
async function keptProfile(
  { runtime, config }: Asked,
  subject: string,
  text: string | undefined,
): Promise<KeptProfile> {
  const [row] = await runtime.query('profiles', keyIdOf(utf8.encode(subject)));
  if (row === undefined) throw new MillraceError('SUBJECT_UNKNOWN', { subject });
  const profile = row.value as Profile;
  // Without an instant, the subject's clock: its newest event or timer.
  const at = text === undefined ? (row.timestamp ?? 0) : instantOf(text, 'at');
  const { from } = profile.segments.history;
  if (at < from) {
    const problem = `what was before ${instant(from)} is settled, and stands in segment-changes`;
    throw new MillraceError('CONFIG_INVALID', { field: 'at', problem });
  }
  return { profile, logic: profileLogic(config), at };
}

function instantOf(text: string, field: string): number {
  const at = instantReader('iso', 'UTC')(text);
  if (typeof at === 'number') return at;
  throw new MillraceError('CONFIG_INVALID', { field, problem: `${text} ${at}` });
}

function witnessesIn({ witnesses = [], parts }: Explanation): string[] {
  return [...witnesses, ...parts.flatMap(witnessesIn)];
}

/** Where the events of a subject lie in the log, by id. Of an event that came twice, the first. */
async function placesOf(
  log: Log,
  subject: string,
  ids: ReadonlySet<string>,
): Promise<Readonly<Record<string, Place>>> {
  const found: Record<string, Place> = {};
  if (ids.size === 0) return found;
  const left = new Set(ids);
  for await (const { key, value, partition, offset } of recordsOf(log, events, subject)) {
    if (key !== subject || !left.delete(value.id)) continue;
    found[value.id] = { topic: events.name, partition, offset };
    if (left.size === 0) break;
  }
  return found;
}
