/** The data directory of the command line: log, state, and which application wrote them. */
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceError, messageOf } from '../base/errors.ts';
import { codeRoot, moduleAt } from '../base/package-files.ts';
import { checkPort } from '../http/http-server.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../log/embedded/open-embedded-log.ts';
import {
  type BackendChoice,
  backendsOf,
  defaultBackend,
  isBackendName,
} from '../storage/backends.ts';
import { makeDirectory } from '../storage/directory.ts';
import { backendChosen } from '../thread/adapters.ts';
import type { TopologyReference } from '../thread/load-topology.ts';

/** Where log and state lie when nothing is said. */
export const defaultData = '.millrace';

export interface Environment {
  readonly directory: string;
  readonly logDirectory: string;
  readonly stateDirectory: string;
  /** What state is kept in, and the log too where it is one of ours. */
  readonly stateBackend: BackendChoice;
}

export interface ApplicationFile {
  readonly application: string;
  readonly topology: TopologyReference;
  /** Absent in folders that were written before there was a choice. */
  readonly stateBackend?: BackendChoice;
  /** The module of a log that is none of ours. */
  readonly log?: string;
  /** Where the log is, when it is Kafka; without secrets. */
  readonly kafka?: { readonly brokers: string };
}

/**
 * @param stateBackend that was asked for, a name or a module; default: the one that ran here last,
 * or the default one
 * @param fresh true if existing data is deleted
 * @throws CONFIG_INVALID if existing data is kept and the requested backend cannot read it
 */
export function environment(
  data: string,
  stateBackend?: BackendChoice,
  fresh = false,
): Environment {
  if (data === '') {
    const problem = 'must name a folder, is empty, which would be the current one';
    throw new MillraceError('CONFIG_INVALID', { field: 'option `data`', problem });
  }
  const directory = resolve(data);
  const kept = keptBackend(directory);
  const chosen =
    stateBackend === undefined ? (kept ?? defaultBackend) : backendChosen(stateBackend);
  const reads = chosen === kept || (kept === 'rocksdb' && chosen === 'rocksdb-native');
  if (!fresh && kept !== undefined && !reads) {
    const problem = `${directory} was written by ${kept}, which ${chosen} cannot read; leave the option out, or begin with nothing (option \`fresh\`)`;
    throw new MillraceError('CONFIG_INVALID', { field: 'option `stateBackend`', problem });
  }
  return {
    directory,
    logDirectory: join(directory, 'log'),
    stateDirectory: join(directory, 'state'),
    stateBackend: chosen,
  };
}

/** The backend that ran in a data directory last; undefined when none did, or none was named. */
function keptBackend(directory: string): BackendChoice | undefined {
  try {
    const text = readFileSync(join(directory, 'application.json'), 'utf8');
    const { stateBackend } = JSON.parse(text) as ApplicationFile;
    if (stateBackend === undefined || isBackendName(stateBackend)) return stateBackend;
    return located(directory, stateBackend);
  } catch {
    return undefined;
  }
}

/**
 * Makes the directory; with `fresh`, deletes what an earlier run left in it.
 * @throws HTTP_UNAVAILABLE
 */
export async function prepare(
  env: Environment,
  fresh: boolean,
  { http, httpHost }: { readonly http?: number; readonly httpHost?: string } = {},
): Promise<void> {
  // Before anything goes: what cannot listen will not begin.
  if (fresh && http !== undefined) await checkPort(http, httpHost);
  try {
    if (fresh) {
      await checkOwn(env);
      // The lock of a running owner is respected: the log is opened, then closed, before it goes.
      const kept = { ...env, stateBackend: keptBackend(env.directory) ?? env.stateBackend };
      await (await openLog(kept, 'fresh')).close();
      await rm(env.logDirectory, { recursive: true, force: true });
      await rm(env.stateDirectory, { recursive: true, force: true });
    }
    await makeDirectory(env.directory);
  } catch (error) {
    throw unavailable(env.directory, error);
  }
}

/** What a log of ours has, of each version; a folder without these is somebody else's. */
const ownNames = ['db', 'OWNER', 'CURRENT'];

/** @throws USAGE where what would be deleted was not written by Millrace */
async function checkOwn({ directory, logDirectory, stateDirectory }: Environment): Promise<void> {
  const [own, log, state] = await Promise.all([
    namesIn(directory),
    namesIn(logDirectory),
    namesIn(stateDirectory),
  ]);
  if (own.includes('application.json') || ownNames.some((name) => log.includes(name))) return;
  const foreign = log.length > 0 ? logDirectory : state.length > 0 ? stateDirectory : undefined;
  if (foreign === undefined) return;
  const problem = `${foreign} was not written by Millrace, and a fresh start (option \`fresh\`) would delete it; give another folder (option \`data\`)`;
  throw new MillraceError('USAGE', { problem });
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function openLog(env: Environment, application: string): Promise<EmbeddedLog> {
  return openEmbeddedLog({
    ...{ directory: env.logDirectory, application },
    // A backend from outside holds state, which can be restored; never the log.
    backends: backendsOf(isBackendName(env.stateBackend) ? env.stateBackend : defaultBackend),
  });
}

export async function writeApplication(env: Environment, file: ApplicationFile): Promise<void> {
  try {
    const { topology } = file;
    const module = portable(env.directory, topology.module);
    const outside = (path: string) => portable(env.directory, path);
    const { stateBackend, log } = file;
    const kept = {
      ...file,
      topology: { ...topology, module },
      ...(stateBackend !== undefined && !isBackendName(stateBackend)
        ? { stateBackend: outside(stateBackend) }
        : {}),
      ...(log === undefined ? {} : { log: outside(log) }),
    };
    await writeFile(join(env.directory, 'application.json'), JSON.stringify(kept, undefined, 2));
  } catch (error) {
    throw unavailable(env.directory, error);
  }
}

/** What ran here last; throws USAGE when nothing did. */
export async function readApplication(env: Environment): Promise<ApplicationFile> {
  const file = await knownApplication(env);
  if (file !== undefined) return file;
  const problem = `nothing has run in ${env.directory} yet; start with \`millrace start\` or \`millrace run\``;
  throw new MillraceError('USAGE', { problem });
}

/** The same; undefined when nothing did. */
export async function knownApplication(env: Environment): Promise<ApplicationFile | undefined> {
  try {
    const text = await readFile(join(env.directory, 'application.json'), 'utf8');
    const file = JSON.parse(text) as ApplicationFile;
    const { topology } = file;
    const module = located(env.directory, topology.module);
    const log = file.log === undefined ? {} : { log: located(env.directory, file.log) };
    return { ...file, ...log, topology: { ...topology, module } };
  } catch {
    return undefined;
  }
}

/** The log of a data directory, which is not made where there is none. */
export async function openKeptLog(env: Environment, application: string): Promise<EmbeddedLog> {
  const isThere = await stat(env.logDirectory).then(
    () => true,
    () => false,
  );
  if (isThere) return openLog(env, application);
  const problem = `there is no log in ${env.directory}; if ${application} runs on Kafka, name its brokers (option \`brokers\`)`;
  throw new MillraceError('USAGE', { problem });
}

/** Modules of this package are kept by name: it may be installed elsewhere the next time. */
const shippedPrefix = 'millrace:';

/**
 * A module's path as it is kept: from the data directory on, so that both may be moved together.
 */
function portable(directory: string, module: string): string {
  const code = fileURLToPath(codeRoot);
  if (module.startsWith(join(code, 'topologies'))) {
    const path = module.slice(code.length).replace(/\.[jt]s$/, '');
    return shippedPrefix + path.split(sep).join('/');
  }
  return relative(directory, module);
}

/** Absolute paths were kept before. */
function located(directory: string, module: string): string {
  if (!module.startsWith(shippedPrefix)) return resolve(directory, module);
  return fileURLToPath(moduleAt(module.slice(shippedPrefix.length)));
}

function unavailable(directory: string, error: unknown): unknown {
  if (error instanceof MillraceError) return error;
  return new MillraceError('LOG_UNAVAILABLE', { directory, problem: messageOf(error) });
}
