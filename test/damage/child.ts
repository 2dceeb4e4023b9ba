/**
 * Inflicts faults, one after the other, each on a fresh copy of a folder, and prints what came of
 * it, a line each. A process of its own, because the database may end it. Arguments: backend,
 * folder, copy, JSON list of faults.
 */
import { cp, rm } from 'node:fs/promises';
import { isMillraceError } from 'millrace';
import type { BackendName } from '../../engine/storage/backends.ts';
import { type Fault, inflict } from './faults.ts';
import { look } from './job.ts';

const [backend = '', folder = '', copy = '', list = '[]'] = process.argv.slice(2);
const name = backend as BackendName;

/** To open a database changes its files: the folder itself is never opened. */
async function freshCopy(): Promise<void> {
  // A database that was refused may still be tidying up.
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
  await cp(folder, copy, { recursive: true });
}

async function outcomeOf(fault: Fault, intact: string): Promise<string> {
  await freshCopy();
  await inflict(copy, fault);
  try {
    const { content, wiped } = await look(copy, name);
    if (content !== intact) return 'silently changed';
    if (new Set(wiped).size < wiped.length) return 'told more than once';
    return wiped.length === 0 ? 'unharmed' : 'restored';
  } catch (error) {
    if (!isMillraceError(error)) return `unknown: ${String(error)}`;
    return error.code === 'LOG_CORRUPT' ? error.code : `${error.code}: ${error.message}`;
  }
}

await freshCopy();
const { content } = await look(copy, name);
for (const fault of JSON.parse(list) as Fault[]) {
  process.stdout.write(`${JSON.stringify(await outcomeOf(fault, content))}\n`);
}
