/**
 * Questions of the segment editor: the names that a definition may use, and saving a new version.
 */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MillraceError } from 'millrace';
import { messageOf, type Route } from 'millrace/engine';
import {
  checkPersonalisation,
  lintPersonalisation,
  type PersonalisationConfig,
} from '../../personalisation.ts';
import { type Categories, withoutTable } from '../../segments/categories.ts';
import { knownClasses } from '../../segments/class-warnings.ts';
import type { SegmentDefinition } from '../../segments/definition.ts';
import { segmentsSchema } from '../../segments/segment-schema.ts';

/** Name within the data folder. */
const fileName = 'segments-next.json';

/** @param folder where a new version is saved; undefined when there is none */
export function definitionRoutes(
  asked: { readonly config: PersonalisationConfig },
  folder: string | undefined,
): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/segment/vocabulary',
      about: { summary: 'The JSON Schema of segments, and the names that they may use.' },
      answer: async () => vocabularyOf(asked.config),
    },
    {
      method: 'POST',
      path: '/segment/save',
      role: 'operate',
      about: {
        summary:
          'Saves a configuration with new versions of segments in the data folder, for the next start.',
      },
      answer: async (_, body) => save(asked.config, body, folder),
    },
  ];
}

function vocabularyOf(config: PersonalisationConfig): object {
  const { engagement, machine, consent, segments } = checkPersonalisation(config);
  return {
    schema: segmentsSchema(),
    events: [...knownClasses(engagement, machine.config)].sort(),
    traits: named(segments, 'trait', 'path'),
    purposes: [
      ...new Set([...named(segments, 'consent', 'purpose'), ...Object.values(consent.needs)]),
    ],
    bands: engagement.bands.map(({ name }) => name),
    channels: Object.keys(engagement.channels),
    segments: segments.map(({ id }) => id),
  };
}

/** The names that the running definitions use, by kind of condition. */
function named(
  segments: readonly SegmentDefinition[],
  kind: string,
  field: string,
): readonly string[] {
  const found = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value)) {
      const text = (inner as Record<string, unknown> | null)?.[field];
      if (name === kind && typeof text === 'string') found.add(text);
      look(inner);
    }
  };
  look(segments);
  return [...found].sort();
}

/** @throws CONFIG_INVALID for a configuration that `start` would refuse */
async function save(
  before: PersonalisationConfig,
  body: unknown,
  folder: string | undefined,
): Promise<object> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const problem = 'must be a configuration: an object with engagement, segments, ...';
    throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
  }
  const config = body as PersonalisationConfig;
  const [mistake] = lintPersonalisation(config);
  if (mistake !== undefined) {
    throw new MillraceError('CONFIG_INVALID', { field: mistake.path, problem: mistake.problem });
  }
  const [was, will] = [before, config].map((one) => checkPersonalisation(one));
  if (was !== undefined && will !== undefined) {
    checkVersions(was.segments, will.segments);
    checkTableVersion(was.categories, will.categories);
  }
  if (folder === undefined) {
    const problem = 'this process has no data folder to save it in';
    throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
  }
  const file = join(folder, fileName);
  try {
    // A reader meanwhile sees the earlier version.
    await writeFile(`${file}.new`, `${JSON.stringify(config, undefined, 2)}\n`);
    await rename(`${file}.new`, file);
  } catch (error) {
    throw new MillraceError('STATE_UNAVAILABLE', { directory: folder, problem: messageOf(error) });
  }
  return { file, command: `millrace start --data ${folder} --config ${file}` };
}

/** A segment whose meaning changed must have a greater version. */
function checkVersions(
  before: readonly SegmentDefinition[],
  after: readonly SegmentDefinition[],
): void {
  const known = new Map(before.map((one) => [one.id, one]));
  for (const one of after) {
    const old = known.get(one.id);
    if (old === undefined || one.version > old.version) continue;
    // By which table categories are read is the version of the table.
    const meaning = ({ version, when, ...rest }: SegmentDefinition) =>
      JSON.stringify([rest, withoutTable(when)]);
    if (one.version === old.version && meaning(one) === meaning(old)) continue;
    const problem = `is ${one.version}; it means something else now, so it must be above ${old.version}`;
    throw new MillraceError('CONFIG_INVALID', { field: `${one.id}.version`, problem });
  }
}

/** A table that says something else has a greater version. */
function checkTableVersion(before: Categories | undefined, after: Categories | undefined): void {
  if (before === undefined || after === undefined || before.path === after.path) return;
  const [was, is] = [before.table.version, after.table.version];
  if (is > was) return;
  const problem = `is ${is}; the table says something else now, so it must be above ${was}`;
  throw new MillraceError('CONFIG_INVALID', { field: 'categories.version', problem });
}
