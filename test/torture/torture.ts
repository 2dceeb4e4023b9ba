/**
 * Two processes of the command line share a job on a real broker while they are killed, held still
 * past their session, robbed of their state, and while the broker itself is killed. In the end
 * Kafka's own reader must find every expected result once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { type Broker, startBroker } from '../kafka/broker.ts';
import { Feeder } from './feeder.ts';
import { application, pairs, partitions, perGroup, perUser, perWindow, seen, sent } from './job.ts';
import { allTopics, type Verdict, verdictOf } from './verdict.ts';

export interface TortureOptions {
  /** Processes killed by SIGKILL; the other faults come on top. */
  readonly kills: number;
  readonly seed: number;
  /** Of the group; default classic. */
  readonly protocol?: 'classic' | 'consumer';
  /** Between two faults, ms: from the first up to the second. */
  readonly pauseMs?: readonly [number, number];
  readonly say?: (line: string) => void;
  /** These faults, one after the other, instead of drawn ones. */
  readonly faults?: readonly Fault[];
  /** Where the data of broker and processes, and what they said, is kept; default: nowhere. */
  readonly keep?: string;
}

export interface TortureReport extends Verdict {
  readonly seed: number;
  readonly events: number;
  /** Every fault with its time since the start, ms. */
  readonly faults: readonly string[];
  /** How both processes ended when they were asked to stop. */
  readonly stops: readonly string[];
}

export type Fault = 'kill' | 'freeze' | 'broker';

const root = resolve(import.meta.dirname, '../..');
const sessionMs = 6_000;
/** A process held still for so long has lost its partitions when it goes on. */
const frozenMs = sessionMs + 2_500;
const stopMs = 60_000;
const caughtUpMs = 180_000;

/** Of ten faults that kill a process, one more holds one still, and one kills the broker. */
function planOf(random: Random, kills: number): Fault[] {
  const rest = Math.max(1, Math.round(kills / 10));
  const faults: Fault[] = Array.from({ length: kills }, () => 'kill');
  for (let i = 0; i < rest; i++) {
    faults.splice(randomBelow(random, faults.length), 0, 'freeze');
    faults.splice(randomBelow(random, faults.length), 0, 'broker');
  }
  return faults;
}

/** One of the processes; it is started again whenever it has ended. */
class Worker {
  readonly name: string;
  readonly #args: readonly string[];
  readonly #folder: string;
  readonly #log: string | undefined;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  /** The end of what it said, for when something is wrong. */
  said = '';
  /** Set while it is expected to run; otherwise its end is a failure. */
  #wanted = false;
  readonly unexpected: string[] = [];

  constructor(
    name: string,
    folder: string,
    args: readonly string[],
    isClassic: boolean,
    log: string | undefined,
  ) {
    this.name = name;
    // The classic protocol's sessions are the member's matter, the other's the broker's.
    this.#env = isClassic ? { MILLRACE_KAFKA_OPTION_SESSION_TIMEOUT_MS: String(sessionMs) } : {};
    this.#folder = folder;
    this.#args = args;
    this.#log = log;
  }

  start(...more: readonly string[]): void {
    const loader = ['--conditions=millrace-source', '--import=tsx', 'topologies/app/main.ts'];
    // Few records a cycle: after a fault there is a backlog, and cycles commit beside the next
    // one's work.
    const own = ['--data', this.#folder, '--records-per-cycle', '4', ...this.#args];
    const job = ['run', 'test/torture/job.ts', ...own, ...more];
    const env = { ...process.env, ...this.#env };
    const child = spawn(process.execPath, [...loader, ...job], { cwd: root, env });
    const hear = (chunk: Buffer) => {
      if (this.#log !== undefined) appendFileSync(this.#log, chunk);
      this.said = (this.said + chunk.toString()).slice(-4_000);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    this.#child = child;
    this.#wanted = true;
    this.#ended = once(child, 'close').then(([code, signal]) => {
      if (!this.#wanted) return;
      this.unexpected.push(`${this.name} ended by itself with ${code ?? signal}: ${this.said}`);
      this.start();
    });
  }

  /** Joins the others, and ends when the whole group has nothing left to do. */
  async untilCaughtUp(): Promise<string> {
    const begin = Date.now();
    this.start('--until-caught-up');
    this.#wanted = false;
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), caughtUpMs);
    await this.#ended;
    clearTimeout(late);
    const end = this.#child?.exitCode ?? this.#child?.signalCode;
    if (end !== 0) this.unexpected.push(`${this.name} ended with ${end}: ${this.said}`);
    return `${this.name}: ${end}, caught up after ${Date.now() - begin} ms`;
  }

  async kill(): Promise<void> {
    this.#wanted = false;
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Asks it to stop; answers with what it ended. */
  async stop(): Promise<string> {
    const child = this.#child;
    if (child === undefined) return `${this.name}: not running`;
    this.#wanted = false;
    const begin = Date.now();
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await this.#ended;
    clearTimeout(late);
    return `${this.name}: ${child.exitCode ?? child.signalCode} after ${Date.now() - begin} ms`;
  }

  forgetState(): Promise<void> {
    return rm(join(this.#folder, 'state'), { recursive: true, force: true });
  }
}

export async function torture(options: TortureOptions): Promise<TortureReport> {
  const { kills, seed, pauseMs = [1_500, 5_000], say = () => {}, protocol = 'classic' } = options;
  const random = new SeededRandom(seed);
  const folder = options.keep ?? (await mkdtemp(join(tmpdir(), 'millrace-torture-')));
  const broker = await startBroker({
    ...(options.keep === undefined ? {} : { directory: join(folder, 'broker') }),
    settings: { 'group.consumer.session.timeout.ms': sessionMs },
  });
  const fixed = random.next() < 0.5;
  const processes = ['last', 'a', 'b'].map((name, i) => {
    const args = [
      '--brokers',
      broker.address,
      '--threads',
      String(i % 2),
      '--partitions',
      `${partitions}`,
    ];
    const identity = fixed ? ['--instance-id', `worker-${name}`] : [];
    identity.push('--group-protocol', protocol);
    const log = options.keep === undefined ? undefined : join(folder, `${name}.log`);
    return new Worker(
      name,
      join(folder, name),
      [...args, ...identity],
      protocol === 'classic',
      log,
    );
  });
  const [last, ...workers] = processes as [Worker, ...Worker[]];
  say(
    `seed ${seed}: ${kills} kills, ${fixed ? 'static' : 'dynamic'} members, protocol ${protocol}, broker ${broker.address}`,
  );
  const begin = Date.now();
  const faults: string[] = [];
  const note = (what: string) => {
    faults.push(`${Date.now() - begin} ms: ${what}`);
    say(`${faults.at(-1)}`);
  };
  try {
    await createTopics(broker);
    const feeder = await Feeder.start(broker.address);
    for (const worker of workers) worker.start();
    await sleep(8_000);
    for (const fault of options.faults ?? planOf(random, kills)) {
      const worker = workers[randomBelow(random, workers.length)] as Worker;
      await inflict(fault, { worker, broker, random, note });
      await sleep(pauseMs[0] + randomBelow(random, pauseMs[1] - pauseMs[0]));
    }
    const events = await feeder.stop();
    say(`${events} events fed; the rest is processed undisturbed`);
    const stops = [await last.untilCaughtUp()];
    for (const worker of workers) stops.push(await worker.stop());
    const verdict = await judge(broker, events);
    const problems = [...processes.flatMap(({ unexpected }) => unexpected), ...verdict.problems];
    if (verdict.lost > 0) problems.push(await lagOf(broker));
    return { ...verdict, problems, seed, events, faults, stops };
  } finally {
    for (const worker of processes) await worker.kill();
    await broker.stop('SIGKILL');
    if (options.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

interface Scene {
  readonly worker: Worker;
  readonly broker: Broker;
  readonly random: Random;
  readonly note: (what: string) => void;
}

async function inflict(fault: Fault, { worker, broker, random, note }: Scene): Promise<void> {
  if (fault === 'broker') {
    note('broker killed');
    await broker.kill();
    await sleep(randomBelow(random, 2_000));
    await broker.start();
    return note('broker back');
  }
  if (fault === 'freeze') {
    note(`${worker.name} held still`);
    worker.signal('SIGSTOP');
    await sleep(frozenMs);
    worker.signal('SIGCONT');
    return note(`${worker.name} goes on`);
  }
  const robbed = randomBelow(random, 4) === 0;
  note(`${worker.name} killed${robbed ? ', its state deleted' : ''}`);
  await worker.kill();
  if (robbed) await worker.forgetState();
  // Sometimes at once, sometimes when the other has taken over.
  await sleep(random.next() < 0.7 ? 0 : sessionMs);
  worker.start();
}

async function createTopics(broker: Broker): Promise<void> {
  for (const topics of [
    [sent, seen],
    [pairs, perUser, perWindow, perGroup],
  ]) {
    await Promise.all(
      topics.map(({ name }) =>
        broker.tool('org.apache.kafka.tools.TopicCommand', [
          ...['--create', '--topic', name, '--partitions', String(partitions)],
          ...['--config', 'retention.ms=-1'],
        ]),
      ),
    );
  }
}

/** How far the group has read, in Kafka's words. */
async function lagOf(broker: Broker): Promise<string> {
  const args = ['--describe', '--group', application];
  const { stdout } = await broker.tool(
    'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand',
    args,
  );
  return stdout.toString();
}

/**
 * A reader that stopped too early would see less, never more: it is asked again before anything is
 * called lost.
 */
async function judge(broker: Broker, events: number): Promise<Verdict> {
  for (let quietMs = 6_000; ; quietMs *= 2) {
    const read = new Map<string, Awaited<ReturnType<Broker['readCommitted']>>>();
    for (const topic of allTopics) {
      read.set(topic, await broker.readCommitted(topic, { quietMs }));
    }
    const verdict = verdictOf(events, read);
    if (verdict.lost + verdict.problems.length === 0 || quietMs > 6_000) return verdict;
  }
}
