/** `start`: takes in a log, or a sample, runs the ready topology over it, and shows the result. */
import { existsSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Event, events } from '../../topologies/event.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import { checkMapping, type Mapping, neededFields } from '../../topologies/ingest/mapping.ts';
import { sampleLines } from '../../topologies/ingest/sample.ts';
import { unpacker } from '../../topologies/ingest/unpack.ts';
import {
  checkPersonalisation,
  type PersonalisationConfig,
} from '../../topologies/personalisation.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import { codeRoot, moduleAt } from '../base/package-files.ts';
import { FileSource } from '../connect/file-source.ts';
import type { RowOptions } from '../connect/rows.ts';
import type { LogLevel } from '../runtime/observe.ts';
import type { Summary } from '../runtime/summary.ts';
import type { BackendName } from '../storage/backends.ts';
import { type Environment, environment, prepare } from './environment.ts';
import { execute } from './execution.ts';
import { inputFiles } from './input-files.ts';
import { onInterrupt } from './interrupt.ts';
import { print, printJson } from './output.ts';
import { progressBar } from './progress.ts';
import { QuestionPool } from './question-pool.ts';
import { questionRoutes } from './question-routes.ts';
import { tellRedefined } from './redefine.ts';
import { clockOf, personalisationReport, reportText } from './start-report.ts';

export interface StartOptions {
  /** From the first signal to the end, at most, ms. */
  readonly stopWithin?: number;
  readonly data: string;
  readonly stateBackend?: BackendName;
  readonly fresh?: boolean;
  readonly http?: number;
  readonly httpHost?: string;
  readonly logLevel: LogLevel;
  readonly input?: readonly string[];
  readonly mapping?: string;
  readonly config?: string;
  readonly threads: number;
  readonly top: number;
  readonly json?: boolean;
}

/** The ready topology as workers load it. */
export const personalisationModule = fileURLToPath(moduleAt('topologies/personalisation'));
const mappingsFolder = fileURLToPath(new URL('topologies/ingest/mappings/', codeRoot));

export async function start(options: StartOptions): Promise<void> {
  const env = environment(options.data, options.stateBackend, options.fresh);
  if (options.input !== undefined && options.mapping === undefined) {
    const problem = `--input needs --mapping; shipped are ${(await shippedMappings()).join(', ')}`;
    throw new MillraceError('USAGE', { problem });
  }
  const mapping = await readMapping(options.mapping ?? 'sample');
  const config = await readConfig(options.config, mapping);
  checkPersonalisation(config);
  const given = await inputFiles(options.input);
  await prepare(env, options.fresh === true);
  if (options.fresh === true) await rm(join(env.directory, 'sample.jsonl'), { force: true });
  const files = given ?? [await sampleFile(env)];
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const signal = onInterrupt(say, options.stopWithin);
  let summary: Summary | undefined;
  const progress = progressBar(await contentBytes(files), () => summary);
  const questions = new QuestionPool();
  const execution = await execute({
    env,
    reference: { module: personalisationModule, params: config },
    threads: options.threads,
    sources: [fileSource(mapping, files)],
    observer: progress.observer,
    logLevel: options.logLevel,
    routes: (running) => questionRoutes({ ...running, config }, questions),
    ...(options.http === undefined ? {} : { http: options.http }),
    ...(options.httpHost === undefined ? {} : { httpHost: options.httpHost }),
  });
  try {
    const { runtime } = execution;
    summary = runtime.summary;
    if (summary.continued) say('continuing from the committed position');
    const redefined = await tellRedefined({ ...execution, config });
    if (redefined > 0) say(`${redefined} subjects are decided anew: definitions have changed`);
    await runtime.runUntilCaughtUp(signal);
    const read = Math.max(...summary.sources.map((source) => source.eventTime));
    // Of a run without anything new, the clock is where the one before has left it.
    const end = Number.isFinite(read) ? read : await clockOf(runtime);
    if (!signal.aborted && Number.isFinite(end)) await runtime.advanceIdle(end, signal);
    progress.stop();
    const report = await personalisationReport(execution, config, options.top);
    if (options.json === true) printJson(report);
    else print(reportText(report, options.data));
  } finally {
    progress.stop();
    await questions.close();
    await execution.close();
  }
}

export function fileSource(mapping: Mapping, files: readonly string[]): FileSource<string, Event> {
  return new FileSource({
    name: mapping.name,
    files,
    order: mapping.order ?? 'file',
    topic: events,
    map: eventMap(mapping),
    ...rowOptions(mapping),
  });
}

/** How the files of a mapping are read. */
export function rowOptions(mapping: Mapping): RowOptions {
  const { format, columns, separator } = mapping;
  return {
    format,
    needed: neededFields(mapping),
    ...(columns === undefined ? {} : { columns }),
    ...(separator === undefined ? {} : { separator }),
    ...(format === 'csv' ? {} : { unpack: unpacker(mapping) }),
  };
}

/** A shipped mapping by name, or one of the user's by path. */
export async function readMapping(name: string): Promise<Mapping> {
  const shipped = join(mappingsFolder, `${name}.json`);
  const file = existsSync(shipped) ? shipped : name;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const problem = `${messageOf(error)}; shipped are ${(await shippedMappings()).join(', ')}`;
    throw new MillraceError('MAPPING_INVALID', { mapping: name, field: '(file)', problem });
  }
  return checkMapping(parseJson(text, name), basename(name, '.json'));
}

function parseJson(text: string, mapping: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const problem = messageOf(error);
    throw new MillraceError('MAPPING_INVALID', { mapping, field: '(file)', problem });
  }
}

async function shippedMappings(): Promise<string[]> {
  return (await readdir(mappingsFolder)).map((name) => basename(name, '.json')).sort();
}

/** The configuration of a file; without one, that which the mapping brings along. */
export async function readConfig(
  file: string | undefined,
  mapping?: Mapping,
): Promise<PersonalisationConfig> {
  if (file === undefined) return (mapping?.configuration ?? {}) as PersonalisationConfig;
  try {
    return JSON.parse(await readFile(file, 'utf8')) as PersonalisationConfig;
  } catch (error) {
    const problem = `${file}: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--config', problem });
  }
}

/** The sample that stands in for a log of the user's own; made where it is not there. */
export async function sampleFile(env: Environment): Promise<string> {
  const file = join(env.directory, 'sample.jsonl');
  if (!existsSync(file)) await writeFile(file, `${sampleLines().join('\n')}\n`);
  return file;
}

/** Bytes of content; of a gzip file about ten times its size. */
async function contentBytes(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(file)).size * (file.endsWith('.gz') ? 10 : 1)),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
