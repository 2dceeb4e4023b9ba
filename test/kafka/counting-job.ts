/**
 * A job whose results show a lost or doubled record: counts a user, and behind a second repartition
 * topic counts a group. Each count must appear once, from 1 up to the number of its events.
 */
import { count, topic, topology, tumbling, utf8 } from 'millrace';
import type { Append, Log } from '../../engine/log/log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { partitionOf } from '../../engine/record/partitioner.ts';

export const partitions = 6;
const users = 40;
const groups = 7;

/** @param input name of the topic of events; @param prefix of the topics written */
export function countingJob(input: string, prefix: string) {
  const { events, perUser, perGroup } = countingTopics(input, prefix);
  return topology(prefix, (t) => {
    const byUser = t.stream(events).keyBy('by-user', (user) => user);
    byUser.count('users').to(perUser);
    byUser.window(tumbling({ size: 1_000, grace: 1e12 })).aggregate('windows', count());
    const byGroup = byUser.keyBy('by-group', (user) => groupOf(user));
    byGroup.count('groups').to(perGroup);
    return {};
  });
}

export function countingTopics(input: string, prefix: string) {
  return {
    events: topic<string, string>(input, { value: utf8, partitions }),
    perUser: topic<string, number>(`${prefix}-per-user`, { partitions }),
    perGroup: topic<string, number>(`${prefix}-per-group`, { partitions }),
  };
}

function groupOf(user: string): string {
  return `group-${Number(user.slice(5)) % groups}`;
}

function userOf(event: number): string {
  return `user-${(event * 7 + Math.floor(event / 11)) % users}`;
}

/** Writes events `from` to `to` (exclusive) in one transaction. */
export async function writeEvents(log: Log, input: string, from: number, to: number) {
  const builders = Array.from({ length: partitions }, () => new BatchBuilder());
  for (let event = from; event < to; event++) {
    const key = Buffer.from(`event-${event}`);
    const builder = builders[partitionOf(key, partitions)];
    builder?.append(key, Buffer.from(userOf(event)), 1_700_000_000_000 + event * 10);
  }
  const appends: Append[] = builders.flatMap((builder, partition) =>
    builder.count === 0 ? [] : { topic: input, partition, batch: builder.finishAt(0) },
  );
  const writer = await log.openWriter(`${input}-feeder`);
  await writer.commit({ appends, offsets: [], commitId: 1 });
  await writer.close();
}

/** How often each key must have been counted after events 0 to `events`. */
export function expectedCounts(events: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let event = 0; event < events; event++) {
    const user = userOf(event);
    for (const key of [user, groupOf(user)]) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

export interface SeenCount {
  readonly key: string;
  readonly count: number;
}

/**
 * What is wrong with the counts seen, in the order of each partition; empty when each was seen
 * once.
 */
export function countProblems(seen: readonly SeenCount[], events: number): string[] {
  const last = new Map<string, number>();
  const problems: string[] = [];
  for (const { key, count: n } of seen) {
    const before = last.get(key) ?? 0;
    if (n !== before + 1) problems.push(`${key}: ${n} after ${before}`);
    last.set(key, n);
  }
  for (const [key, expected] of expectedCounts(events)) {
    if (last.get(key) !== expected)
      problems.push(`${key}: ended at ${last.get(key)}, not ${expected}`);
  }
  return problems;
}

/** Of each key the count may have come more than once, but it must have got so far. */
export function lostCounts(seen: readonly SeenCount[], events: number): string[] {
  const greatest = new Map<string, number>();
  for (const { key, count: n } of seen) greatest.set(key, Math.max(greatest.get(key) ?? 0, n));
  return [...expectedCounts(events)]
    .filter(([key, expected]) => (greatest.get(key) ?? 0) < expected)
    .map(([key, expected]) => `${key}: got to ${greatest.get(key)}, not ${expected}`);
}

/**
 * Reads what an application counted of `events` events, committed only, and answers what is wrong
 * with it.
 */
export async function countsSeen(
  log: Log,
  input: string,
  application: string,
  events: number,
): Promise<string[]> {
  return countProblems(await readCounts(log, input, application), events);
}

/** All counts written, committed only, in the order of each partition. */
export async function readCounts(
  log: Log,
  input: string,
  application: string,
): Promise<SeenCount[]> {
  const { perUser, perGroup } = countingTopics(input, application);
  const seen: SeenCount[] = [];
  for (const { name, value: serde } of [perUser, perGroup]) {
    for (let partition = 0; partition < partitions; partition++) {
      const at = { topic: name, partition };
      for (let from = 0; ; ) {
        const batch = await log.read(at, from, { records: 10_000 });
        if (batch === undefined) break;
        from = batch.nextOffset;
        for (let i = 0; i < batch.count; i++) {
          const value = batch.value(i) as Buffer;
          seen.push({ key: String(batch.key(i)), count: serde.decode(value, 0, value.byteLength) });
        }
      }
    }
  }
  return seen;
}
