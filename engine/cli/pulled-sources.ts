/**
 * Reads the file of `--sources`, checks it as a whole and creates the connectors. docs/SOURCES.md.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { systemClock } from '../base/clock.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import { jsonOf } from '../base/json-text.ts';
import { systemScheduler } from '../base/scheduler.ts';
import type { Mapped } from '../connect/file-options.ts';
import type { KafkaSpec } from '../connect/pull/kafka/kafka-spec.ts';
import { everySeconds, pullerOf, targetOf } from '../connect/pull/kinds.ts';
import { PullSource } from '../connect/pull/pull-source.ts';
import type { Puller } from '../connect/pull/puller.ts';
import { Schedule } from '../connect/pull/schedule.ts';
import type { Secrets } from '../connect/pull/secrets.ts';
import {
  mistakesInSources,
  type SourceSpec,
  type SourceSpecs,
} from '../connect/pull/source-specs.ts';
import { isPlain, type Mistake } from '../connect/pull/spec-check.ts';
import type { RowMapping, RowMappings } from '../connect/row-mapping.ts';
import type { RowOptions } from '../connect/rows.ts';
import type { Topology } from '../graph/graph.ts';
import type { Topic } from '../graph/topic.ts';
import { openKafkaLog } from '../log/kafka/adapter/kafka-log.ts';
import type { Log } from '../log/log.ts';
import { instantReader } from '../time/instant-reader.ts';
import { kafkaConfiguration } from './kafka-options.ts';
import type { ShippedApplication } from './shipped-application.ts';
import { type FileInput, rowMap, topicOf, topicRead } from './topic-input.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The parts of a source. */
export interface PulledSource {
  readonly name: string;
  readonly spec: SourceSpec;
  readonly puller: Puller;
  readonly topic: Topic<unknown, unknown>;
  /** Name or path of its mapping, if it has one. */
  readonly mapping: string | undefined;
  map(fields: Fields, id: string): Mapped<unknown, unknown>;
}

/** Every mistake in the file, each with its path. Throws CONFIG_INVALID if the file is not JSON. */
export async function lintSources(
  file: string,
  application: ShippedApplication,
): Promise<readonly Mistake[]> {
  return (await checked(file, application)).mistakes;
}

/** @throws CONFIG_INVALID that names every mistake */
export async function readSources(
  file: string,
  application: ShippedApplication,
): Promise<SourceSpecs> {
  const { specs, mistakes } = await checked(file, application);
  if (mistakes.length > 0) throw mistakenSources(file, mistakes);
  return specs;
}

export function mistakenSources(file: string, mistakes: readonly Mistake[]): MillraceError {
  const [first, ...others] = mistakes as [Mistake, ...Mistake[]];
  const more = others.map(({ path, problem }) => `; ${path}: ${problem}`).join('');
  const problem = `${first.problem}${more}`;
  return new MillraceError('CONFIG_INVALID', { field: first.path, problem, file });
}

async function checked(file: string, { mappings, checkBesideSources }: ShippedApplication) {
  let value: unknown;
  try {
    value = jsonOf(await readFile(file, 'utf8'));
  } catch (error) {
    const problem = `${file}: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--sources', problem });
  }
  const { sources, ...others } = isPlain(value) ? value : { sources: undefined };
  const mistakes = mistakesInSources(sources);
  try {
    checkBesideSources(others);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const { field, problem } = error.context;
    mistakes.push({ path: String(field), problem: String(problem) });
  }
  if (isPlain(sources)) {
    for (const [name, spec] of Object.entries(sources)) {
      mistakes.push(...(await mappingMistakes(`sources.${name}`, spec, mappings)));
    }
  }
  return { specs: sources as SourceSpecs, mistakes };
}

async function mappingMistakes(
  path: string,
  spec: unknown,
  mappings: RowMappings,
): Promise<Mistake[]> {
  const { mapping, timeFormat } = (isPlain(spec) ? spec : {}) as Partial<SourceSpec>;
  if (typeof timeFormat === 'string') {
    try {
      instantReader(timeFormat, 'UTC');
    } catch (error) {
      return [{ path: `${path}.timeFormat`, problem: messageOf(error) }];
    }
  }
  if (typeof mapping !== 'string' || mapping === '') return [];
  try {
    await mappings.read(mapping);
    return [];
  } catch (error) {
    return [{ path: `${path}.mapping`, problem: messageOf(error) }];
  }
}

const secrets: Secrets = {
  env: process.env,
  readFile: (path) => readFile(path, 'utf8'),
  writeFile: async (path, text) => {
    // Written atomically: the previous secret may already be invalid.
    const fresh = `${path}.${randomUUID()}`;
    try {
      await writeFile(fresh, text, { mode: 0o600, flush: true });
      await rename(fresh, path);
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
  },
};

export interface PulledOptions {
  readonly application: ShippedApplication;
  readonly topology: Topology;
  /** The topology is the application's own: rows become its records. */
  readonly isReady: boolean;
  warn(text: string): void;
}

/** The parts of the sources, in the order of the file. */
export async function pulledSources(
  specs: SourceSpecs,
  options: PulledOptions,
): Promise<PulledSource[]> {
  return Promise.all(Object.entries(specs).map(([name, spec]) => pulled(name, spec, options)));
}

async function pulled(
  name: string,
  spec: SourceSpec,
  { application: { mappings }, topology, isReady, warn }: PulledOptions,
): Promise<PulledSource> {
  const mapping = spec.mapping === undefined ? undefined : await mappings.read(spec.mapping);
  if (isReady) checkReady(name, spec, mappings);
  const puller = pullerOf({
    name,
    spec,
    secrets,
    clock: systemClock,
    scheduler: systemScheduler,
    warn,
    ...(mapping === undefined ? {} : { unpack: mapping.unpack }),
    openKafka: (kafka) => openKafka(name, kafka),
    rowOptions: (file) => mapping?.rows ?? optionsByName(file),
    ...(mapping?.order === undefined ? {} : { order: mapping.order }),
  });
  const written = mapOf(spec, mapping, topology, mappings);
  return { name, spec, puller, mapping: mapping?.reference, ...written };
}

async function openKafka(name: string, { brokers, kafkaConfig }: KafkaSpec): Promise<Log> {
  const named = {
    ...(brokers === undefined ? {} : { brokers }),
    ...(kafkaConfig === undefined ? {} : { kafkaConfig }),
  };
  const configuration = await kafkaConfiguration(named);
  if (configuration !== undefined) {
    return openKafkaLog({ settings: configuration.settings, application: `millrace-${name}` });
  }
  const problem = 'names no brokers';
  throw new MillraceError('CONFIG_INVALID', { field: `sources.${name}.kafkaConfig`, problem });
}

function optionsByName(file: string): RowOptions {
  return { format: /\.csv(\.gz)?$/.test(file) ? 'csv' : 'jsonl', needed: [] };
}

function mapOf(
  spec: SourceSpec,
  mapping: RowMapping | undefined,
  topology: Topology,
  mappings: RowMappings,
): Pick<PulledSource, 'topic' | 'map'> {
  if (mapping !== undefined) {
    return { topic: topicOf(topology, mappings, spec.topic).topic, map: mapping.map };
  }
  const { topic: written = '', key = '', time = '', timeFormat = 'iso' } = spec;
  const topic = topicRead(topology, written);
  return { topic, map: rowMap(topic, key, time, instantReader(timeFormat, 'UTC')) };
}

function checkReady(name: string, spec: SourceSpec, { topic: { name: own } }: RowMappings): void {
  const { mapping, topic = own } = spec;
  if (mapping !== undefined && topic === own) return;
  const problem = `must have a mapping and write to ${own}: that is what the application reads`;
  throw new MillraceError('CONFIG_INVALID', { field: `sources.${name}`, problem });
}

/** @param bounded each reads what is there once, and is done */
export function connectorsOf(sources: readonly PulledSource[], bounded: boolean): FileInput[] {
  return sources.map(({ name, spec, puller, topic, map, mapping }) => {
    const target = targetOf(spec);
    return new PullSource({
      name,
      kind: spec.kind,
      puller,
      schedule: new Schedule(spec, everySeconds[spec.kind]),
      topic,
      map,
      mapping,
      bounded,
      ...(target === undefined ? {} : { target }),
    });
  });
}

/** The connectors of `--sources`; none without the option. */
export async function sourcesFrom(
  file: string | undefined,
  options: PulledOptions & { readonly bounded: boolean },
): Promise<FileInput[]> {
  if (file === undefined) return [];
  const specs = await readSources(file, options.application);
  return connectorsOf(await pulledSources(specs, options), options.bounded);
}
