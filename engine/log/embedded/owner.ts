/**
 * Who has the log. The lock itself is the database's (the kernel frees it when a process dies); this
 * file only lets the refused one say whom to look for.
 */
import { readFile, writeFile } from 'node:fs/promises';
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
  const text = await readFile(`${directory}/OWNER`, 'utf8').catch(() => '{}');
  let owner: Partial<Owner> = {};
  try {
    owner = JSON.parse(text) as Partial<Owner>;
  } catch {
    // An owner file in the making is no news of its own.
  }
  return new MillraceError('LOG_LOCKED', {
    directory,
    pid: owner.pid ?? 'unknown',
    host: owner.host ?? 'unknown',
    application: owner.application ?? 'unknown',
  });
}
