/** The data directory of the command line: log, state, and the application that wrote them. */
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

/** Default folder of log and state. */
export const defaultData = '.millrace';

export interface Environment {
  readonly directory: string;
  readonly logDirectory: string;
  readonly stateDirectory: string;
  /** Backend of the state, and of the log if it is embedded. */
  readonly stateBackend: BackendChoice;
}

export interface ApplicationFile {
  readonly application: string;
  readonly topology: TopologyReference;
  /** Absent in folders written before the backend could be chosen. */
  readonly stateBackend?: BackendChoice;
  /** The module of a log from outside. */
  readonly log?: string;
  /** The Kafka cluster of the log, without secrets. */
  readonly kafka?: { readonly brokers: string };
}

/**
 * @param stateBackend the requested one, a name or a module; default: the one that ran here last,
 * or the default backend
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

/** The backend that ran last in a data directory; undefined if none ran or none was named. */
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
 * Creates the directory; with `fresh`, deletes the data of earlier runs.
 * @throws HTTP_UNAVAILABLE
 */
export async function prepare(
  env: Environment,
  fresh: boolean,
  { http, httpHost }: { readonly http?: number; readonly httpHost?: string } = {},
): Promise<void> {
  // Checked before anything is deleted: a process that cannot listen will not start.
  if (fresh && http !== undefined) await checkPort(http, httpHost);
  try {
    if (fresh) {
      await checkOwn(env);
      // Respects the lock of a running owner: the log is opened and closed before it is deleted.
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

/** Files of an embedded log, for each version; a folder without them is not one of Millrace. */
const ownNames = ['db', 'OWNER', 'CURRENT'];

/** @throws USAGE if the files to delete were not written by Millrace */
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
    // A backend from outside holds only state, which can be restored, never the log.
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

/** The application that ran here last; throws USAGE if there is none. */
export async function readApplication(env: Environment): Promise<ApplicationFile> {
  const file = await knownApplication(env);
  if (file !== undefined) return file;
  const problem = `nothing has run in ${env.directory} yet; start with \`millrace start\` or \`millrace run\``;
  throw new MillraceError('USAGE', { problem });
}

/** The application that ran here last; undefined if there is none. */
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

/** The log of a data directory; a missing one is not created. */
export async function openKeptLog(env: Environment, application: string): Promise<EmbeddedLog> {
  const isThere = await stat(env.logDirectory).then(
    () => true,
    () => false,
  );
  if (isThere) return openLog(env, application);
  const problem = `there is no log in ${env.directory}; if ${application} runs on Kafka, name its brokers (option \`brokers\`)`;
  throw new MillraceError('USAGE', { problem });
}

/** Modules of this package are stored by name, because it may be installed elsewhere next time. */
const shippedPrefix = 'millrace:';

/**
 * The stored path of a module: relative to the data directory, so that both can be moved together.
 */
function portable(directory: string, module: string): string {
  const code = fileURLToPath(codeRoot);
  if (module.startsWith(join(code, 'topologies'))) {
    const path = module.slice(code.length).replace(/\.[jt]s$/, '');
    return shippedPrefix + path.split(sep).join('/');
  }
  return relative(directory, module);
}

/** Earlier versions stored absolute paths. */
function located(directory: string, module: string): string {
  if (!module.startsWith(shippedPrefix)) return resolve(directory, module);
  return fileURLToPath(moduleAt(module.slice(shippedPrefix.length)));
}

function unavailable(directory: string, error: unknown): unknown {
  if (error instanceof MillraceError) return error;
  return new MillraceError('LOG_UNAVAILABLE', { directory, problem: messageOf(error) });
}
