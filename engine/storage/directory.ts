/** Creates directories, with correct errors. */
import { constants } from 'node:fs';
import { access, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { storageError } from './storage-errors.ts';

/**
 * Creates a directory, accessible by its owner only, and its parents. Throws the system's error.
 * Node's recursive mkdir reports ENOENT on a read-only file system, so the existing parent is
 * checked first.
 */
export async function makeDirectory(directory: string): Promise<void> {
  await access(await existing(directory), constants.W_OK);
  await mkdir(dirname(directory), { recursive: true });
  try {
    // The data may be personal, so other users of the machine must not read it.
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

async function existing(directory: string): Promise<string> {
  try {
    await access(directory, constants.F_OK);
    return directory;
  } catch (error) {
    const parent = dirname(directory);
    if (parent === directory) throw error;
    return existing(parent);
  }
}

/** Deletes a store's directory. @throws STATE_UNAVAILABLE if the system refuses */
export async function destroyDirectory(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    throw storageError(error, directory);
  }
}

/** Syncs the names in a directory to disk. Windows has no call for this. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
