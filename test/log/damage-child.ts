/**
 * Flips bits, one after the other, each in a fresh copy of a folder, and prints what came of it, a line
 * each. A process of its own, because the database aborts on some damage.
 * Arguments: folder, copy, JSON list of [file, byte, bit].
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMillraceError } from 'millrace';
import { look } from './damage-job.ts';

const [folder = '', copy = '', list = '[]'] = process.argv.slice(2);

/** Opening a database changes its files: the folder itself is never opened. */
async function freshCopy(): Promise<void> {
  // A database that was refused may still be tidying up.
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
  await cp(folder, copy, { recursive: true });
}

await freshCopy();
const intact = await look(copy);
for (const [file, at, bit] of JSON.parse(list) as [string, number, number][]) {
  await freshCopy();
  const bytes = await readFile(join(copy, file));
  bytes[at] = (bytes[at] as number) ^ (1 << bit);
  await writeFile(join(copy, file), bytes);
  const outcome = await look(copy).then(
    (content) => (content === intact ? 'unharmed' : `silently changed by ${file} byte ${at}`),
    (error: unknown) => (isMillraceError(error) ? error.code : `unknown: ${String(error)}`),
  );
  console.log(outcome);
}
