/** The data directory of the command line: log, state, and which application wrote them. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MillraceError, messageOf } from '../base/errors.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../log/embedded/log.ts';
import { makeDirectory } from '../storage/directory.ts';
import { rocksBackends } from '../storage/rocksdb.ts';
import type { TopologyReference } from '../thread/load-topology.ts';

/** Where log and state lie when nothing is said. */
export const defaultData = '.millrace';

export interface Environment {
  readonly directory: string;
  readonly logDirectory: string;
  readonly stateDirectory: string;
}

export interface ApplicationFile {
  readonly application: string;
  readonly topology: TopologyReference;
}

export function environment(data: string): Environment {
  const directory = resolve(data);
  return {
    directory,
    logDirectory: join(directory, 'log'),
    stateDirectory: join(directory, 'state'),
  };
}

/** Makes the directory; with `fresh`, deletes what an earlier run left in it. */
export async function prepare(env: Environment, fresh: boolean): Promise<void> {
  try {
    if (fresh) {
      // The lock of a running owner is respected: the log is opened, then closed, before it goes.
      await (await openLog(env, 'fresh')).close();
      await rm(env.logDirectory, { recursive: true, force: true });
      await rm(env.stateDirectory, { recursive: true, force: true });
    }
    await makeDirectory(env.directory);
  } catch (error) {
    throw unavailable(env.directory, error);
  }
}

export function openLog(env: Environment, application: string): Promise<EmbeddedLog> {
  return openEmbeddedLog({ directory: env.logDirectory, application, backends: rocksBackends });
}

export async function writeApplication(env: Environment, file: ApplicationFile): Promise<void> {
  try {
    await writeFile(join(env.directory, 'application.json'), JSON.stringify(file, undefined, 2));
  } catch (error) {
    throw unavailable(env.directory, error);
  }
}

/** What ran here last; throws USAGE when nothing did. */
export async function readApplication(env: Environment): Promise<ApplicationFile> {
  try {
    return JSON.parse(await readFile(join(env.directory, 'application.json'), 'utf8'));
  } catch {
    const problem = `nothing has run in ${env.directory} yet; start with \`millrace start\` or \`millrace run\``;
    throw new MillraceError('USAGE', { problem });
  }
}

function unavailable(directory: string, error: unknown): unknown {
  if (error instanceof MillraceError) return error;
  return new MillraceError('LOG_UNAVAILABLE', { directory, problem: messageOf(error) });
}
