/** One owner of a directory at a time. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { MillraceError } from 'millrace';

/** Directories that this thread has open. */
const mine = new Set<string>();

/**
 * Takes the lock. The lock of a process that has died is taken over, and so is that of another
 * thread of this process: the engine opens a store in one thread at a time, and replaces threads
 * that died.
 * @returns a function that releases the lock
 */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, 'owner');
  const owner = ownerOf(path);
  if (mine.has(directory) || (owner !== undefined && owner !== process.pid && isAlive(owner))) {
    const problem = `it is locked by process ${owner ?? process.pid}`;
    throw new MillraceError('STATE_UNAVAILABLE', { directory, problem });
  }
  // SQLite's own lock is a directory here, which stays behind when a process is killed.
  rmSync(join(directory, 'state.sqlite.lock'), { recursive: true, force: true });
  writeFileSync(path, `${process.pid} ${threadId}`);
  mine.add(directory);
  return () => {
    mine.delete(directory);
    rmSync(path, { force: true });
  };
}

function ownerOf(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0]);
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
