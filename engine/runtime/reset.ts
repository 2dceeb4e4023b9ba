/**
 * Resets an application: deletes its read positions, its state and the records between its steps;
 * the next run recomputes everything. docs/decisions/1022-a-reset-is-finished-or-refused.md.
 */
import { commitIdOf, nextCommit } from '../base/commit-id.ts';
import { MillraceError } from '../base/errors.ts';
import type { Deployed } from '../graph/deployment.ts';
import type { Topology } from '../graph/graph.ts';
import { changelogTopic, repartitionTopic, timesTopic } from '../graph/topic-names.ts';
import type { GroupOffset, Log, TopicPartition } from '../log/log.ts';
import { cursorAppend, deploymentCursor, readCursors } from './cursors.ts';
import { plan } from './start-plan.ts';

const resetCursor = 'reset';

interface ResetState {
  /** Number of resets; part of the name of the state's owner, so that older state has no owner. */
  readonly count: number;
  /** The reset was begun and has not finished. */
  readonly unfinished?: true;
}

/**
 * Where input topics are read from after the reset; a number is a time, ms UTC: the first record at
 * or after it.
 */
export type ResetTo = 'earliest' | 'latest' | number;

export interface ResetOptions {
  readonly log: Log;
  readonly application: string;
  readonly topology: Topology;
  readonly to: ResetTo;
}

export interface ResetPlan {
  readonly application: string;
  readonly to: ResetTo;
  /** Input partitions: the committed offset, and the new start offset. */
  readonly inputs: readonly (TopicPartition & {
    readonly committed: number | null;
    readonly next: number;
  })[];
  /** Repartition topics and changelogs, with the number of records to delete. */
  readonly internal: readonly { readonly topic: string; readonly records: number }[];
  /** Topics that stay: the next run appends to them. */
  readonly kept: readonly string[];
}

/** Plans a reset, without changes. */
export async function planReset(options: ResetOptions): Promise<ResetPlan> {
  const { log, application, topology, to } = options;
  const existing = await log.topics();
  const planned = plan({ application, topology, existing, written: [] });
  const there = new Map(existing.map(({ name, partitions }) => [name, partitions]));
  const deployed = (await readCursors(log, application)).get(deploymentCursor);
  const own = new Set([
    ...internalTopics(application, deployed),
    ...changelogsIn(options, planned),
    timesTopic(application),
  ]);
  const inputs = [];
  for (const { topics, partition } of planned.tasks) {
    for (const topic of topics) {
      if (own.has(topic) || topic.endsWith('-repartition') || !there.has(topic)) continue;
      const at = { topic, partition };
      const committed = (await log.committed(application, at))?.offset ?? null;
      inputs.push({ ...at, committed, next: await offsetAt(log, at, to) });
    }
  }
  const internal = [];
  for (const topic of [...own].filter((name) => there.has(name)).sort()) {
    internal.push({ topic, records: await recordsIn(log, topic, there.get(topic) ?? 0) });
  }
  const read = new Set(inputs.map(({ topic }) => topic));
  const kept = planned.topics
    .map(({ name }) => name)
    .filter((name) => there.has(name) && !own.has(name) && !read.has(name));
  return { application, to, inputs, internal, kept };
}

/**
 * Performs the reset. An unfinished reset is finished by another one; until then nothing starts.
 * @throws APPLICATION_RUNS, and USAGE for a log that cannot delete
 */
export async function reset(options: ResetOptions): Promise<ResetPlan> {
  const { log, application, to } = options;
  if (log.forget === undefined) {
    const problem = 'the log of this application cannot forget: it has no `forget`';
    throw new MillraceError('USAGE', { problem });
  }
  const planned = await planReset(options);
  const before = resetIn(await readCursors(log, application));
  const writer = await log.openWriter(`${application}-operate`);
  let last = commitIdOf(writer.lastCommitId);
  const note = (cursors: readonly (readonly [string, unknown])[]) => {
    last = nextCommit(last);
    const appends = [cursorAppend(application, new Map(cursors))];
    return writer.commit({ appends, offsets: [], commitId: last });
  };
  try {
    const next = { count: before.count + 1 };
    await note([[resetCursor, { ...before, unfinished: true }]]);
    try {
      await log.forget({
        group: application,
        topics: planned.internal.map(({ topic }) => topic),
        offsets: to === 'earliest' ? [] : planned.inputs.map(offsetOf),
      });
    } catch (error) {
      // Nothing was changed.
      const isRefused = error instanceof MillraceError && error.code === 'APPLICATION_RUNS';
      if (isRefused) await note([[resetCursor, before]]);
      throw error;
    }
    await note([
      [deploymentCursor, undefined],
      [resetCursor, next],
    ]);
    return planned;
  } finally {
    await writer.close();
  }
}

function offsetOf({ topic, partition, next }: ResetPlan['inputs'][number]): GroupOffset {
  return { topic, partition, offset: next };
}

/**
 * Number of resets of the application.
 * @throws RESET_UNFINISHED
 */
export function resetsIn(application: string, cursors: ReadonlyMap<string, unknown>): number {
  const { count, unfinished } = resetIn(cursors);
  if (unfinished === true) throw new MillraceError('RESET_UNFINISHED', { application });
  return count;
}

function resetIn(cursors: ReadonlyMap<string, unknown>): ResetState {
  return (cursors.get(resetCursor) as ResetState | undefined) ?? { count: 0 };
}

/** Internal topics of the deployment, including those of earlier topologies. */
function internalTopics(application: string, deployed: unknown): string[] {
  const known = Object.entries((deployed ?? {}) as Readonly<Record<string, Deployed>>);
  return known.map(([name, { type }]) =>
    type === 'repartition'
      ? repartitionTopic(application, name)
      : changelogTopic(application, name),
  );
}

/** Changelogs of the topology, for an interrupted earlier reset. */
function changelogsIn({ application }: ResetOptions, { tasks, topics }: ReturnType<typeof plan>) {
  const stores = tasks.flatMap((task) => task.stores.filter((name) => !task.sourceOf.has(name)));
  const names = new Set(stores.map((store) => changelogTopic(application, store)));
  const between = topics.filter(({ settings }) => settings.cleanup === 'consumed');
  for (const { name } of between) names.add(name);
  return names;
}

async function recordsIn(log: Log, topic: string, partitions: number): Promise<number> {
  let records = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const at = { topic, partition };
    records += (await log.endOffset(at)) - (await log.startOffset(at));
  }
  return records;
}

const perRead = { records: 10_000 };

/**
 * Offset of the first record at or after a time. Records need not be in order of time, so they are
 * read.
 */
async function offsetAt(log: Log, at: TopicPartition, to: ResetTo): Promise<number> {
  const end = await log.endOffset(at);
  if (to === 'latest') return end;
  let from = await log.startOffset(at);
  if (to === 'earliest') return from;
  while (from < end) {
    const batch = await log.read(at, from, perRead);
    if (batch === undefined) break;
    for (let i = 0; i < batch.count; i++) {
      if ((batch.timestamps[i] as number) >= to) return batch.offsets[i] as number;
    }
    from = batch.nextOffset;
  }
  return end;
}
