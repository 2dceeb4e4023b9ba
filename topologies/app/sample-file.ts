/** The sample log, for a start without input. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sampleLines } from '../ingest/sample.ts';

/** Its path in a data folder. */
export function samplePath(folder: string): string {
  return join(folder, 'sample.jsonl');
}

/** Makes the sample unless it exists; returns its path. */
export async function sampleFile(folder: string): Promise<string> {
  const file = samplePath(folder);
  if (!existsSync(file)) await writeFile(file, `${sampleLines().join('\n')}\n`);
  return file;
}
