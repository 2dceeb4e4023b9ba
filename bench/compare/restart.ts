/**
 * How long a process takes to its first result, side by side, with nothing to restore (cold start);
 * and to a result of each of its tasks, with the state of `count` lost, so that all of it comes
 * back from the changelog. From the start of the process to committed results that a reader may
 * see.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../../engine/cli/output.ts';
import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { Log } from '../../engine/log/log.ts';
import { startBroker } from '../../test/kafka/broker.ts';
import { type Events, type EventsSpec, eventsOf, partitions } from './events.ts';
import type { Peer } from './peer.ts';
import { createTopics, fill } from './topics.ts';

export interface RestartOptions {
  readonly peers: readonly Peer[];
  readonly events: number;
  readonly keys: number;
  readonly rounds: number;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitMs: number;
  readonly threads: number;
  readonly say: (text: string) => void;
}

export interface RestartLine {
  readonly peer: string;
  readonly round: number;
  /** Process start to first result, ms, with nothing to restore. */
  readonly coldMs: number;
  /** Process start to a result of every task, ms, when the state has to come back. */
  readonly restoreMs: number;
  /** Keys of that state. */
  readonly entries: number;
}

const job = 'count';
/** What comes after the restart. */
const few: EventsSpec = { events: 1_000, keys: 500, skew: 0, perMs: 5 };
const lookMs = 10;

export async function measureRestart(options: RestartOptions): Promise<RestartLine[]> {
  const { peers, rounds, say, events, keys } = options;
  const folder = join(tmpdir(), 'millrace-bench-events');
  const many = await eventsOf({ events, keys, skew: 0, perMs: 5 }, folder);
  const entries = distinctKeys(many);
  const after = await eventsOf(few, folder);
  say('starting a broker');
  const broker = await startBroker();
  const settings = { ...defaultKafkaSettings, brokers: broker.address };
  const log = await openKafkaLog({ settings, application: 'restart' });
  const lines: RestartLine[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      for (const peer of round % 2 === 0 ? peers : [...peers].reverse()) {
        const name = `${peer.name}-${round}`;
        const run = { job, brokers: broker.address, ...options } as const;
        const cold = await topics(log, `${name}-cold`);
        await fill(log, cold.input, after.batches);
        const coldMs = await timeTo('first', log, cold.output, () =>
          peer.run({ ...run, ...cold, events: few.events }),
        );
        const kept = await topics(log, `${name}-kept`);
        await fill(log, kept.input, many.batches);
        await peer.run({ ...run, ...kept, events });
        await fill(log, kept.input, after.batches);
        // Every run has a folder of its own for its state: this one finds none.
        const restoreMs = await timeTo('every', log, kept.output, () =>
          peer.run({ ...run, ...kept, events: few.events }),
        );
        lines.push({ peer: peer.name, round, coldMs, restoreMs, entries });
        say(restartTable(lines.slice(-1)));
      }
    }
    return lines;
  } finally {
    await log.close();
    await broker.stop('SIGKILL');
  }
}

async function topics(log: Log, application: string) {
  const [input, output] = [`${application}-in`, `${application}-out`];
  await createTopics(log, [input, output]);
  return { application, input, output };
}

/**
 * To the first result, or to one of every task: a key is in the partition of its number in every
 * topic. Waits for the run as well: the next one is not to share the machine with it.
 */
async function timeTo(
  result: 'first' | 'every',
  log: Log,
  output: string,
  run: () => Promise<unknown>,
): Promise<number> {
  const waiting = new Map<number, number>();
  const endOf = (partition: number) => log.endOffset({ topic: output, partition });
  for (let partition = 0; partition < partitions; partition++) {
    waiting.set(partition, await endOf(partition));
  }
  // No more than need be: the questions take processor time from who is measured.
  const there = async () => {
    for (const [partition, before] of waiting) {
      const isThere = (await endOf(partition)) > before;
      if (isThere && result === 'first') return true;
      if (isThere) waiting.delete(partition);
      else if (result === 'every') return false;
    }
    return waiting.size === 0;
  };
  const begin = performance.now();
  let ended = false;
  const running = run().finally(() => {
    ended = true;
  });
  while (!ended && !(await there())) {
    await new Promise((done) => setTimeout(done, lookMs));
  }
  const took = performance.now() - begin;
  await running;
  return Math.round(took);
}

function distinctKeys({ batches }: Events): number {
  const keys = new Set<string>();
  for (const { batch } of batches) {
    for (let i = 0; i < batch.count; i++) keys.add(String(batch.key(i)));
  }
  return keys.size;
}

export function restartTable(lines: readonly RestartLine[]): string {
  return table(
    ['peer', 'round', 'cold start ms', 'entries', 'restore ms', 'entries/s'],
    lines.map(({ peer, round, coldMs, entries, restoreMs }) => [
      peer,
      round + 1,
      coldMs,
      entries,
      restoreMs,
      // What a start costs without state is not the restore's.
      Math.round(entries / (Math.max(1, restoreMs - coldMs) / 1_000)),
    ]),
  );
}
