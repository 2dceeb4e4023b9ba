/**
 * Latency side by side, in open loop: events come at a fixed rate whether the engine keeps up or
 * not, and the time of each counts from the instant it was due. One peer after the other and back
 * again. With `shares` the rates are shares of what each peer sustains at most, on this machine and
 * beside this load; that is looked for first.
 */
import { join } from 'node:path';
import { table } from '../../engine/cli/output.ts';
import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { startBroker } from '../../test/kafka/broker.ts';
import type { JobName } from './jobs.ts';
import type { Latency } from './load.ts';
import { lastLine, type Peer } from './peer.ts';
import { createTopics } from './topics.ts';

export interface LatencyOptions {
  /**
   * Jobs with a result for each event that passes, or for the newest of each key and commit: map,
   * count.
   */
  readonly jobs: readonly JobName[];
  readonly peers: readonly Peer[];
  /** Events a second. */
  readonly rates: readonly number[];
  /** Instead of the rates: percent of each peer's own best. */
  readonly shares?: readonly number[];
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
  /** Percent of the peer's own best, when the rate was chosen so. */
  readonly share?: number;
  readonly commitMs: number;
  readonly round: number;
  readonly cpuSeconds: number;
}

/**
 * Rates that are tried in search of a peer's best, events a second: doubled from the first on, then
 * halved between.
 */
const [firstTried, mostTried, halvings] = [12_500, 1_600_000, 3];
/**
 * A rate is sustained when its load was as it says, and 99 % of the results came within so many ms.
 */
const sustainedMs = 1_000;
const [triedSeconds, triedWarmSeconds] = [20, 10];

export async function measureLatency(options: LatencyOptions): Promise<LatencyLine[]> {
  const { jobs, peers, commits, rounds, say } = options;
  say('starting a broker');
  const broker = await startBroker();
  const settings = { ...defaultKafkaSettings, brokers: broker.address };
  const log = await openKafkaLog({ settings, application: 'latency' });
  const lines: LatencyLine[] = [];
  let runs = 0;
  const measure = async (
    peer: Peer,
    job: JobName,
    commitMs: number,
    rate: number,
    of = options,
  ) => {
    const application = `${peer.name}-${job}-${runs++}`;
    const [input, output] = [`${application}-in`, `${application}-out`];
    await createTopics(log, [input, output]);
    const run = { job, brokers: broker.address, application, input, output, commitMs };
    return runOne(of, peer, run, rate);
  };
  const isSustained = async (peer: Peer, job: JobName, commitMs: number, rate: number) => {
    const tried = { ...options, seconds: triedSeconds, warmSeconds: triedWarmSeconds };
    const { p99, senderLateMs } = await measure(peer, job, commitMs, rate, tried);
    const late = `sender late ${senderLateMs} ms`;
    say(`${job} ${peer.name}, ${rate} events/s: p99 ${Math.round(p99)} ms, ${late}`);
    return p99 <= sustainedMs && senderLateMs <= sustainedMs;
  };
  try {
    for (const job of jobs) {
      for (const commitMs of commits) {
        const bests = new Map<Peer, number>();
        for (const peer of options.shares === undefined ? [] : peers) {
          const best = await bestRate((rate) => isSustained(peer, job, commitMs, rate));
          if (best === 0) say(`${job} ${peer.name} sustains no rate that was tried: left out`);
          bests.set(peer, best);
        }
        for (const load of loadsOf(options)) {
          for (let round = 0; round < rounds; round++) {
            for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
              const best = bests.get(peer) ?? 0;
              if (load.rate === undefined && best === 0) continue;
              const rate = load.rate ?? Math.round((best * load.share) / 100_000) * 1_000;
              const line = await measure(peer, job, commitMs, rate);
              lines.push({ job, peer: peer.name, ...load, rate, commitMs, round, ...line });
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

type Load = { readonly rate: number } | { readonly rate?: undefined; readonly share: number };

function loadsOf({ rates, shares }: LatencyOptions): Load[] {
  return shares === undefined
    ? rates.map((rate) => ({ rate }))
    : shares.map((share) => ({ share }));
}

/** The greatest rate found that is sustained; 0 when the first is not. */
async function bestRate(isSustained: (rate: number) => Promise<boolean>): Promise<number> {
  let [low, high] = [0, firstTried];
  while (high <= mostTried && (await isSustained(high))) [low, high] = [high, 2 * high];
  for (let i = 0; i < halvings && low > 0 && high <= mostTried; i++) {
    const middle = Math.round(Math.sqrt(low * high) / 1_000) * 1_000;
    if (await isSustained(middle)) low = middle;
    else high = middle;
  }
  return low;
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
      ...[
        'job',
        'events/s',
        '% of best',
        'commit ms',
        'peer',
        'round',
        'results',
        'p50 ms',
        'p99 ms',
      ],
      ...['p99.9 ms', 'max ms', 'CPU s', 'sender late ms'],
    ],
    lines.map((line) => [
      line.job,
      line.rate,
      line.share ?? '',
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
