/**
 * Takes in logs and sources, or a sample, and runs the ready topology over them: `start` and
 * `load`.
 */
import { existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { MillraceError } from 'millrace';
import {
  type BackendChoice,
  type Execution,
  type ExecutionOptions,
  environment,
  execute,
  loadTopology,
  type Summary,
} from 'millrace/engine';
import {
  checkNames,
  connectorsOf,
  type Environment,
  type FileInput,
  groupSources,
  type InputGroup,
  type InputToken,
  inputGroups,
  type LogLevel,
  moduleChosen,
  onInterrupt,
  prepare,
  progressBar,
  pulledSources,
  readSources,
  standardInput,
  standardPort,
  type TimeFlags,
  timeSettings,
  whileStarting,
} from '../../engine/cli/index.ts';
import { events } from '../event.ts';
import { isLoopback } from '../gateway/loopback.ts';
import { checkPersonalisation, type PersonalisationConfig } from '../personalisation.ts';
import { application, personalisationModule, ready } from './application.ts';
import { readCatalogue } from './catalogue-file.ts';
import { configOf, keptParams } from './configuration.ts';
import {
  eventMappings,
  fileSource,
  type MappingReader,
  mappingsOnce,
  readMapping,
  shippedMappings,
} from './mappings.ts';
import { askedRoutes } from './questions/application-routes.ts';
import { QuestionPool } from './questions/question-pool.ts';
import { tellRedefined } from './redefine.ts';
import { sampleFile, samplePath } from './sample-file.ts';
import { clockOf } from './start-report.ts';

export interface TakeInOptions extends TimeFlags {
  /** The longest time from the first signal to the end, ms. */
  readonly stopWithin?: number;
  readonly data: string;
  readonly stateBackend?: BackendChoice;
  /** Module of a log from outside the package. */
  readonly log?: string;
  /** Memory for state, bytes. */
  readonly memory?: number;
  readonly fresh?: boolean;
  readonly http?: number;
  readonly httpHost?: string;
  /** host:port of a DogStatsD agent. */
  readonly statsd?: string;
  readonly logLevel: LogLevel;
  /** Inputs and their options, in order; see input-groups.ts. */
  readonly tokens: readonly InputToken[];
  readonly config?: string;
  /** File of sources that are pulled from (docs/SOURCES.md). */
  readonly sources?: string;
  /** File that names every field (docs/CATALOGUE.md). */
  readonly catalogue?: string;
  readonly threads: number;
  readonly json?: boolean;
  /** Whether the process stays up after the report; default: if it runs on a terminal. */
  readonly serve?: boolean;
  /** File with accounts, webhooks and limits (docs/SOURCES.md). */
  readonly gateway?: string;
}

/** What a command does beside taking in. */
export interface TakingIn {
  /** Whether the process goes on after the report, and serves. */
  readonly stays?: boolean;
  /** Called before anything is read. */
  begin?(execution: Execution, sources: readonly FileInput[]): Promise<void>;
  /** Called when everything is read, unless the run was interrupted. */
  report(execution: Execution, config: PersonalisationConfig): Promise<void>;
  /** Reads mappings, each once. */
  readonly mappingOf?: MappingReader;
  /** Called in place of `report` after an interrupt. */
  interrupted?(summary: Summary, execution: Execution): Promise<void>;
}

/** The inputs and the configuration of a run. */
interface Planned {
  readonly env: Environment;
  readonly sources: readonly FileInput[];
  readonly config: PersonalisationConfig;
}

type Say = (text: string) => void;

const reference = { module: personalisationModule };

/** Takes in all that the files and sources have now, and lets time pass up to it. */
export async function takeIn(options: TakeInOptions, taking: TakingIn): Promise<void> {
  const { stays = false, mappingOf = mappingsOnce() } = taking;
  const say: Say = (text) => process.stderr.write(`${text}\n`);
  const { env, sources, config } = await planned(options, mappingOf, say);
  const signal = onInterrupt(say, options.stopWithin);
  let summary: Summary | undefined;
  const files = sources.flatMap((source) => source.files);
  const progress = progressBar(await contentBytes(files), () => summary);
  const questions = new QuestionPool();
  const http = options.http ?? (stays ? await freePort(options.httpHost) : undefined);
  const routes: Routes = (running) =>
    askedRoutes(Object.assign(running, { config }), questions, env.directory);
  const started = whileStarting(signal, say);
  const execution = await execute({
    env,
    reference: { ...reference, params: config },
    threads: options.threads,
    sources,
    observer: progress.observer,
    logLevel: options.logLevel,
    mappings: application.mappings,
    hasPeople: true,
    settings: {
      ...timeSettings(options),
      ...(options.memory === undefined ? {} : { memoryBytes: options.memory }),
    },
    ...(options.log === undefined ? {} : { log: moduleChosen('log', options.log) }),
    ...(await listening(options, stays, routes)),
    ...(http === undefined ? {} : { http }),
    ...(options.httpHost === undefined ? {} : { httpHost: options.httpHost }),
    statsd: options.statsd,
  });
  started();
  try {
    summary = execution.runtime.summary;
    await begun(execution, sources, config, taking, say);
    await runUntilRead(execution.runtime, signal);
    progress.stop();
    const { report, interrupted } = taking;
    if (signal.aborted && interrupted !== undefined) await interrupted(summary, execution);
    else await report(execution, config);
    if (!stays || signal.aborted) return;
    say(`It stays up, takes events in and answers questions. Look at ${execution.url}/console/`);
    say('Ctrl-C ends it; --no-serve ends after the report.');
    await execution.runtime.run(signal);
  } finally {
    progress.stop();
    await questions.close();
    await execution.close();
  }
}

/** Checks all that was given, before anything is kept or deleted; then prepares the folder. */
async function planned(
  options: TakeInOptions,
  mappingOf: MappingReader,
  say: Say,
): Promise<Planned> {
  const env = environment(options.data, options.stateBackend, options.fresh);
  const fresh = options.fresh === true;
  const groups = inputGroups(options.tokens);
  const kept = fresh ? undefined : await keptParams(env);
  const isEmpty = fresh || !existsSync(env.logDirectory);
  await checkGroups(groups, isEmpty, kept, env);
  const topology = await loadTopology(reference);
  const given = await groupSources(topology, groups, say, eventMappings(mappingOf));
  const specs =
    options.sources === undefined ? {} : await readSources(options.sources, application);
  const pulled = await pulledSources(specs, {
    ...{ application, topology },
    isReady: true,
    warn: say,
  });
  const named = [...groups, ...Object.values(specs)];
  const mappings = await Promise.all(named.map(({ mapping = '' }) => mappingOf(mapping)));
  const config = await configOf(options.config, mappings, kept?.params, say);
  checkPersonalisation(config);
  const catalogue = await readCatalogue(options.catalogue, '--catalogue');
  for (const mapping of mappings) catalogue?.checkMapping(mapping);
  catalogue?.checkConfiguration(config);
  await prepare(env, fresh, options);
  if (fresh) await rm(samplePath(env.directory), { force: true });
  const isSample = groups.length === 0 && options.sources === undefined;
  const sources = isSample
    ? await sampleSources(env, isEmpty, say)
    : [...given, ...connectorsOf(pulled, true)];
  checkNames(sources);
  return { env, sources, config };
}

/** Says how the run begins, and tells subjects of changed definitions. */
async function begun(
  execution: Execution,
  sources: readonly FileInput[],
  config: PersonalisationConfig,
  { begin }: TakingIn,
  say: Say,
): Promise<void> {
  if (execution.runtime.summary.continued) say('continuing from the committed position');
  await begin?.(execution, sources);
  const redefined = await tellRedefined({ ...execution, config });
  if (redefined > 0) say(`${redefined} subjects are decided again: definitions have changed`);
}

/** Processes all that is there, then lets time pass up to the latest event. */
async function runUntilRead(runtime: Execution['runtime'], signal: AbortSignal): Promise<void> {
  await runtime.runUntilCaughtUp(signal);
  const { sources, streamTime } = runtime.summary;
  const told = Math.max(...sources.map((source) => source.eventTime));
  // An event that the guard refused moves no time.
  const read = Math.min(told, streamTime);
  // A run without anything new goes on at the clock of the run before it.
  const end = Number.isFinite(read) ? read : await clockOf(runtime);
  if (!signal.aborted && Number.isFinite(end)) await runtime.advanceIdle(end, signal);
}

type Routes = NonNullable<ExecutionOptions['routes']>;

/**
 * A run that stays up takes events in, as `serve` does. Where others can reach it, taking events in
 * needs accounts; without them it only answers questions, since --http-host asks for no more.
 */
async function listening(
  { gateway, httpHost = '127.0.0.1' }: TakeInOptions,
  stays: boolean,
  routes: Routes,
): Promise<Pick<ExecutionOptions, 'routes' | 'listen'>> {
  if (gateway === undefined && !(stays && isLoopback(httpHost))) return { routes };
  // Loaded here: a run that does not serve needs no HTTP framework.
  const { gatewayListener, readGateway } = await import('./gateway-listener.ts');
  return { listen: gatewayListener(await readGateway(gateway), routes) };
}

/** The usual port; any free one where it is taken, since no option asked for it. */
async function freePort(host = '127.0.0.1'): Promise<number> {
  const probe = createServer();
  return new Promise((resolve) => {
    probe.once('error', () => resolve(0));
    probe.listen(standardPort, host, () => probe.close(() => resolve(standardPort)));
  });
}

async function checkGroups(
  groups: readonly InputGroup[],
  isEmpty: boolean,
  kept: { readonly application: string } | undefined,
  { directory }: Environment,
): Promise<void> {
  const usage = (problem: string) => new MillraceError('USAGE', { problem });
  for (const { inputs, mapping, topic } of groups) {
    if (mapping === undefined) {
      const names = (await shippedMappings()).join(', ');
      throw usage(`--input needs --mapping; shipped are ${names}`);
    }
    if (inputs.length === 0) throw usage(`--mapping ${mapping} needs --input`);
    if (topic === undefined || topic === events.name) continue;
    throw usage(`\`start\` writes to the topic ${events.name} only, not to ${topic}`);
  }
  if (groups.length > 0 || isEmpty || kept?.application === ready) return;
  const other = kept?.application ?? 'a log';
  const problem = `${directory} holds ${other}, which \`start\` did not create: pass --input, or another --data folder for the sample`;
  throw usage(problem);
}

/** The sample is taken in only into an empty folder, or continued where it was begun. */
async function sampleSources(env: Environment, isEmpty: boolean, say: Say): Promise<FileInput[]> {
  if (!isEmpty && !existsSync(samplePath(env.directory))) {
    say('no --input: continuing with the data in this folder');
    return [];
  }
  return [fileSource(await readMapping('sample'), [await sampleFile(env.directory)])];
}

/** Bytes of content; a gzip file is assumed to hold ten times its size. */
async function contentBytes(files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(
    files
      .filter((file) => file !== standardInput)
      .map(async (file) => (await stat(file)).size * (file.endsWith('.gz') ? 10 : 1)),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
