/**
 * Who has the log. The lock itself is the database's (the kernel frees it when a process dies);
 * this file only lets the refused one say whom to look for.
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

/** The error for who finds the log locked. */
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
 * Whether another process has the log open, as far as can be seen without opening it: by the
 * system's list of locks on Linux, else by the process that wrote OWNER.
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
    // A file that is missing, or in the making, is no news of its own.
    return {};
  }
}
