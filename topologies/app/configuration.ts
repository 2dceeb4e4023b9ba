/**
 * The configuration of the ready topology: from a file, from a mapping, or that of the last run.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { MillraceError } from 'millrace';
import { messageOf } from 'millrace/engine';
import { type Environment, jsonOf, readApplication } from '../../engine/cli/index.ts';
import type { Mapping } from '../ingest/mapping.ts';
import type { PersonalisationConfig } from '../personalisation.ts';
import { ready } from './application.ts';

/** What `start` ran here last; undefined for an empty folder. */
export async function keptParams(env: Environment) {
  if (!existsSync(env.logDirectory)) return undefined;
  const found = await readApplication(env).catch(() => undefined);
  if (found === undefined) return undefined;
  const { application, topology } = found;
  return { application, params: application === ready ? topology.params : undefined };
}

/** Definitions change only when the user gives others. */
export async function configOf(
  file: string | undefined,
  mappings: readonly Mapping[],
  kept: unknown,
  say: (text: string) => void,
): Promise<PersonalisationConfig> {
  if (file !== undefined) return readConfig(file);
  const brought = mappings.find(({ configuration }) => configuration !== undefined);
  if (kept === undefined) return readConfig(undefined, brought);
  const isOther = JSON.stringify(brought?.configuration ?? kept) !== JSON.stringify(kept);
  if (isOther)
    say(`scores and segments stay as they were; pass --config to use those of ${brought?.name}`);
  return kept as PersonalisationConfig;
}

/** The configuration of a file; without a file, the one that the mapping has. */
export async function readConfig(
  file: string | undefined,
  mapping?: Mapping,
): Promise<PersonalisationConfig> {
  if (file === undefined) return (mapping?.configuration ?? {}) as PersonalisationConfig;
  try {
    return jsonOf(await readFile(file, 'utf8')) as PersonalisationConfig;
  } catch (error) {
    const problem = `${file}: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--config', problem });
  }
}
