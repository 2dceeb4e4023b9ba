/** `npm run bench`: see README.md. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { table } from '../engine/cli/output.ts';
import { kafkaProblem } from '../test/kafka/jars.ts';
import { attributionTable } from './compare/attribution.ts';
import { compare, peerOf } from './compare/compare.ts';
import { type Format, formats } from './compare/event-formats.ts';
import { type JobName, jobNames } from './compare/jobs.ts';
import { latencyTable, measureLatency } from './compare/latency.ts';
import type { Peer } from './compare/peer.ts';
import { linesTable, machine, ratios, ratiosTable } from './compare/report.ts';
import { joinedReport, writeReport } from './compare/report-files.ts';
import { measureRestart, restartTable } from './compare/restart.ts';
import { measureScale, scaleTable } from './compare/scale.ts';
import { doorBench, doorTable } from './door.ts';
import { jobs as pathJobs } from './jobs/page-views.ts';
import { micro } from './micro/micro.ts';
import type { PathResult } from './path.ts';
import { flinkPeers } from './peers/flink/peer.ts';
import { questionsBench } from './questions.ts';
import { segmentsBench } from './segments.ts';
import { segmentsEngineBench } from './segments-engine.ts';

interface Options {
  readonly jobs?: string[];
  readonly peers: string[];
  readonly events: number;
  readonly keys: number;
  readonly skew: number;
  readonly rounds: number;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commit: number;
  readonly threads: number;
  readonly seconds: number;
  readonly format: Format;
  readonly memory?: number;
  readonly json?: string;
  readonly out?: string;
  readonly quick?: boolean;
  readonly flink?: boolean;
  readonly rates?: number[];
  readonly shares?: number[];
  readonly commits?: number[];
  readonly keysOf?: number[];
  readonly threadsOf?: number[];
  readonly from?: string[];
  readonly ask: number;
  readonly subjects: number;
  readonly segments: number;
  readonly measureSeconds: number;
  readonly data?: string;
  readonly requests: number;
  readonly hooks: number;
}

const quickJobs: readonly JobName[] = [
  'map',
  'tumbling',
  'sliding',
  'session',
  'engagement',
  'rekey',
];
const loader = ['--conditions=millrace-source', '--import=tsx'];
const peerNames = [
  'kafka-streams',
  'kafka-streams-default',
  ...Object.keys(flinkPeers),
  'millrace-packed',
  'millrace-plain',
  'by-hand',
  'none',
];

function number(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new InvalidArgumentError('It must be a number.');
  return value;
}

function positive(text: string): number {
  const value = number(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('It must be above 0.');
}

function numbers(text: string): number[] {
  return text.split(',').map(positive);
}

function among(known: readonly string[]) {
  return (text: string): string[] => {
    const names = text.split(',');
    const wrong = names.find((name) => !known.includes(name));
    if (wrong === undefined) return names;
    throw new InvalidArgumentError(`There is no ${wrong}; there are ${known.join(', ')}.`);
  };
}

/** Each job in a process of its own, so that none warms up, or litters, for the next. */
function path(): void {
  const rows = Object.keys(pathJobs).map((job) => {
    const script = `${import.meta.dirname}/path.ts`;
    const { status, stdout, stderr } = spawnSync(process.execPath, [...loader, script, job], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${job}: ${stderr}`);
    const { events, seconds, cpuSeconds, written, rssMiB } = JSON.parse(stdout) as PathResult;
    const rate = Math.round(events / seconds);
    return [job, events, rate, ((cpuSeconds * 1e6) / events).toFixed(2), written, rssMiB];
  });
  console.log(table(['job', 'events', 'events/s', 'CPU us/event', 'written', 'RSS MiB'], rows));
}

async function pieces(): Promise<void> {
  const rows = (await micro()).map(({ piece, nanoseconds, spread }) => [
    piece,
    nanoseconds.toFixed(1),
    `+-${spread.toFixed(1)} %`,
  ]);
  console.log(`\n${table(['piece', 'ns', 'spread'], rows)}`);
}

async function sideBySide(options: Options): Promise<boolean> {
  const problem = await kafkaProblem();
  if (problem !== undefined) {
    console.log(`the comparison on Kafka is left out: ${problem}`);
    return true;
  }
  const quick = options.quick === true;
  const jobs = (options.jobs ?? (quick ? quickJobs : jobNames)) as JobName[];
  const { lines, skipped } = await compare({
    ...options,
    jobs,
    ...peersOfComparison(options),
    events: quick ? Math.min(options.events, 60_000) : options.events,
    rounds: quick ? 1 : options.rounds,
    // A quick run covers event time enough for windows to close.
    perMs: quick ? 0.1 : 5,
    commitMs: options.commit,
    secondsAtMost: quick ? 40 : options.seconds,
    ...memoryOf(options),
    say,
  });
  for (const reason of skipped) console.log(`left out: ${reason}`);
  const list = ratios(lines);
  console.log(`\n${linesTable(lines)}\n\n${ratiosTable(list)}\n\n${attributionTable(lines)}`);
  const { guarantee, commit, threads, keys, skew, format } = options;
  const report = {
    machine: machine(),
    guarantee,
    commitMs: commit,
    threads,
    keys,
    skew,
    format,
    ...memoryOf(options),
    lines,
    ratios: list,
  };
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(report, undefined, 2));
  if (options.out !== undefined) writeReport(options.out, report);
  return lines.every(({ peer, verdict }) => !peer.startsWith('millrace') || verdict.green);
}

/**
 * A quick run has Flink where its time differs from ours; its start takes longer than that of the
 * others.
 */
function peersOfComparison({ peers, flink = false, quick = false }: Options) {
  const names = peers.filter((name) => name !== 'none');
  if (flink) return { peers: [...new Set([...names, 'flink'])] };
  const isAsked = names.some((name) => name in flinkPeers) || peers.includes('none');
  if (!quick || isAsked) return { peers: names };
  return { peers: [...names, 'flink'], flinkJobs: ['rekey'] as const };
}

function memoryOf({ memory }: Options): { memoryMiB?: number } {
  return memory === undefined ? {} : { memoryMiB: memory };
}

/**
 * The peers that are asked for and can run here, ours first; undefined, and said, where the broker
 * cannot.
 */
async function peersOf(options: Options, what: string): Promise<readonly Peer[] | undefined> {
  const problem = await kafkaProblem();
  if (problem !== undefined) {
    console.log(`${what} on Kafka is left out: ${problem}`);
    return undefined;
  }
  const names = options.peers.filter((name) => name !== 'none');
  const peers: Peer[] = [];
  for (const name of new Set(['millrace', ...names])) {
    const peer = peerOf(name, options.seconds);
    const missing = await peer.missing();
    if (missing === undefined) peers.push(peer);
    else console.log(`left out: ${name}: ${missing}`);
  }
  return peers;
}

const say = (text: string) => process.stderr.write(`${text}\n`);

async function latency(options: Options): Promise<void> {
  const peers = await peersOf(options, 'latency');
  if (peers === undefined) return;
  const lines = await measureLatency({
    ...options,
    rates: options.rates ?? [10_000, 50_000],
    jobs: (options.jobs ?? ['map']) as JobName[],
    peers,
    commits: options.commits ?? [options.commit],
    seconds: 60,
    warmSeconds: 20,
    say,
  });
  console.log(`\n${latencyTable(lines)}`);
  keep(options, lines);
}

async function door(options: Options): Promise<void> {
  const parts = await doorBench({ ...options, seconds: Math.min(options.seconds, 60) });
  console.log(doorTable(parts));
  keep(options, parts);
}

async function restart(options: Options): Promise<void> {
  // Flink's state comes back from checkpoints, which a run of ours does not keep.
  const names = options.peers.filter((name) => !(name in flinkPeers));
  const peers = await peersOf({ ...options, peers: names }, 'restart');
  if (peers === undefined) return;
  const lines = await measureRestart({ ...options, peers, commitMs: options.commit, say });
  console.log(`\n${restartTable(lines)}`);
  keep(options, lines);
}

/** Rate and memory by keys, and by threads. */
async function scale(options: Options): Promise<void> {
  const peers = await peersOf(options, 'scale');
  if (peers === undefined) return;
  const lines = await measureScale({
    ...options,
    jobs: (options.jobs ?? ['tumbling']) as JobName[],
    peers: peers.map(({ name }) => name).filter((name) => name !== 'millrace'),
    perMs: 5,
    commitMs: options.commit,
    secondsAtMost: options.seconds,
    ...memoryOf(options),
    keysOf: options.keysOf ?? [10_000, 100_000, 1_000_000, 10_000_000],
    threadsOf: options.threadsOf ?? [1, 2, 4],
    say,
  });
  console.log(`\n${scaleTable(lines)}`);
  keep(options, lines);
}

/** What programs ask about people, at fixed rates, beside events at fixed rates. */
async function questions(options: Options): Promise<void> {
  const { threads, data, ask, subjects, segments, measureSeconds: seconds } = options;
  const given = { subjects, questions: ask, seconds, threads, segments, data };
  keep(options, await questionsBench(given, options.rates ?? [500, 2_000]));
}

function keep({ json }: Options, lines: readonly object[]): void {
  if (json === undefined) return;
  writeFileSync(json, JSON.stringify({ machine: machine(), lines }, undefined, 2));
}

async function main(what: string, options: Options): Promise<void> {
  const { node, cores, cpu } = machine();
  console.log(`Node ${node}, ${cores} cores, ${cpu}\n`);
  const asked = (part: string) => what === part || (what === 'all' && options.jobs === undefined);
  if (asked('path')) path();
  if (asked('micro')) await pieces();
  if (asked('segments')) segmentsBench();
  if (asked('segments-engine')) await segmentsEngineBench(options.threads);
  if (what === 'questions') await questions(options);
  if (what === 'door') await door(options);
  if (what === 'latency') await latency(options);
  if (what === 'restart') await restart(options);
  if (what === 'scale') await scale(options);
  if (what === 'report') {
    const { from, out } = options;
    if (from === undefined || out === undefined)
      throw new Error('say --from FILES and --out FOLDER');
    writeReport(out, joinedReport(from));
  }
  if (what === 'compare' || what === 'all') {
    if (!(await sideBySide(options))) process.exitCode = 1;
  }
}

await new Command('bench')
  .argument(
    '[what]',
    'path, micro, segments, segments-engine, questions, door, compare, latency, restart, scale, report, or all',
    'all',
  )
  .option('--jobs <names>', `of the comparison: ${jobNames.join(',')}`, among(jobNames))
  .addOption(
    new Option('--peers <names>', peerNames.join(', '))
      .argParser(among(peerNames))
      .default(['kafka-streams']),
  )
  .option('--flink', 'of compare: beside Flink as well, in all jobs that it can do')
  .option('--events <n>', 'of a job', positive, 2_000_000)
  .option('--keys <n>', 'distinct keys', positive, 100_000)
  .option('--skew <s>', "Zipf's exponent of the keys", number, 1)
  .option('--rounds <n>', 'runs of each', positive, 3)
  .option('--threads <n>', 'that run tasks', positive, 2)
  .option('--commit <ms>', 'from one commit to the next', positive, 100)
  .option('--keys-of <list>', 'of scale: numbers of distinct keys', numbers)
  .option('--threads-of <list>', 'of scale: numbers of threads', numbers)
  .option('--rates <list>', 'of latency and questions: events a second', numbers)
  .option('--ask <n>', 'of questions: so many a second', positive, 2_000)
  .option('--subjects <n>', 'of questions', positive, 100_000)
  .option('--segments <n>', 'of questions', number, 10)
  .option('--measure-seconds <n>', 'of questions: a rate', positive, 20)
  .option('--data <folder>', 'of questions: one that `start` has made, in place of a new one')
  .option(
    '--shares <list>',
    "of latency: percent of each one's own best, instead of --rates",
    numbers,
  )
  .option('--commits <list>', 'of latency: intervals instead of --commit, ms', numbers)
  .addOption(
    new Option('--guarantee <name>')
      .choices(['exactly-once', 'at-least-once'])
      .default('exactly-once'),
  )
  .addOption(new Option('--format <name>', 'of the events').choices(formats).default('json'))
  .option(
    '--memory <MiB>',
    'of compare and scale: what each process may take (Linux, as root)',
    positive,
  )
  .option('--requests <n>', 'of door: a second, of ten events each', positive, 1_000)
  .option('--hooks <n>', 'of door: purchases a second', positive, 500)
  .option('--seconds <n>', 'a run of a peer, at most', positive, 240)
  .option('--json <file>', 'write all figures there')
  .option('--from <files>', 'of report: what --json wrote, to be one report', (text) =>
    text.split(','),
  )
  .option('--out <folder>', 'write report.json, report.md and ratios.svg there')
  .option('--quick', 'few events, one round: for correctness, not for figures')
  .action(main)
  .parseAsync();
