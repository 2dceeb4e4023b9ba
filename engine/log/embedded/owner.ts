/**
 * The owner of the log. The lock itself is the database's (the kernel releases it when a process
 * dies); this file only tells a refused process which process has the lock.
 */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { MillraceError } from '../../base/errors.ts';

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly application: string;
}

export async function writeOwner(directory: string, application: string): Promise<void> {
  const owner: Owner = { pid: process.pid, host: hostname(), application };
  await writeFile(`${directory}/OWNER`, JSON.stringify(owner));
}

/** The error if the log is locked. */
export async function lockedError(directory: string): Promise<MillraceError> {
  const owner = await readOwner(directory);
  return new MillraceError('LOG_LOCKED', {
    directory,
    pid: owner.pid ?? 'unknown',
    host: owner.host ?? 'unknown',
    application: owner.application ?? 'unknown',
  });
}

/**
 * True if another process appears to have the log open, without opening it: by the system's list of
 * locks on Linux, otherwise by the process that wrote OWNER.
 */
export async function isHeld(directory: string): Promise<boolean> {
  const owner = await readOwner(directory);
  if (owner.pid === undefined || owner.pid === process.pid || owner.host !== hostname())
    return false;
  try {
    const { ino } = await stat(`${directory}/db/LOCK`);
    const locks = await readFile('/proc/locks', 'utf8');
    return new RegExp(`:${ino} `).test(locks);
  } catch {
    return isAlive(owner.pid);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

async function readOwner(directory: string): Promise<Partial<Owner>> {
  try {
    return JSON.parse(await readFile(`${directory}/OWNER`, 'utf8')) as Partial<Owner>;
  } catch {
    // A missing or incomplete file has no information.
    return {};
  }
}
