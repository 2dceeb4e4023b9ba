/** The report of `start`: subjects, segments, the last changes, and the balance of records. */
import { resolve } from 'node:path';
import type { Execution, Log, Summary } from 'millrace/engine';
import { balance, defaultData, instant, runsSources, table } from '../../engine/cli/index.ts';
import { type SegmentChange, segmentChanges } from '../event.ts';
import { bandOrder, type PersonalisationConfig, profileLogic } from '../personalisation.ts';
import type { Profile } from '../subject/profile.ts';

export interface SubjectRow {
  readonly subject: string;
  readonly score: number;
  readonly subs: Readonly<Record<string, number>>;
  readonly band: string;
}

export interface PersonalisationReport {
  readonly continued: boolean;
  /** The instant of the scores, ms UTC. */
  readonly at: number;
  readonly subjects: number;
  readonly top: readonly SubjectRow[];
  readonly bands: Readonly<Record<string, number>>;
  readonly segments: Readonly<Record<string, number>>;
  readonly lastChanges: readonly SegmentChange[];
  readonly summary: Summary;
}

const changesShown = 8;

/**
 * The latest clock of any subject: its newest event or timer, ms UTC; -Infinity when there is none.
 * It is read from the state, so it does not depend on what this run took in.
 */
export async function clockOf(runtime: Pick<Execution['runtime'], 'query'>): Promise<number> {
  return latest(await runtime.query('profiles'));
}

function latest(rows: readonly { readonly timestamp?: number }[]): number {
  let at = Number.NEGATIVE_INFINITY;
  for (const { timestamp = at } of rows) if (timestamp > at) at = timestamp;
  return at;
}

/** Scores are those at the latest clock of any subject. */
export async function personalisationReport(
  { runtime, log }: Execution,
  config: PersonalisationConfig,
  count: number,
): Promise<PersonalisationReport> {
  const logic = profileLogic(config);
  const rows = await runtime.query('profiles');
  const at = latest(rows);
  const subjects: SubjectRow[] = [];
  const bands = new Map(bandOrder(config).map((band) => [band, 0]));
  const segments = new Map<string, number>();
  for (const row of rows) {
    const profile = row.value as Profile;
    if (profile.erased !== undefined) continue;
    const { score, subs, band } = logic.scoreOf(profile, at);
    subjects.push({ subject: String(row.key), score, subs, band });
    bands.set(band, (bands.get(band) ?? 0) + 1);
    for (const [id, { in: isIn }] of profile.segments.members) {
      segments.set(id, (segments.get(id) ?? 0) + (isIn ? 1 : 0));
    }
  }
  subjects.sort((a, b) => b.score - a.score || (a.subject < b.subject ? -1 : 1));
  return {
    continued: runtime.summary.continued,
    at,
    subjects: subjects.length,
    top: subjects.slice(0, count),
    bands: Object.fromEntries(bands),
    segments: Object.fromEntries(segments),
    lastChanges: await lastChanges(log),
    summary: runtime.summary,
  };
}

/** The newest entries and exits, newest first. */
async function lastChanges(log: Log): Promise<SegmentChange[]> {
  const { name, valueDecoder } = segmentChanges;
  const topic = (await log.topics()).find((known) => known.name === name);
  const changes: SegmentChange[] = [];
  for (let partition = 0; partition < (topic?.partitions ?? 0); partition++) {
    const end = await log.endOffset({ topic: name, partition });
    const from = Math.max(await log.startOffset({ topic: name, partition }), end - 500);
    const batch = await log.read({ topic: name, partition }, from, { records: 500 });
    for (let i = 0; i < (batch?.count ?? 0); i++) {
      const value = batch?.value(i);
      if (value) changes.push(valueDecoder.decode(value, 0, value.byteLength));
    }
  }
  changes.sort((a, b) => b.effectiveAt - a.effectiveAt || (a.user < b.user ? -1 : 1));
  return changes.slice(0, changesShown);
}

/** How to call the command line: in the source tree, or where the package is installed. */
const command = runsSources ? 'npm run millrace --' : 'npx millrace';

/** @param data the data folder as given, for the commands that are suggested */
export function reportText(report: PersonalisationReport, data: string): string {
  const { summary, subjects } = report;
  const where = data === defaultData ? '' : ` --data ${data}`;
  return [
    report.continued
      ? 'Continued from the committed position of an earlier run.'
      : 'First run in this directory.',
    ...(subjects === 0
      ? ['No events: the input has no rows, or none that became an event.']
      : results(report)),
    'Records of this run',
    balance(summary),
    `Log and state are in ${resolve(data)}. Next:`,
    [
      'query profiles <subject>',
      'topics read segment-changes --from 0',
      'dead-letters',
      'start --fresh',
    ]
      .map((next) => `  ${command} ${next}${where}`)
      .join('\n'),
  ].join('\n\n');
}

function results({
  at,
  subjects,
  top,
  bands,
  segments,
  lastChanges,
}: PersonalisationReport): string[] {
  const channels = Object.keys(top[0]?.subs ?? {});
  return [
    `Top subjects at ${instant(at)}, of ${subjects}`,
    table(
      ['subject', 'score', ...channels, 'band'],
      top.map((row) => [row.subject, row.score, ...channels.map((c) => row.subs[c]), row.band]),
    ),
    'Bands',
    table(['band', 'subjects'], Object.entries(bands)),
    'Segments',
    table(['segment', 'members'], Object.entries(segments)),
    'Last entries and exits',
    table(
      ['at', 'subject', 'segment', 'change', 'cause'],
      lastChanges.map((c) => [instant(c.effectiveAt), c.user, c.segment, c.type, c.cause]),
    ),
  ];
}
