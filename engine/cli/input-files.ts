/** The files of `--input`. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { MillraceError, messageOf } from '../base/errors.ts';
import { standardInput } from '../connect/content.ts';

const dataFile = /\.(csv|tsv|json|jsonl|ndjson)(\.gz)?$/;

/**
 * The files of `--input`: a folder means its data files in the order of their names, a name with
 * `*` or `?` the matching files, `-` standard input.
 * @throws INPUT_MISSING
 * @param say called for files in a folder that are skipped
 */
export async function inputFiles(
  inputs: readonly string[],
  say: (text: string) => void = () => {},
): Promise<string[]> {
  const files: string[] = [];
  for (const input of inputs) {
    if (input === standardInput) files.push(input);
    else files.push(...(await filesOf(input, say)));
  }
  return [...new Set(files)];
}

async function filesOf(input: string, say: (text: string) => void): Promise<string[]> {
  const found = await stat(input).catch((error: unknown) => messageOf(error));
  if (typeof found === 'string') {
    if (/[*?]/.test(basename(input))) return fitting(input);
    throw new MillraceError('INPUT_MISSING', { file: input, problem: found });
  }
  if (!found.isDirectory()) return [resolve(input)];
  const entries = await readdir(input, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const data = names.filter((name) => dataFile.test(name)).sort();
  if (data.length === 0) {
    const problem = 'the folder holds no .csv, .tsv, .json, .jsonl or .ndjson file';
    throw new MillraceError('INPUT_MISSING', { file: input, problem });
  }
  const others = names.filter((name) => !dataFile.test(name) && !name.startsWith('.'));
  if (others.length > 0) say(`passed over in ${input}: ${others.sort().join(', ')}`);
  return data.map((name) => resolve(input, name));
}

/** The shell expands unquoted patterns in the same way. */
async function fitting(input: string): Promise<string[]> {
  const parts = basename(input).split(/([*?])/);
  const source = parts.map((part) =>
    part === '*' ? '.*' : part === '?' ? '.' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&'),
  );
  const pattern = new RegExp(`^(?!\\.)${source.join('')}$`);
  const folder = dirname(input);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.filter((entry) => !entry.isDirectory() && pattern.test(entry.name));
  if (names.length > 0) return names.map(({ name }) => resolve(join(folder, name))).sort();
  throw new MillraceError('INPUT_MISSING', { file: input, problem: 'no file fits this pattern' });
}
