/** Files of golden runs, and whether they must be rewritten. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Set to 1, recordings write their files instead of comparing with them. */
export const updateVariable = 'MILLRACE_UPDATE_GOLDEN';

export function isUpdate(): boolean {
  return !['', '0', 'false'].includes(process.env[updateVariable] ?? '');
}

export function goldenPath(file: string | URL): string {
  return file instanceof URL ? fileURLToPath(file) : file;
}

/** Undefined where there is no such file. */
export async function readGolden(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function writeGolden(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
