/**
 * Questions about the ready topology, for the command line and HTTP alike: they take and return
 * plain data.
 */
import { instantReader, MillraceError, utf8 } from 'millrace';
import { type Log, type Runtime, topicRecords } from 'millrace/engine';
import { instant, keyTextOf } from '../../../engine/cli/index.ts';
import { events, segmentChanges } from '../../event.ts';
import {
  checkPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from '../../personalisation.ts';
import { type AsOf, asOf } from '../../segments/as-of.ts';
import { defaultSegments } from '../../segments/examples.ts';
import type { Explanation } from '../../segments/explain.ts';
import { nearest } from '../../segments/nearest.ts';
import type { ProfileLogic } from '../../subject/logic.ts';
import type { Profile } from '../../subject/profile.ts';
import { redefinedClass } from '../../subject/subject-classes.ts';
import { type SampledWhatIf, whatIfOver } from './sampled-what-if.ts';
import { SubjectSample } from './subject-sample.ts';
import { takenEvents } from './taken-events.ts';

/** An open application, and the configuration that it runs. */
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

/** Where a record is in the log. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Explains why a subject is in a segment or not. `records` says where the witnesses are in the log.
 */
export async function explainSegment(
  asked: Asked,
  { subject, segment, at: text }: { subject: string; segment: string; at?: string | undefined },
) {
  const { segments = defaultSegments } = asked.config;
  checkSegment(
    segment,
    segments.map(({ id }) => id),
  );
  const { profile, logic, at } = await keptProfile(asked, subject, text);
  const why = logic.explain(subject, profile, segment, at);
  const records = await placesOf(asked.log, subject, new Set(witnessesIn(why)));
  return { subject, segment, at, ...why, records };
}

/** The parts of a subject's score. */
export async function explainScore(
  asked: Asked,
  { subject, at: text }: { subject: string; at?: string | undefined },
) {
  const { profile, logic, at } = await keptProfile(asked, subject, text);
  return { subject, at, ...logic.explainScore(profile, at) };
}

/** `whatIfOver` for the events in the log, up to the last of them. */
export async function whatIfOf(
  { log, config }: Pick<Asked, 'log' | 'config'>,
  after: PersonalisationConfig,
): Promise<SampledWhatIf> {
  checkPersonalisation(after);
  const sample = new SubjectSample(Number.POSITIVE_INFINITY);
  let until = 0;
  for await (const { key, value, timestamp: at } of takenEvents(log)) {
    until = Math.max(until, at);
    if (value.class === redefinedClass) continue;
    sample.add(key, { event: value, at });
  }
  return whatIfOver(config, after, sample, until);
}

export interface AsOfAnswer {
  readonly at: number;
  readonly segments: readonly AsOf[];
}

interface AsOfQuestion {
  readonly at: string;
  readonly segment?: string | undefined;
}

/** The members of each segment, or of one, at an instant: as known then, and as known now. */
export async function asOfOf(
  { log, config }: Pick<Asked, 'log' | 'config'>,
  question: AsOfQuestion,
): Promise<AsOfAnswer> {
  const at = instantOf(question.at, 'instant');
  const changes = [];
  for await (const { value } of topicRecords(log, segmentChanges)) changes.push(value);
  return asOfAnswer(config, question, asOf(changes, at));
}

/**
 * The segments with changes, all or the one asked for; a configured segment that never had a member
 * is empty.
 * @throws SEGMENT_UNKNOWN
 */
export function asOfAnswer(
  { segments: configured = defaultSegments }: PersonalisationConfig,
  { at: text, segment }: AsOfQuestion,
  told: readonly AsOf[],
): AsOfAnswer {
  const at = instantOf(text, 'instant');
  if (segment === undefined) return { at, segments: told };
  const found = told.find((one) => one.segment === segment);
  if (found !== undefined) return { at, segments: [found] };
  const ids = configured.map(({ id }) => id);
  if (ids.includes(segment)) return { at, segments: [{ segment, knownThen: [], knownNow: [] }] };
  const known = [...new Set([...ids, ...told.map((one) => one.segment)])].sort();
  checkSegment(segment, known);
  return { at, segments: [] };
}

const logics = new WeakMap<PersonalisationConfig, ProfileLogic>();

/** Made once for the running configuration, not for every question. */
function logicOf(config: PersonalisationConfig): ProfileLogic {
  const logic = logics.get(config) ?? profileLogic(config);
  logics.set(config, logic);
  return logic;
}

/** @throws SEGMENT_UNKNOWN */
function checkSegment(segment: string, known: readonly string[]): void {
  if (known.includes(segment)) return;
  const near = nearest(segment, known);
  const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
  throw new MillraceError('SEGMENT_UNKNOWN', { segment, hint });
}

/** @throws SUBJECT_UNKNOWN; CONFIG_INVALID for an instant before the settled past */
async function keptProfile(
  { runtime, config }: Asked,
  subject: string,
  text: string | undefined,
): Promise<KeptProfile> {
  const [row] = await runtime.query('profiles', keyTextOf(utf8.encode(subject)));
  if (row === undefined) throw new MillraceError('SUBJECT_UNKNOWN', { subject });
  const profile = row.value as Profile;
  // The default is the subject's clock: its newest event or timer.
  const at = text === undefined ? (row.timestamp ?? 0) : instantOf(text, 'at');
  const { from } = profile.segments.history;
  if (at < from) {
    const problem = `the past before ${instant(from)} is settled; see the topic segment-changes`;
    throw new MillraceError('CONFIG_INVALID', { field: 'at', problem });
  }
  return { profile, logic: logicOf(config), at };
}

/** ms UTC of an ISO 8601 instant. @throws CONFIG_INVALID */
export function instantOf(text: string, field: string): number {
  const at = instantReader('iso', 'UTC')(text);
  if (typeof at === 'number') return at;
  throw new MillraceError('CONFIG_INVALID', { field, problem: `${text} ${at}` });
}

function witnessesIn({ witnesses = [], parts }: Explanation): string[] {
  return [...witnesses, ...parts.flatMap(witnessesIn)];
}

/** Where the events of a subject are in the log, by id; of duplicates, the first. */
async function placesOf(
  log: Log,
  subject: string,
  ids: ReadonlySet<string>,
): Promise<Readonly<Record<string, Place>>> {
  const found = new Map<string, Place>();
  if (ids.size === 0) return {};
  const left = new Set(ids);
  for await (const { key, value, partition, offset } of topicRecords(log, events, subject)) {
    if (key !== subject || !left.delete(value.id)) continue;
    found.set(value.id, { topic: events.name, partition, offset });
    if (left.size === 0) break;
  }
  return Object.fromEntries(found);
}
