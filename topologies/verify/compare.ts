/**
 * Compares the results of the engine with those that SQL makes of the same events; counts
 * differences, and shows the first ones.
 */
import type { ActivityLabel, SegmentChange } from '../event.ts';
import {
  checkPersonalisation,
  type PersonalisationConfig,
  profileLogic,
} from '../personalisation.ts';
import type { Profile } from '../subject/profile.ts';
import { dayMs } from '../time-units.ts';
import { type Activity, acceptInSql, activitiesInSql } from './accepted-sql.ts';
import { categoriseInSql } from './category-sql.ts';
import { companionsBySql } from './companions-sql.ts';
import { Database, type LoggedEvent } from './database.ts';
import { prepareScores, scoresBySql } from './score-sql.ts';
import { type CheckedSegment, wholeOf } from './segment-node.ts';
import { type Edge, SegmentsInSql } from './segment-sql.ts';

/** The results of a run. */
export interface EngineResult {
  /** The instant to which the clock was advanced, ms UTC. */
  readonly end: number;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly changes: readonly SegmentChange[];
  readonly labels: readonly ActivityLabel[];
}

export interface Part {
  readonly name: string;
  readonly compared: number;
  readonly differing: number;
  /** Sizes, or the reason why nothing was compared. */
  readonly note?: string;
  /** The first differences. */
  readonly examples: readonly string[];
}

/** Scores are also compared this many days after the end: without events they only decay. */
const later = [0, 1, 7, 14, 30, 90, 365];
const shown = 5;

/** @param events of the subjects to compare, in the order of the log */
export async function compareWithSql(
  config: PersonalisationConfig,
  events: Iterable<LoggedEvent>,
  result: EngineResult,
): Promise<Part[]> {
  const checked = checkPersonalisation(config);
  const { engagement, machine, consent } = checked;
  const mergedAreCompared = Object.keys(consent.needs).length === 0;
  // A subject that was erased, or merged into another, has nothing to compare.
  const isCompared = (subject: string) => {
    const { erased, mergedInto, absorbed } = result.profiles.get(subject) ?? {};
    if ((erased ?? mergedInto) !== undefined) return false;
    return absorbed === undefined || (mergedAreCompared && !absorbed.includes(subject));
  };
  const logged = [...events].filter(({ subject }) => isCompared(subject));
  const profiles = new Map([...result.profiles].filter(([subject]) => isCompared(subject)));
  // A subject that took over another keeps what was reported before; its intervals are not those of
  // both.
  const alone = new Map([...profiles].filter(([, { absorbed }]) => absorbed === undefined));
  const db = await Database.open();
  try {
    db.load(logged, machine.config);
    acceptInSql(db, checked);
    categoriseInSql(db, checked.categories?.table);
    prepareScores(db, engagement);
    const logic = profileLogic(config);
    const scores = compareRows('scores');
    // A subject without accepted events has no points.
    const none = {
      score: 0,
      subs: Object.fromEntries(Object.keys(engagement.channels).map((name) => [name, 0])),
    };
    for (const days of later) {
      const at = result.end + days * dayMs;
      const sql = scoresBySql(db, engagement, at);
      for (const subject of new Set([...sql.keys(), ...profiles.keys()])) {
        const profile = profiles.get(subject);
        const own = profile === undefined ? undefined : logic.scoreOf(profile, at);
        const { score, subs } = own ?? none;
        scores.add(`subject ${subject} at +${days} d`, sql.get(subject) ?? none, { score, subs });
      }
    }
    const beside = compareRows('recency, counts, money');
    const companions = companionsBySql(db, engagement, result.end);
    for (const [subject, sql] of companions) {
      const profile = profiles.get(subject);
      beside.add(
        `subject ${subject}`,
        sql,
        profile === undefined ? undefined : logic.companionsOf(profile, result.end),
      );
    }
    const activities = activitiesInSql(db).filter(({ subject }) => alone.has(subject));
    const labels = compareLabels(activities, result.labels);
    const { unknown } = checked.consent;
    const sql = new SegmentsInSql(db, checked.segments, engagement, unknown);
    const members = checked.segments.map((segment) =>
      compareSegment(sql, segment, { ...result, profiles: alone }),
    );
    return [scores.part(), beside.part(), labels, ...members];
  } finally {
    db.close();
  }
}

/** Collects comparisons of one kind. */
export function compareRows(name: string) {
  let [compared, differing] = [0, 0];
  const examples: string[] = [];
  return {
    add(what: string, expected: unknown, actual: unknown): void {
      compared++;
      const [sql, engine] = [canonical(expected), canonical(actual)];
      if (sql === engine) return;
      differing++;
      if (examples.length < shown) examples.push(`${what}: SQL ${sql}, engine ${engine}`);
    },
    part: (note?: string): Part => {
      return { name, compared, differing, examples, ...(note === undefined ? {} : { note }) };
    },
  };
}

/** JSON with the names of each object in order. */
export function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, one: unknown) => {
      if (typeof one !== 'object' || one === null || Array.isArray(one)) return one;
      const entries = one instanceof Map ? [...one] : Object.entries(one);
      return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? 'nothing'
  );
}

/** Only accepted events have labels; one that has left the set has none any more. */
function compareLabels(activities: readonly Activity[], labels: readonly ActivityLabel[]): Part {
  const last = new Map(labels.map((label) => [`${label.user} ${label.eventId}`, label.label]));
  const rows = compareRows('machine activity');
  let machines = 0;
  for (const { subject, id, isMachine } of activities) {
    if (isMachine) machines++;
    const event = `${subject} ${id}`;
    rows.add(`event ${event}`, isMachine, last.get(event) === 'machine');
  }
  return rows.part(`${machines} events of machines`);
}

/** The most subjects compared for a segment that reads the score: each has thousands of hours. */
const hourly = 100;

/**
 * Compares all ends of all memberships, to the millisecond; for a segment without corrections, the
 * present. Reports made under an earlier definition stand and are not compared: for such a subject,
 * the membership at the change of the definition counts, and every end after it.
 */
function compareSegment(
  sql: SegmentsInSql,
  segment: CheckedSegment & { readonly corrections?: string; readonly initial?: string },
  { changes, profiles, end }: EngineResult,
): Part {
  const own = new Map<string, SegmentChange[]>();
  for (const change of changes) {
    if (change.segment !== segment.id) continue;
    const known = own.get(change.user);
    if (known === undefined) own.set(change.user, [change]);
    else known.push(change);
  }
  const subjects = [...profiles.keys()].sort();
  const compared = new Set(sql.readsScore(wholeOf(segment)) ? subjects.slice(0, hourly) : subjects);
  const expected = sql.edges(segment, end, compared.size < subjects.length ? compared : undefined);
  const rows = compareRows(`segment ${segment.id}`);
  let [entered, exited, members, redefined] = [0, 0, 0, 0];
  for (const subject of compared) {
    let edges = expected.get(subject) ?? [];
    let told = standingEnds(own.get(subject) ?? []);
    const from = profiles.get(subject)?.segments.members.get(segment.id)?.from;
    entered += edges.filter((edge) => edge.in).length;
    exited += edges.filter((edge) => !edge.in).length;
    if (edges.at(-1)?.in === true) members++;
    if (from !== undefined && Number.isFinite(from)) {
      redefined++;
      const isTold = segment.initial !== 'silent';
      edges = sinceChange(edges, from, isTold);
      told = sinceChange(told, from, isTold);
    }
    if (segment.corrections === 'none') {
      rows.add(`subject ${subject}`, edges.at(-1)?.in ?? false, told.at(-1)?.in ?? false);
    } else rows.add(`subject ${subject}`, edges, told);
  }
  const sizes = `${entered} entered, ${exited} exited, ${members} members at the end`;
  const limited = compared.size < subjects.length ? `of ${compared.size} subjects, ` : '';
  const since = redefined === 0 ? '' : `; of ${redefined} since the definition changed`;
  return rows.part(`${limited}${sizes}${since}`);
}

/**
 * The ends after an instant, ms UTC.
 * @param withState first says whether the condition holds at the instant
 */
function sinceChange(ends: readonly Edge[], from: number, withState: boolean): Edge[] {
  const state = { at: from, in: ends.findLast(({ at }) => at <= from)?.in ?? false };
  const after = ends.filter(({ at }) => at > from);
  return withState ? [state, ...after] : after;
}

/** The ends that are left without those superseded and those of no length. */
export function standingEnds(changes: readonly SegmentChange[]): Edge[] {
  const alive = new Map(changes.map((change) => [change.seq, change]));
  for (const { supersedes } of changes as readonly { supersedes?: number }[]) {
    if (supersedes !== undefined) alive.delete(supersedes);
  }
  const edges: Edge[] = [];
  const ordered = [...alive.values()].sort(
    (a, b) => a.effectiveAt - b.effectiveAt || a.seq - b.seq,
  );
  for (const { effectiveAt: at, type } of ordered) {
    if (edges.at(-1)?.at === at) edges.pop();
    else edges.push({ at, in: type === 'entered' });
  }
  return edges;
}

export function textOfPart({ name, compared, differing, note, examples }: Part): string {
  const sizes = note === undefined ? '' : `; ${note}`;
  const head = `${name}: ${compared} compared, ${differing} differing${sizes}`;
  return [head, ...examples.map((example) => `  ${example}`)].join('\n');
}
