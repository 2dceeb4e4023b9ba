/** The commands that read the results of a run: describe, query, topics, dead-letters. */
import { resolve } from 'node:path';
import { keyTextOf } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { environment, knownApplication, readApplication } from '../embed/environment.ts';
import { describeJson, describeMermaid, describeText } from '../graph/describe.ts';
import { subTopologies } from '../graph/sub-topology.ts';
import type { Source } from '../graph/topic.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import { readableTable } from '../graph/view.ts';
import { decodedText, type RecordText, serdesIn } from '../http/shown-records.ts';
import type { Log } from '../log/log.ts';
import { decodeHeaders } from '../record/headers.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { type KeptOptions, openInspected, withApplication } from './kept-application.ts';
import { instant, jsonText, print, printJson, printJsonList, table } from './output.ts';

export async function describe(module: string, format: 'text' | 'json' | 'mermaid'): Promise<void> {
  const topology = await loadTopology({ module });
  if (format === 'json') printJson(describeJson(topology));
  else print(format === 'mermaid' ? describeMermaid(topology) : describeText(topology));
}

export interface QueryOptions extends KeptOptions {
  /** Rows at most; default: all. */
  readonly limit?: number;
}

export async function query(
  store: string,
  key: string | undefined,
  options: QueryOptions,
): Promise<void> {
  const { limit = Number.POSITIVE_INFINITY } = options;
  await withApplication(options, async ({ runtime, reference }) => {
    const topology = await loadTopology(reference);
    const specs = subTopologies(topology).flatMap((part) => part.stores);
    const base = readableTable(topology, store).store;
    const spec = specs.find((one) => one.name === base);
    const keyText =
      key === undefined || spec === undefined ? undefined : keyTextOf(spec.key.encode(key));
    const oneMore = options.limit === undefined ? undefined : options.limit + 1;
    const rows = await runtime.query(store, keyText, oneMore);
    const kept = rows.slice(0, limit);
    if (rows.length > limit) process.stderr.write(cutOff(limit));
    if (options.json === true) return printJson(kept);
    if (kept.length === 0) return print(key === undefined ? 'no rows' : `no row for ${key}`);
    for (const row of kept) {
      const window = row.window && `  [${instant(row.window.start)}, ${instant(row.window.end)})`;
      const at = row.timestamp === undefined ? '' : `  at ${instant(row.timestamp)}`;
      print(`${String(row.key)}${window ?? ''}${at}  ${jsonText(row.value)}`);
    }
  });
}

export async function topics(options: KeptOptions): Promise<void> {
  await withLog(options, async (log) => {
    const found = await log.topics();
    const policies = await log.cleanupPolicies?.(found.map(({ name }) => name));
    const rows = [];
    for (const { name, partitions, settings } of found) {
      let records = 0;
      for (let partition = 0; partition < partitions; partition++) {
        const at = { topic: name, partition };
        records += (await log.endOffset(at)) - (await log.startOffset(at));
      }
      const own = policies === undefined ? (settings.cleanup ?? 'delete') : 'unknown';
      rows.push({ topic: name, partitions, records, cleanup: policies?.get(name) ?? own });
    }
    if (options.json === true) printJson(rows);
    else print(table(['topic', 'partitions', 'records', 'cleanup'], rows.map(Object.values)));
  });
}

export interface ReadOptions extends KeptOptions {
  /**
   * The application whose topology decodes the records; default: the one that ran last in the data
   * folder.
   */
  readonly module?: string;
  readonly partition?: number;
  /** First offset of each partition. */
  readonly from: number;
  /** Records at most; default: all that exist when reading starts. */
  readonly limit?: number;
  /** The application of the dead letters; default: the one that ran last in the data folder. */
  readonly application?: string;
}

export async function readTopic(topic: string, options: ReadOptions): Promise<void> {
  await withLog(options, async (log) => {
    const records = recordsOf(log, topic, options, await serdesOf(topic, options));
    if (options.json === true) return printJsonList(shown(records, options));
    for await (const record of shown(records, options)) {
      const { partition, offset, timestamp, key, value } = record;
      print(`${partition}/${offset}  ${instant(timestamp)}  ${key ?? 'null'}  ${value ?? 'null'}`);
    }
  });
}

export async function deadLetters(options: ReadOptions): Promise<void> {
  const env = environment(options.data);
  const application = options.application ?? (await readApplication(env)).application;
  await withLog(options, async (log) => {
    const letters = recordsOf(log, deadLetterTopic(application), options);
    if (options.json === true) return printJsonList(shown(letters, options));
    let count = 0;
    for await (const { offset, key, value, headers } of shown(letters, options)) {
      const { stage, step, reason, topic, partition, offset: at } = headers;
      print(`${offset}  ${stage} at ${step}: ${reason}`);
      print(`   from ${topic} partition ${partition} offset ${at}, key ${key ?? 'null'}`);
      print(`   ${value ?? 'null'}`);
      count++;
    }
    if (count === 0) print('no dead letters');
  });
}

/** Items up to a limit; reports that more were cut off. */
async function* shown(
  records: AsyncIterable<RecordText>,
  { limit = Number.POSITIVE_INFINITY }: ReadOptions,
): AsyncGenerator<RecordText> {
  let count = 0;
  for await (const record of records) {
    if (count++ === limit) {
      process.stderr.write(cutOff(limit));
      return;
    }
    yield record;
  }
}

function cutOff(limit: number): string {
  return `there are more: --limit ${limit} cuts them off\n`;
}

const recordsPerRead = 1_000;

/**
 * Every record of the partitions from `options.from` to their current ends. Records written
 * meanwhile are not included; gaps (compaction, transaction markers, aborted records) are skipped.
 */
async function* recordsOf(
  log: Log,
  topic: string,
  options: ReadOptions,
  serdes?: Source<unknown, unknown>,
): AsyncGenerator<RecordText> {
  const found = (await log.topics()).find(({ name }) => name === topic);
  if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
  if (options.partition !== undefined && options.partition >= found.partitions) {
    const problem = `topic ${topic} has ${found.partitions} partitions, there is no ${options.partition}`;
    throw new MillraceError('USAGE', { problem });
  }
  const partitions =
    options.partition === undefined
      ? Array.from({ length: found.partitions }, (_, i) => i)
      : [options.partition];
  const ends = await Promise.all(
    partitions.map(async (partition) => log.endOffset({ topic, partition })),
  );
  for (const [n, partition] of partitions.entries()) {
    const [at, end] = [{ topic, partition }, ends[n] as number];
    for (let from = Math.max(options.from, await log.startOffset(at)); from < end; ) {
      const batch = await log.read(at, from, { records: recordsPerRead });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count && (batch.offsets[i] as number) < end; i++) {
        yield {
          partition,
          offset: batch.offsets[i] as number,
          timestamp: batch.timestamps[i] as number,
          key: decodedText(batch.key(i), serdes?.keyDecoder),
          value: decodedText(batch.value(i), serdes?.valueDecoder),
          headers: decodeHeaders(batch.headerBytes(i)),
        };
      }
      from = batch.nextOffset;
    }
  }
}

/**
 * How the application that ran last encodes a topic; undefined if its topology does not define it.
 */
async function serdesOf(
  name: string,
  { data, module }: ReadOptions,
): Promise<Source<unknown, unknown> | undefined> {
  const reference =
    module === undefined
      ? (await knownApplication(environment(data)))?.topology
      : { module: resolve(module) };
  if (reference === undefined) return undefined;
  return serdesIn(await loadTopology(reference), name);
}

/** The log of the data folder, or Kafka if brokers are given or the application ran there. */
async function withLog(options: KeptOptions, use: (log: Log) => Promise<void>): Promise<void> {
  const log = await openInspected(options);
  try {
    await use(log);
  } finally {
    await log.close();
  }
}
