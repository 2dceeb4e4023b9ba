/** Makes directories, and says truly why one cannot be made. */
import { constants } from 'node:fs';
import { access, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { storageError } from './storage-errors.ts';

/**
 * Makes a directory, for its owner alone, and those above it. Throws the system's error. Node's own
 * recursive mkdir says ENOENT where the file system is read-only, so the folder that is there is
 * asked first.
 */
export async function makeDirectory(directory: string): Promise<void> {
  await access(await existing(directory), constants.W_OK);
  await mkdir(dirname(directory), { recursive: true });
  try {
    // What is kept may be personal: others on the machine need not read it.
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

/** Deletes a store's directory. @throws STATE_UNAVAILABLE where the system refuses */
export async function destroyDirectory(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    throw storageError(error, directory);
  }
}

/** The names in a directory are on disk. Windows has no call for it. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
