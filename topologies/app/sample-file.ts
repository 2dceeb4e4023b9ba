/** The sample that stands in for a log of the user's own. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sampleLines } from '../ingest/sample.ts';

/** Where it lies in a data folder. */
export function samplePath(folder: string): string {
  return join(folder, 'sample.jsonl');
}

/** Made where it is not there; answers its path. */
export async function sampleFile(folder: string): Promise<string> {
  const file = samplePath(folder);
  if (!existsSync(file)) await writeFile(file, `${sampleLines().join('\n')}\n`);
  return file;
}
