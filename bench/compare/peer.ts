/** What does a job beside us: how it is started, and what each run prints as its last line. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from '../../build.ts';
import type { KafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { Format } from './event-formats.ts';
import { bytesUnder } from './footprint.ts';
import type { JobName } from './jobs.ts';
import { memoryGroup } from './memory-limit.ts';

export interface Drained {
  readonly events: number;
  /** From a quarter of the events to their end. */
  readonly eventsPerSecond: number;
  readonly totalSeconds: number;
  /** Of the whole process. */
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  /** Records that came too late for every window, as the engine counts them; of ours only. */
  readonly late?: number;
  /** On disk at the end. */
  readonly stateBytes?: number;
  /** Wall time by stage of the cycles, ms (engine/runtime/stages.ts); of ours only. */
  readonly stages?: Readonly<Record<string, number>>;
  /** How it ended, where it could not do with the memory that it may take. */
  readonly problem?: string;
}

/** Seconds of the processor a million events; 0 where there were none. */
export function cpuOf({ cpuSeconds, events }: Drained): number {
  return events === 0 ? 0 : (cpuSeconds * 1e6) / events;
}

const nothingDrained: Drained = {
  events: 0,
  eventsPerSecond: 0,
  totalSeconds: 0,
  cpuSeconds: 0,
  rssMiB: 0,
};

export interface Run {
  readonly job: JobName;
  readonly brokers: string;
  readonly events: number;
  readonly input: string;
  readonly output: string;
  readonly application: string;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitMs: number;
  readonly threads: number;
  /** Records of other topics that the job reads first; they do not count. */
  readonly before?: number;
  /** Of the events. Default: JSON. */
  readonly format?: Format;
  /** What the process and its page cache may take. Default: no limit. */
  readonly memoryMiB?: number;
}

export interface Peer {
  readonly name: string;
  /** Why it cannot run here; undefined when it can. */
  missing(): Promise<string | undefined>;
  /** Whether it can do a job over events of a format at all; default: all of them. */
  does?(job: JobName, format: Format): boolean;
  /** The share of the events that it gets; default: all. */
  share?(job: JobName): number;
  /** What was due in the last so many ms of event time may be missing; default: 0. */
  slackMs?(job: JobName): number;
  /**
   * Its time is the least of all partitions, as far as its steps have heard of it: what is due is
   * due by that, and which of the events later than the grace it takes is chance. Default: each
   * partition's own.
   */
  readonly timeIsLeast?: boolean;
  run(run: Run): Promise<Drained>;
}

const root = join(import.meta.dirname, '..', '..');

export const millrace = millraceBy('millrace', 'auto');
/**
 * Whose records come by librdkafka, and without the native helper: what each gives is the ratio to
 * it.
 */
export const millracePacked = millraceBy('millrace-packed', 'packed');
export const millracePlain = millraceBy('millrace-plain', 'plain');

function millraceBy(name: string, transport: KafkaSettings['transport']): Peer {
  const missing = async () => {
    // Before anything is measured.
    await compiled();
    return undefined;
  };
  return { name, missing, run: (run) => runMillrace(run, transport) };
}

let built: Promise<unknown> | undefined;

/**
 * Compiled, as it is deployed: what tsx takes to load the sources is not the engine's. Answers the
 * script.
 */
async function compiled(): Promise<string> {
  built ??= bundle(['bench/compare/millrace.ts', 'bench/compare/job-module.ts']);
  await built;
  return join(root, 'dist', 'bench', 'compare', 'millrace.js');
}

async function runMillrace(run: Run, transport: string): Promise<Drained> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const { brokers, events, application, threads, guarantee, commitMs } = run;
  const args = [brokers, events, application, threads, guarantee, commitMs, folder].map(String);
  const script = await compiled();
  try {
    const env = {
      BENCH_JOB: run.job,
      BENCH_INPUT: run.input,
      BENCH_OUTPUT: run.output,
      BENCH_FORMAT: run.format ?? 'json',
      BENCH_TRANSPORT: transport,
      BENCH_BEFORE: String(run.before ?? 0),
    };
    const drained = await drainedBy(run, process.execPath, [script, ...args], env);
    return { ...drained, stateBytes: await bytesUnder(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs a peer's program, in the memory that it may take. */
export async function drainedBy(
  { memoryMiB }: Run,
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Drained> {
  if (memoryMiB === undefined) return lastLine(command, args, env);
  const group = await memoryGroup(memoryMiB);
  try {
    return await lastLine(...group.entering(command, args), env);
  } catch (error) {
    // Who needs more is killed, or gives up: that is a result.
    const [ended] = (error as Error).message.split(':');
    return { ...nothingDrained, problem: `in ${memoryMiB} MiB ${ended}` };
  } finally {
    await group.remove();
  }
}

/**
 * The machine's own certificates, where it names some, Node reads at each start; no peer speaks to
 * anybody whom they are for.
 */
const { NODE_EXTRA_CA_CERTS: _certificates, ...withoutCertificates } = process.env;

/** Runs a program in the source tree and answers the JSON of its last line. */
export function lastLine<T = Drained>(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<T> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { cwd: root, env: { ...withoutCertificates, ...env } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.once('close', (code, signal) => {
      const line = stdout.trimEnd().split('\n').at(-1) ?? '';
      if (code !== 0 || !line.startsWith('{'))
        fail(
          new Error(`ended by ${signal ?? code}: ${command} ${args.join(' ')}: ${stdout}${stderr}`),
        );
      else done(JSON.parse(line) as T);
    });
  });
}
