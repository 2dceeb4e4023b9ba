/** What must be in the topics of the results, computed from the events alone, and what is wrong with them. */
import { partitionOf } from '../../engine/record/partitioner.ts';
import type { SeenRecord } from '../kafka/tools.ts';
import {
  groupOf,
  pairs,
  partitions,
  perGroup,
  perUser,
  perWindow,
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

/** @param read all committed records of each topic of results */
export function verdictOf(
  events: number,
  read: ReadonlyMap<string, readonly SeenRecord[]>,
): Verdict {
  const wanted = wantedResults(events);
  let [expected, lost, doubled] = [0, 0, 0];
  const lostOf: Record<string, number> = {};
  const problems: string[] = [];
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
    const results = wanted.get(topic) ?? new Set();
    expected += results.size;
    for (const result of results) {
      const found = times.get(result) ?? 0;
      if (found === 0) {
        lost++;
        lostOf[topic] = (lostOf[topic] ?? 0) + 1;
      }
      if (found > 1) doubled++;
      if (found !== 1) say(`${topic} ${result}: ${found} times`);
    }
    for (const result of times.keys()) {
      if (results.has(result)) continue;
      doubled++;
      say(`${topic} ${result}: must not be there`);
    }
  }
  return { expected, lost, doubled, lostOf, problems };
}

/** Topic -> every 'key=value' that must be there once. */
function wantedResults(events: number): ReadonlyMap<string, ReadonlySet<string>> {
  const wanted = new Map(resultTopics.map((topic) => [topic, new Set<string>()]));
  const counts = new Map<string, number>();
  const counted = (topic: string, key: string) => {
    const n = (counts.get(`${topic} ${key}`) ?? 0) + 1;
    counts.set(`${topic} ${key}`, n);
    wanted.get(topic)?.add(`${key}=${n}`);
  };
  for (let event = 0; event < events; event++) {
    const user = userOf(event);
    wanted.get(pairs.name)?.add(`event-${event}=${user}`);
    counted(perUser.name, user);
    counted(perGroup.name, groupOf(user));
    counted(perWindow.name, `${user}@${Math.floor(timeOf(event) / windowMs) * windowMs}`);
  }
  return wanted;
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
