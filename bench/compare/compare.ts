/**
 * Jobs side by side: on one broker, over the same events, one after the other and back again (A B B
 * A), each run held against the oracle. A figure without a green oracle is void.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { Log } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { partitionOf } from '../../engine/record/partitioner.ts';
import { startBroker } from '../../test/kafka/broker.ts';
import { byHand } from '../peers/by-hand/peer.ts';
import { flink, flinkPeers } from '../peers/flink/peer.ts';
import { kafkaStreams } from '../peers/kafka-streams/peer.ts';
import { check, type Verdict } from './check.ts';
import { type Format, inFormat } from './event-formats.ts';
import {
  baseTime,
  type Events,
  type EventsSpec,
  eventsOf,
  kindOf,
  partitions,
  userName,
} from './events.ts';
import { type Changelogs, changelogsOf } from './footprint.ts';
import { factorOf, type JobName, usersTopic } from './jobs.ts';
import { type Expected, expectedOf, isOrdered, takesLate } from './oracle.ts';
import { type Drained, millrace, millracePacked, millracePlain, type Peer } from './peer.ts';
import { createTopics, fill } from './topics.ts';

export interface CompareOptions {
  readonly jobs: readonly JobName[];
  readonly peers: readonly string[];
  /** Events of a job for us; peers that would take too long get fewer, see `Peer.share`. */
  readonly events: number;
  readonly keys: number;
  readonly skew: number;
  readonly perMs: number;
  readonly rounds: number;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitMs: number;
  readonly threads: number;
  /** Of the events. */
  readonly format: Format;
  readonly secondsAtMost: number;
  /** What each process may take, its page cache included. Default: no limit. */
  readonly memoryMiB?: number;
  /** Jobs that Flink is run with. Default: all that it can do. */
  readonly flinkJobs?: readonly JobName[];
  readonly say: (text: string) => void;
}

export interface Line {
  readonly job: JobName;
  readonly peer: string;
  readonly round: number;
  readonly events: number;
  readonly drained: Drained;
  readonly verdict: Verdict;
  readonly changelogs: Changelogs;
}

/**
 * Jobs whose events lie further apart: so many a ms. Users come and go over hours; history is hours
 * long.
 */
const perMsOf: Partial<Record<JobName, number>> = { engagement: 0.1, rekey: 0.1 };

const ours: readonly Peer[] = [millrace, millracePacked, millracePlain];

interface Input {
  readonly topic: string;
  readonly events: Events;
  readonly expected: Map<JobName, Expected>;
}

export async function compare(
  options: CompareOptions,
): Promise<{ lines: Line[]; skipped: string[] }> {
  const { jobs, rounds, say, secondsAtMost } = options;
  const skipped: string[] = [];
  await millrace.missing();
  const all: Peer[] = [millrace];
  for (const name of options.peers) {
    const peer = peerOf(name, secondsAtMost);
    const missing = await peer.missing();
    if (missing === undefined) all.push(peer);
    else skipped.push(`${name}: ${missing}`);
  }
  say('starting a broker');
  const broker = await startBroker();
  const settings = { ...defaultKafkaSettings, brokers: broker.address };
  const log = await openKafkaLog({ settings, application: 'bench' });
  try {
    const inputs = new Map<string, Input>();
    const lines: Line[] = [];
    const doing = (job: JobName) => all.filter((peer) => does(options, peer, job));
    const inputFor = (job: JobName, peer: Peer) => {
      const events = Math.round(options.events * (peer.share?.(job) ?? 1));
      const perMs = perMsOf[job] ?? options.perMs;
      // All have the same events: where one cannot say what it does with those that are too late,
      // there are none.
      const tooLate = takesLate(job) && !doing(job).some(({ timeIsLeast }) => timeIsLeast === true);
      const kind = { tooLate, ordered: isOrdered(job) };
      return inputOf(log, inputs, { ...options, events, perMs }, kind);
    };
    const [first] = jobs;
    if (first !== undefined) {
      say('one run that does not count: a broker that has just started compiles its own code');
      const input = await inputFor(first, millrace);
      await runOne({ ...options, say: () => {} }, log, broker.address, first, millrace, -1, input);
    }
    for (const job of new Set(jobs)) {
      for (let round = 0; round < rounds; round++) {
        // There and back again, so that a drift of the machine meets both.
        const peers = doing(job);
        for (const peer of round % 2 === 0 ? peers : peers.reverse()) {
          const input = await inputFor(job, peer);
          lines.push(await runOne(options, log, broker.address, job, peer, round, input));
        }
      }
    }
    return { lines, skipped };
  } finally {
    await log.close();
    await broker.stop('SIGKILL');
  }
}

function does({ format, flinkJobs }: CompareOptions, peer: Peer, job: JobName): boolean {
  if (peer.name in flinkPeers && flinkJobs?.includes(job) === false) return false;
  return peer.does?.(job, format) !== false;
}

export function peerOf(name: string, secondsAtMost: number): Peer {
  const own = ours.find((peer) => peer.name === name);
  if (own !== undefined) return own;
  const settings = flinkPeers[name];
  if (settings !== undefined) return flink(name, settings, secondsAtMost);
  if (name === byHand.name) return byHand;
  return kafkaStreams(name === 'kafka-streams' ? 'tuned' : 'default', secondsAtMost);
}

async function runOne(
  options: CompareOptions,
  log: Log,
  brokers: string,
  job: JobName,
  peer: Peer,
  round: number,
  input: Input,
): Promise<Line> {
  const { guarantee, commitMs, threads, format, memoryMiB, say } = options;
  const { events } = input.events.spec;
  const application = `${peer.name}-${job}-${round}`;
  const output = `${application}-out`;
  await createTopics(log, [output]);
  const before = job === 'join-table' ? options.keys : 0;
  const run = { before, job, brokers, events, input: input.topic, output, application, format };
  const limit = memoryMiB === undefined ? {} : { memoryMiB };
  const drained = await peer.run({ ...run, ...limit, guarantee, commitMs, threads });
  const expected = input.expected.get(job) ?? expectedOf(job, input.events);
  input.expected.set(job, expected);
  const verdict =
    drained.events === events
      ? await check(job, expected, log, output, {
          ...drained,
          isOurs: ours.includes(peer),
          slackMs: peer.slackMs?.(job) ?? 0,
          timeIsLeast: peer.timeIsLeast ?? false,
        })
      : {
          green: false,
          results: 0,
          missing: 0,
          problem: drained.problem ?? `saw ${drained.events} of ${events} in time`,
        };
  const changelogs = await changelogsOf(log, application);
  const right = verdict.lost ? `right but for ${verdict.lost} records lost` : 'all right';
  const shown = verdict.green ? `${verdict.results} results, ${right}` : verdict.problem;
  say(`${job} ${peer.name} round ${round + 1}: ${drained.eventsPerSecond} events/s; ${shown}`);
  return { job, peer: peer.name, round, events, drained, verdict, changelogs };
}

/** Before every event, however late it comes. */
const usersTime = baseTime - 600_000;

/** The table of `join-table`: every user, before the first event. */
async function loadUsers(log: Log, input: string, keys: number): Promise<void> {
  const topic = usersTopic(input);
  await createTopics(log, [topic], { cleanup: 'compact' });
  const builders = Array.from({ length: partitions }, () => new BatchBuilder());
  for (let i = 0; i < keys; i++) {
    const user = userName(i);
    const value = JSON.stringify({ factor: factorOf(user) });
    const key = Buffer.from(user);
    builders[partitionOf(key, partitions)]?.append(key, Buffer.from(value), usersTime);
  }
  const batches = builders.map((builder, partition) => ({ partition, batch: builder.finishAt(0) }));
  const filled = batches.filter(({ batch }) => batch.count > 0);
  await fill(log, topic, filled);
}

async function inputOf(
  log: Log,
  inputs: Map<string, Input>,
  { events, keys, skew, perMs, format, say }: CompareOptions,
  kind: Pick<EventsSpec, 'tooLate' | 'ordered'>,
): Promise<Input> {
  const spec = { events, keys, skew, perMs, ...kind };
  const topic = `events-${events}-${perMs}${kindOf(spec)}`;
  const known = inputs.get(topic);
  if (known !== undefined) return known;
  const made = await eventsOf(spec, join(tmpdir(), 'millrace-bench-events'));
  await createTopics(log, [topic]);
  await fill(log, topic, inFormat(made, format));
  await loadUsers(log, topic, keys);
  say(`${events} events loaded as ${format}, SHA-256 ${made.checksum.slice(0, 16)}`);
  const input = { topic, events: made, expected: new Map<JobName, Expected>() };
  inputs.set(topic, input);
  return input;
}
