/**
 * A comparison as README shows it: a line a job, medians of the rounds, beside the goal. Markdown.
 */
import { type StageName, stageNames } from '../../engine/runtime/stages.ts';
import { fastestOf, largestStage, stageUs } from './attribution.ts';
import type { Line } from './compare.ts';
import type { JobName } from './jobs.ts';
import { cpuOf } from './peer.ts';
import { median, ratios } from './report.ts';

const titles: Readonly<Record<JobName, string>> = {
  map: 'map',
  'map-project': 'map, 1 % pass',
  count: 'count',
  tumbling: 'tumbling 1 min',
  hopping10: 'hopping 10 min / 1 min',
  hopping60: 'hopping 60 min / 1 min',
  hopping360: 'hopping 6 h / 1 min',
  sliding: 'sliding 1 min',
  session: 'session 30 s',
  'join-table': 'stream with table',
  'join-streams': 'stream with stream',
  engagement: 'engagement score and segments',
  rekey: 'history by another key, tumbling 1 min',
};

/** How many times as fast as Kafka Streams a job is to be. */
const goals: Readonly<Partial<Record<JobName, number>>> = {
  map: 2,
  'map-project': 3,
  count: 3,
  tumbling: 3,
  hopping10: 20,
  hopping60: 100,
  hopping360: 300,
  sliding: 200,
  session: 10,
  'join-table': 2,
  'join-streams': 2,
  engagement: 3,
};

const [us, streams, hand] = ['millrace', 'kafka-streams', 'by-hand'] as const;
/** By the names of peers; their columns stand only where they were run. */
const flinks: Readonly<Record<string, string>> = {
  flink: 'Flink 2.2',
  'flink-1s': 'Flink 2.2, checkpoints of 1 s',
  'flink-rocksdb': 'Flink 2.2, RocksDB',
  'flink-rocksdb-1s': 'Flink 2.2, RocksDB, checkpoints of 1 s',
  'flink-sql': 'Flink 2.2, SQL',
  'flink-sql-1s': 'Flink 2.2, SQL, checkpoints of 1 s',
};

/**
 * Rates, processor time, memory and what is logged; peers that a job was not run with are left out
 * of its line.
 */
export function summaryTable(lines: readonly Line[]): string {
  const there = Object.keys(flinks).filter((name) => lines.some(({ peer }) => peer === name));
  const named = there.map((name) => `, ${flinks[name]}`).join('');
  const list = ratios(lines);
  const isLossTold = lines.some(({ verdict }) => verdict.lost !== undefined);
  const head = [
    'job',
    'Millrace, events/s',
    'tuned Kafka Streams 4.1, events/s',
    'ratio, median (rounds)',
    ...there.flatMap((name) => [`${flinks[name]}, events/s`, 'ratio, median (rounds)']),
    'by hand, events/s',
    `CPU a million events: ours, Kafka Streams${named}, by hand`,
    `RSS: ours, Kafka Streams${named}`,
    'logged an event: ours, Kafka Streams',
    ...(isLossTold ? [`records lost: ours, Kafka Streams${named}`] : []),
    'goal',
  ];
  const rows = jobsOf(lines).map((job) => {
    const of = (peer: string, what: (line: Line) => number) =>
      median(lines.filter((one) => one.job === job && one.peer === peer).map(what));
    const each = (
      peers: readonly string[],
      what: (line: Line) => number,
      unit: string,
      digits = 0,
    ) => {
      const known = peers.map((peer) => of(peer, what)).filter(Number.isFinite);
      return known.map((value) => `${value.toFixed(digits)}${unit}`).join(', ');
    };
    const rateOf = (peer: string) => {
      const found = of(peer, rate);
      return Number.isFinite(found) ? thousands(found) : '';
    };
    const ratioTo = (peer: string) => {
      const ratio = list.find((one) => one.job === job && one.peer === peer);
      if (ratio === undefined) return '';
      const rounds = `(${short(ratio.least)}-${short(ratio.greatest)})`;
      return `${short(ratio.ratio)} ${rounds}`;
    };
    return [
      titles[job],
      rateOf(us),
      rateOf(streams),
      ratioTo(streams),
      ...there.flatMap((name) => [rateOf(name), ratioTo(name)]),
      rateOf(hand),
      each([us, streams, ...there, hand], ({ drained }) => cpuOf(drained), ' s'),
      `${each([us, streams, ...there], ({ drained }) => drained.rssMiB, '')} MiB`,
      `${each([us, streams], ({ changelogs, events }) => changelogs.bytes / events, '')} B`,
      ...(isLossTold ? [each([us, streams, ...there], lostPercent, ' %', 2)] : []),
      String(goals[job] ?? ''),
    ];
  });
  return markdown(head, rows);
}

/** Percent of the events; NaN where a job cannot lose any. */
function lostPercent({ verdict, events }: Line): number {
  return verdict.lost === undefined ? Number.NaN : (verdict.lost * 100) / events;
}

/**
 * µs an event by stage, of each job's fastest run; the largest in which something is done is bold.
 */
export function stagesTable(lines: readonly Line[]): string {
  const shown = stageNames.filter((stage) => stage !== 'hold');
  const rows = jobsOf(lines).flatMap((job) => {
    const fastest = fastestOf(lines, job);
    if (fastest === undefined) return [];
    const of = (stage: StageName) => stageUs(fastest, stage);
    const largest = largestStage(fastest);
    const cells = shown.map((stage) => {
      const text = of(stage).toFixed(2);
      return stage === largest ? `**${text}**` : text;
    });
    return [[titles[job], ...cells]];
  });
  return markdown(['job', ...shown], rows);
}

function jobsOf(lines: readonly Line[]): JobName[] {
  const there = new Set(lines.map(({ job }) => job));
  return (Object.keys(titles) as JobName[]).filter((job) => there.has(job));
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function rate({ drained }: Line): number {
  return drained.eventsPerSecond;
}

function thousands(perSecond: number): string {
  if (perSecond < 1_000) return String(Math.round(perSecond));
  return `${(perSecond / 1_000).toFixed(perSecond < 10_000 ? 1 : 0)} K`;
}

function short(ratio: number): string {
  return ratio.toFixed(ratio < 10 ? 1 : 0);
}
