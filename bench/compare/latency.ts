/**
 * Latency side by side, in open loop: events come at a fixed rate whether the engine keeps up or not, and the
 * time of each counts from the instant it was due. One peer after the other and back again.
 */
import { join } from 'node:path';
import { table } from '../../engine/cli/output.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/config.ts';
import { openKafkaLog } from '../../engine/log/kafka/log.ts';
import { startBroker } from '../../test/kafka/broker.ts';
import type { JobName } from './jobs.ts';
import type { Latency } from './load.ts';
import { lastLine, type Peer } from './peer.ts';
import { createTopics } from './topics.ts';

export interface LatencyOptions {
  /** Jobs with a result for each event that passes: map, count. */
  readonly jobs: readonly JobName[];
  readonly peers: readonly Peer[];
  /** Events a second. */
  readonly rates: readonly number[];
  /** Between two commits, ms. */
  readonly commits: readonly number[];
  readonly seconds: number;
  /** At the beginning, that do not count: processes start, code gets warm. */
  readonly warmSeconds: number;
  readonly rounds: number;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly threads: number;
  readonly say: (text: string) => void;
}

export interface LatencyLine extends Latency {
  readonly job: JobName;
  readonly peer: string;
  readonly rate: number;
  readonly commitMs: number;
  readonly round: number;
  readonly cpuSeconds: number;
}

export async function measureLatency(options: LatencyOptions): Promise<LatencyLine[]> {
  const { jobs, peers, rates, commits, rounds, say } = options;
  say('starting a broker');
  const broker = await startBroker();
  const settings = { ...defaultKafkaSettings, brokers: broker.address };
  const log = await openKafkaLog({ settings, application: 'latency' });
  const lines: LatencyLine[] = [];
  try {
    for (const job of jobs) {
      for (const rate of rates) {
        for (const commitMs of commits) {
          for (let round = 0; round < rounds; round++) {
            for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
              const application = `${peer.name}-${job}-${rate}-${commitMs}-${round}`;
              const [input, output] = [`${application}-in`, `${application}-out`];
              await createTopics(log, [input, output]);
              const run = { job, brokers: broker.address, application, input, output, commitMs };
              const line = await runOne(options, peer, run, rate);
              lines.push({ job, peer: peer.name, rate, commitMs, round, ...line });
              say(latencyTable(lines.slice(-1)));
            }
          }
        }
      }
    }
    return lines;
  } finally {
    await log.close();
    await broker.stop('SIGKILL');
  }
}

interface RunTopics {
  readonly job: JobName;
  readonly brokers: string;
  readonly application: string;
  readonly input: string;
  readonly output: string;
  readonly commitMs: number;
}

async function runOne(
  { seconds, warmSeconds, guarantee, threads }: LatencyOptions,
  peer: Peer,
  run: RunTopics,
  rate: number,
): Promise<Latency & { cpuSeconds: number }> {
  const events = rate * seconds;
  // It ends by itself when it has seen all events.
  const running = peer.run({ ...run, events, guarantee, threads });
  const script = join(import.meta.dirname, 'load.ts');
  const node = ['--conditions=millrace-source', '--import=tsx', script];
  const args = [run.brokers, run.input, run.output, rate, seconds, warmSeconds].map(String);
  const [{ cpuSeconds }, latency] = await Promise.all([
    running,
    lastLine<Latency>(process.execPath, [...node, ...args]),
  ]);
  return { ...latency, cpuSeconds };
}

export function latencyTable(lines: readonly LatencyLine[]): string {
  const shown = (ms: number) => ms.toFixed(ms < 100 ? 1 : 0);
  return table(
    [
      ...['job', 'events/s', 'commit ms', 'peer', 'round', 'results', 'p50 ms', 'p99 ms'],
      ...['p99.9 ms', 'max ms', 'CPU s', 'sender late ms'],
    ],
    lines.map((line) => [
      line.job,
      line.rate,
      line.commitMs,
      line.peer,
      line.round + 1,
      line.results,
      ...[line.p50, line.p99, line.p999, line.max].map(shown),
      line.cpuSeconds.toFixed(1),
      line.senderLateMs,
    ]),
  );
}
