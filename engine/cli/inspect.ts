/** The commands that look at what a run left: describe, query, topics, dead-letters. */
import { resolve } from 'node:path';
import { keyIdOf } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { describeJson, describeMermaid, describeText } from '../graph/describe.ts';
import { subTopologies, writtenTopics } from '../graph/sub-topology.ts';
import type { Source } from '../graph/topic.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import { readableTable } from '../graph/view.ts';
import { openKafkaLog } from '../log/kafka/log.ts';
import type { Log } from '../log/log.ts';
import { decodeHeaders } from '../record/headers.ts';
import type { Decoder } from '../serde/serde.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { environment, openLog, readApplication } from './environment.ts';
import { execute } from './execution.ts';
import { type KafkaFlags, kafkaConfiguration } from './kafka-options.ts';
import { bytesText, instant, jsonText, print, printJson, table } from './output.ts';

export async function describe(module: string, format: 'text' | 'json' | 'mermaid'): Promise<void> {
  const topology = await loadTopology({ module });
  if (format === 'json') printJson(describeJson(topology));
  else print(format === 'mermaid' ? describeMermaid(topology) : describeText(topology));
}

export async function query(
  store: string,
  key: string | undefined,
  options: { readonly data: string; readonly limit: number; readonly json?: boolean },
): Promise<void> {
  const env = environment(options.data);
  const { application, topology: reference } = await readApplication(env);
  const execution = await execute({ env, reference, application, threads: 0 });
  try {
    const topology = await loadTopology(reference);
    const specs = subTopologies(topology).flatMap((part) => part.stores);
    const base = readableTable(topology, store).store;
    const spec = specs.find((one) => one.name === base);
    const keyId =
      key === undefined || spec === undefined ? undefined : keyIdOf(spec.key.encode(key));
    const rows = await execution.runtime.query(store, keyId, options.limit);
    const shown = rows.slice(0, options.limit);
    if (options.json === true) return printJson(shown);
    if (shown.length === 0) return print(key === undefined ? 'no rows' : `no row for ${key}`);
    for (const row of shown) {
      const window = row.window && `  [${instant(row.window.start)}, ${instant(row.window.end)})`;
      const at = row.timestamp === undefined ? '' : `  at ${instant(row.timestamp)}`;
      print(`${String(row.key)}${window ?? ''}${at}  ${jsonText(row.value)}`);
    }
  } finally {
    await execution.close();
  }
}

export async function topics(
  options: KafkaFlags & { readonly data: string; readonly json?: boolean },
) {
  await withLog(options, async (log) => {
    const rows = [];
    for (const { name, partitions, settings } of await log.topics()) {
      let records = 0;
      for (let partition = 0; partition < partitions; partition++) {
        const at = { topic: name, partition };
        records += (await log.endOffset(at)) - (await log.startOffset(at));
      }
      rows.push({ topic: name, partitions, records, cleanup: settings.cleanup ?? 'delete' });
    }
    if (options.json === true) printJson(rows);
    else print(table(['topic', 'partitions', 'records', 'cleanup'], rows.map(Object.values)));
  });
}

export interface ReadOptions extends KafkaFlags {
  readonly data: string;
  /** Whose topology says how the records are written; default: what ran last in the data folder. */
  readonly module?: string;
  readonly partition?: number;
  readonly from: number;
  readonly limit: number;
  readonly json?: boolean;
}

export async function readTopic(topic: string, options: ReadOptions): Promise<void> {
  await withLog(options, async (log) => {
    const records = await recordsOf(log, topic, options, await serdesOf(topic, options));
    if (options.json === true) return printJson(records);
    for (const { partition, offset, timestamp, key, value } of records) {
      print(`${partition}/${offset}  ${instant(timestamp)}  ${key ?? 'null'}  ${value ?? 'null'}`);
    }
  });
}

export async function deadLetters(options: ReadOptions): Promise<void> {
  const env = environment(options.data);
  const { application } = await readApplication(env);
  await withLog(options, async (log) => {
    const letters = await recordsOf(log, deadLetterTopic(application), options);
    if (options.json === true) return printJson(letters);
    for (const { offset, key, value, headers } of letters) {
      const { stage, step, reason, topic, partition, offset: at } = headers;
      print(`${offset}  ${stage} at ${step}: ${reason}`);
      print(`   from ${topic} partition ${partition} offset ${at}, key ${key ?? 'null'}`);
      print(`   ${value ?? 'null'}`);
    }
    if (letters.length === 0) print('no dead letters');
  });
}

async function recordsOf(
  log: Log,
  topic: string,
  options: ReadOptions,
  serdes?: Source<unknown, unknown>,
) {
  const found = (await log.topics()).find(({ name }) => name === topic);
  if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
  const partitions =
    options.partition === undefined
      ? Array.from({ length: found.partitions }, (_, i) => i)
      : [options.partition];
  const records = [];
  for (const partition of partitions) {
    if (partition >= found.partitions) {
      const problem = `topic ${topic} has ${found.partitions} partitions, there is no ${partition}`;
      throw new MillraceError('USAGE', { problem });
    }
    const at = { topic, partition };
    const from = Math.max(options.from, await log.startOffset(at));
    if (from >= (await log.endOffset(at))) continue;
    const batch = await log.read(at, from, { records: options.limit });
    for (let i = 0; i < (batch?.count ?? 0) && batch !== undefined; i++) {
      records.push({
        partition,
        offset: batch.offsets[i] as number,
        timestamp: batch.timestamps[i] as number,
        key: textOf(batch.key(i), serdes?.keyDecoder),
        value: textOf(batch.value(i), serdes?.valueDecoder),
        headers: decodeHeaders(batch.headerBytes(i)),
      });
    }
  }
  return records.slice(0, options.limit);
}

/** How the application that ran last writes a topic; undefined when its topology does not say. */
async function serdesOf(
  name: string,
  { data, module }: ReadOptions,
): Promise<Source<unknown, unknown> | undefined> {
  const reference =
    module === undefined
      ? (await readApplication(environment(data))).topology
      : { module: resolve(module) };
  const topology = await loadTopology(reference);
  const read = topology.nodes.flatMap((node) => (node.type === 'source' ? [node.topic] : []));
  // A topic as authors declare it is both views; a bare sink has no decoders.
  const written = writtenTopics(topology) as unknown as Partial<Source<unknown, unknown>>[];
  const found = [...read, ...written].find((topic) => topic.name === name);
  return found?.valueDecoder === undefined ? undefined : (found as Source<unknown, unknown>);
}

/** What bytes say: decoded when it is known how, else as text or hexadecimal digits. */
function textOf(bytes: Buffer | null, decoder: Decoder<unknown> | undefined): string | null {
  if (bytes === null || decoder === undefined) return bytesText(bytes);
  try {
    const value = decoder.decode(bytes, 0, bytes.byteLength);
    return typeof value === 'string' ? value : JSON.stringify(value);
  } catch {
    return bytesText(bytes);
  }
}

/** The log of the data folder, or Kafka where brokers are named. */
async function withLog(
  options: KafkaFlags & { readonly data: string },
  use: (log: Log) => Promise<void>,
): Promise<void> {
  const settings = (await kafkaConfiguration(options))?.settings;
  const env = environment(options.data);
  if (settings === undefined) await readApplication(env);
  const log =
    settings === undefined
      ? await openLog(env, 'inspect')
      : await openKafkaLog({ settings, application: 'millrace-inspect' });
  try {
    await use(log);
  } finally {
    await log.close();
  }
}
