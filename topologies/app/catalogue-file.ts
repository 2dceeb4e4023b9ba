/** Reads the catalogue of fields for the commands that check what they are given against it. */
import { readFile } from 'node:fs/promises';
import { MillraceError } from 'millrace';
import { messageOf } from 'millrace/engine';
import { jsonOf } from '../../engine/cli/index.ts';
import { Catalogue } from '../field-catalogue.ts';

/** @param field that names the file, for errors @throws CONFIG_INVALID */
export async function readCatalogue(
  file: string | undefined,
  field: string,
): Promise<Catalogue | undefined> {
  if (file === undefined) return undefined;
  let value: unknown;
  try {
    value = jsonOf(await readFile(file, 'utf8'));
  } catch (error) {
    throw new MillraceError('CONFIG_INVALID', { field, problem: `${file}: ${messageOf(error)}` });
  }
  return new Catalogue(value);
}
