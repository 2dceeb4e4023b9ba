/** The files of `--input`. */
import { readdir, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { MillraceError, messageOf } from '../base/errors.ts';

/** The files of `--input`; a folder stands for its data files in the order of their names. */
export async function inputFiles(
  inputs: readonly string[] | undefined,
): Promise<string[] | undefined> {
  if (inputs === undefined) return undefined;
  const files: string[] = [];
  for (const input of inputs) {
    const found = await stat(input).catch((error: unknown) => {
      throw new MillraceError('INPUT_MISSING', { file: input, problem: messageOf(error) });
    });
    if (!found.isDirectory()) {
      files.push(resolve(input));
      continue;
    }
    const names = (await readdir(input)).filter((name) =>
      /\.(csv|tsv|json|jsonl|ndjson)(\.gz)?$/.test(name),
    );
    if (names.length === 0) {
      const problem = 'the folder holds no .csv, .tsv, .json, .jsonl or .ndjson file';
      throw new MillraceError('INPUT_MISSING', { file: input, problem });
    }
    files.push(...names.sort().map((name) => resolve(input, name)));
  }
  return files;
}
