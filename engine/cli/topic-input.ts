/**
 * `--input` of `run`: rows become records by a mapping, or records of one topic as they are;
 * exactly once.
 */
import { MillraceError, messageOf } from '../base/errors.ts';
import { FileSource, type Mapped } from '../connect/file-source.ts';
import { mappedFiles, type RowMapping, type RowMappings } from '../connect/row-mapping.ts';
import type { Topology } from '../graph/graph.ts';
import type { Topic } from '../graph/topic.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import { instantReader } from '../time/instant-reader.ts';
import { inputFiles } from './input-files.ts';
import type { InputGroup } from './input-groups.ts';

/** A source of a run. */
export interface FileInput extends SourceConnector {
  readonly files: readonly string[];
}

type Fields = Readonly<Record<string, unknown>>;

/** One source per group; its files are read one after the other. Throws USAGE if two are equal. */
export async function groupSources(
  topology: Topology,
  groups: readonly InputGroup[],
  say: (text: string) => void,
  mappings: RowMappings,
): Promise<FileInput[]> {
  const sources: FileInput[] = [];
  for (const group of groups) {
    const files = await inputFiles(group.inputs, say);
    if (group.mapping === undefined) sources.push(rowSource(topology, files, group, groups));
    else {
      const mapping = await mappings.read(group.mapping);
      sources.push(mappedSource(files, mapping, topicOf(topology, mappings, group.topic)));
    }
  }
  checkNames(sources);
  return sources;
}

/** @throws USAGE where two sources have one name */
export function checkNames(sources: readonly SourceConnector[]): void {
  const twice = sources.find(({ name }, i) => sources.findIndex((one) => one.name === name) < i);
  if (twice === undefined) return;
  const problem = `two mappings or sources have the name ${twice.name}, by which the position in their input is kept: give one of them another 'name'`;
  throw new MillraceError('USAGE', { problem });
}

/** The topic of a mapping's records. */
interface MappedTopic {
  readonly topic: Topic<unknown, unknown>;
  /** Suffix of the source's name, after the mapping's name; empty for the default topic. */
  readonly suffix: string;
}

/** @param name of the topic; default that of the mappings @throws USAGE as `topicRead` */
export function topicOf(
  topology: Topology,
  { topic: usual }: RowMappings,
  name: string = usual.name,
): MappedTopic {
  if (name === usual.name) return { topic: usual, suffix: '' };
  return { topic: topicRead(topology, name), suffix: `-${name}` };
}

export function mappedSource(
  files: readonly string[],
  mapping: RowMapping,
  { topic, suffix }: MappedTopic,
): FileInput {
  return mappedFiles(mapping, files, topic, `${mapping.name}${suffix}`);
}

/** The value of a record is the whole row. */
function rowSource(
  topology: Topology,
  files: readonly string[],
  { topic: name, key, time, timeFormat = 'iso' }: InputGroup,
  groups: readonly InputGroup[],
): FileInput {
  if (name === undefined || key === undefined || time === undefined) {
    const problem = '--input needs --mapping, or --topic, --key and --time';
    throw new MillraceError('USAGE', { problem });
  }
  const topic = topicRead(topology, name);
  const map = rowMap(topic, key, time, reader(timeFormat));
  const format = files.every((file) => /\.csv(\.gz)?$/.test(file)) ? 'csv' : 'jsonl';
  const alike = groups.filter((one) => one.mapping === undefined && one.topic === name);
  const own = alike.length > 1 ? ` of ${key} at ${time} (${timeFormat})` : '';
  const needed = [key, time];
  return new FileSource({ name: `${name}-input${own}`, files, format, needed, topic, map });
}

/** An unmapped row: the fields of its key and time are given by name. */
export function rowMap(
  topic: Topic<unknown, unknown>,
  key: string,
  time: string,
  read: (text: string) => number | string,
): (fields: Fields) => Mapped<unknown, unknown> {
  const isText = topic.key.format === 'utf8';
  return (fields) => {
    const told = fieldOf(fields, time);
    if (told === undefined || told === null || told === '') {
      return { reject: `there is no ${time}` };
    }
    const timestamp = read(textOf(told));
    if (typeof timestamp === 'string') {
      return { reject: `${time} ${JSON.stringify(told)} ${timestamp}` };
    }
    const id = fieldOf(fields, key);
    if (id === undefined || id === null || id === '') return { reject: `there is no ${key}` };
    if (isText && typeof id === 'object') return { reject: `${key} is an object or a list` };
    return { key: isText ? String(id) : id, value: fields, timestamp };
  };
}

/** The value of an own field of the row, whatever its name. */
function fieldOf(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? '' : String(value);
}

function reader(format: string) {
  try {
    return instantReader(format, 'UTC');
  } catch (error) {
    const problem = `${JSON.stringify(format)} ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--time-format', problem });
  }
}

/** @throws USAGE for a topic that the topology does not read */
export function topicRead(topology: Topology, name: string): Topic<unknown, unknown> {
  const topics = topology.nodes.flatMap((node) => (node.type === 'source' ? [node.topic] : []));
  const found = topics.find((topic) => topic.name === name);
  if (found === undefined) {
    const known = topics.map((topic) => topic.name).join(', ');
    throw new MillraceError('USAGE', {
      problem: `the topology reads no topic ${name}, but ${known}`,
    });
  }
  return found as Topic<unknown, unknown>;
}
