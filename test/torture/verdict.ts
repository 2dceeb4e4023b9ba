/**
 * What must be in the topics of the results, computed from what stands in the inputs, and what is
 * wrong with them. An idempotent producer may write a batch twice over a broker that is killed;
 * both count then.
 */
import { partitionOf } from '../../engine/record/partitioner.ts';
import type { SeenRecord } from '../kafka/tools.ts';
import {
  groupOf,
  pairs,
  partitions,
  perGroup,
  perUser,
  perWindow,
  seen,
  sent,
  timeOf,
  userOf,
  windowMs,
} from './job.ts';

export interface Verdict {
  /** Results that had to be there. */
  readonly expected: number;
  readonly lost: number;
  readonly doubled: number;
  /** Results lost, topic by topic. */
  readonly lostOf: Readonly<Record<string, number>>;
  /** The first few of them, and what else is wrong, in words. */
  readonly problems: readonly string[];
}

export const resultTopics = [pairs, perUser, perWindow, perGroup].map(({ name }) => name);

const shownProblems = 10;

export const allTopics = [sent.name, seen.name, ...resultTopics];

/** @param read all committed records of each topic */
export function verdictOf(
  events: number,
  read: ReadonlyMap<string, readonly SeenRecord[]>,
): Verdict {
  const { wanted, problems } = wantedResults(events, read);
  let [expected, lost, doubled] = [0, 0, 0];
  const lostOf: Record<string, number> = {};
  const say = (problem: string) => {
    if (problems.length < shownProblems) problems.push(problem);
  };
  for (const topic of resultTopics) {
    const times = new Map<string, number>();
    const counted = new Map<string, number>();
    for (const record of inOrder(read.get(topic) ?? [])) {
      const key = keyText(topic, record.key);
      const value = String(record.value);
      times.set(`${key}=${value}`, (times.get(`${key}=${value}`) ?? 0) + 1);
      const before = counted.get(key) ?? 0;
      if (topic !== pairs.name && Number(value) < before)
        say(`${topic} ${key}: ${value} after ${before}`);
      counted.set(key, Math.max(before, Number(value)));
      if (record.partition !== partitionOf(baseKey(topic, record.key), partitions)) {
        say(`${topic} ${key} is in partition ${record.partition}`);
      }
    }
    const results = wanted.get(topic) ?? new Map<string, number>();
    expected += results.size;
    for (const [result, needed] of results) {
      const found = times.get(result) ?? 0;
      if (found < needed) {
        lost++;
        lostOf[topic] = (lostOf[topic] ?? 0) + 1;
      }
      if (found > needed) doubled++;
      if (found !== needed) say(`${topic} ${result}: ${found} times, not ${needed}`);
    }
    for (const result of times.keys()) {
      if (results.has(result)) continue;
      doubled++;
      say(`${topic} ${result}: must not be there`);
    }
  }
  return { expected, lost, doubled, lostOf, problems };
}

/** Topic -> every 'key=value' that must be there -> how often. */
function wantedResults(events: number, read: ReadonlyMap<string, readonly SeenRecord[]>) {
  const wanted = new Map(resultTopics.map((topic) => [topic, new Map<string, number>()]));
  const counts = new Map<string, number>();
  const counted = (topic: string, key: string) => {
    const n = (counts.get(`${topic} ${key}`) ?? 0) + 1;
    counts.set(`${topic} ${key}`, n);
    wanted.get(topic)?.set(`${key}=${n}`, 1);
  };
  const [left, right] = [timesIn(read.get(sent.name)), timesIn(read.get(seen.name))];
  const problems: string[] = [];
  for (let event = 0; event < events; event++) {
    const user = userOf(event);
    const times = (left.get(event) ?? 0) * (right.get(event) ?? 0);
    if (times === 0) problems.push(`event-${event} was fed and is not in the inputs`);
    wanted.get(pairs.name)?.set(`event-${event}=${user}`, times);
    for (let pair = 0; pair < times; pair++) {
      counted(perUser.name, user);
      counted(perGroup.name, groupOf(user));
      counted(perWindow.name, `${user}@${Math.floor(timeOf(event) / windowMs) * windowMs}`);
    }
  }
  return { wanted, problems };
}

function timesIn(records: readonly SeenRecord[] = []): Map<number, number> {
  const times = new Map<number, number>();
  for (const { key } of records) {
    const event = Number(String(key).slice('event-'.length));
    times.set(event, (times.get(event) ?? 0) + 1);
  }
  return times;
}

function inOrder(records: readonly SeenRecord[]): SeenRecord[] {
  return [...records].sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** A windowed key is the key's bytes and the window's start in eight. */
function keyText(topic: string, key: Buffer | null): string {
  if (key === null) return 'null';
  if (topic !== perWindow.name) return key.toString();
  return `${baseKey(topic, key)}@${key.readBigInt64BE(key.byteLength - 8)}`;
}

function baseKey(topic: string, key: Buffer | null): Buffer {
  const bytes = key ?? Buffer.alloc(0);
  return topic === perWindow.name ? bytes.subarray(0, -8) : bytes;
}
