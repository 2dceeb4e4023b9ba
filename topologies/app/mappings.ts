/** Mappings by name or path, in the form from which the engine makes sources. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillraceError, parseJson, type Topic } from 'millrace';
import {
  type FileSource,
  mappedFiles,
  messageOf,
  type RowMapping,
  type RowMappings,
} from 'millrace/engine';
import { codeRoot, type RowOptions } from '../../engine/cli/index.ts';
import { type Event, events } from '../event.ts';
import { checkMapping } from '../ingest/check-mapping.ts';
import { eventMap } from '../ingest/event-map.ts';
import { type Mapping, neededFields } from '../ingest/mapping.ts';
import { unpacker } from '../ingest/unpack.ts';
import { sampleFile } from './sample-file.ts';

const mappingsFolder = fileURLToPath(new URL('topologies/ingest/mappings/', codeRoot));

/** @param name of the source; default: that of the mapping */
export function fileSource(
  mapping: Mapping,
  files: readonly string[],
  topic: Topic<string, Event> = events,
  name = mapping.name,
): FileSource<string, Event> {
  return mappedFiles(rowMapping(mapping), files, topic, name);
}

/** A checked mapping in the form of the engine. */
export function rowMapping(mapping: Mapping): RowMapping {
  const { name, order } = mapping;
  return {
    name,
    reference: mappingName(mapping),
    rows: rowOptions(mapping),
    ...(order === undefined ? {} : { order }),
    unpack: unpacker(mapping),
    map: eventMap(mapping),
  };
}

/** Mappings to events, for the commands of the engine. */
export function eventMappings(mappingOf: MappingReader = readMapping): RowMappings {
  const topic: unknown = events;
  return {
    topic: topic as Topic<unknown, unknown>,
    read: async (name) => rowMapping(await mappingOf(name)),
    ownInput: async (name, folder) => (name === 'sample' ? sampleFile(folder) : undefined),
  };
}

/** How to read the files of a mapping. */
export function rowOptions(mapping: Mapping): RowOptions {
  const { format, columns, separator } = mapping;
  return {
    format,
    needed: neededFields(mapping),
    ...(columns === undefined ? {} : { columns }),
    ...(separator === undefined ? {} : { separator }),
    ...(format === 'csv' ? {} : { unpack: unpacker(mapping) }),
  };
}

export type MappingReader = (name: string) => Promise<Mapping>;

/** A reader that reads each mapping once, because its file may be a pipe. */
export function mappingsOnce(): MappingReader {
  const known = new Map<string, Promise<Mapping>>();
  return (name) => {
    const mapping = known.get(name) ?? readMapping(name);
    known.set(name, mapping);
    return mapping;
  };
}

/** A shipped mapping by name, or the user's by path. @throws MAPPING_INVALID */
export async function readMapping(name: string): Promise<Mapping> {
  const shipped = join(mappingsFolder, `${name}.json`);
  const file = existsSync(shipped) ? shipped : name;
  const fail = (problem: string) =>
    new MillraceError('MAPPING_INVALID', { mapping: name, field: '(file)', problem });
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const problem = `${messageOf(error)}; shipped are ${(await shippedMappings()).join(', ')}`;
    throw fail(problem);
  }
  const parsed = parseJson(text.replace(/^\uFEFF/, ''));
  if ('problem' in parsed) throw fail(parsed.problem);
  const mapping = checkMapping(parsed.value, basename(name, '.json'));
  names.set(mapping, file === shipped ? name : resolve(file));
  return mapping;
}

const names = new WeakMap<Mapping, string>();

/** The name under which `readMapping` finds it again, from any folder. */
export function mappingName(mapping: Mapping): string {
  return names.get(mapping) ?? mapping.name;
}

export async function shippedMappings(): Promise<string[]> {
  return (await readdir(mappingsFolder)).map((name) => basename(name, '.json')).sort();
}
