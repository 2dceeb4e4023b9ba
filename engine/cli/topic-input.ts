/** `run --input`: the rows of files become records of one topic of the topology, exactly once. */
import { instantReader } from '../../topologies/ingest/instant.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import { FileSource, type Mapped } from '../connect/file-source.ts';
import type { Topology } from '../graph/graph.ts';
import type { Topic } from '../graph/topic.ts';
import type { SourceConnector } from '../runtime/connector.ts';
import { inputFiles } from './input-files.ts';

export interface TopicInput {
  readonly input?: readonly string[];
  readonly topic?: string;
  /** Field of the key. */
  readonly key?: string;
  /** Field of the event time. */
  readonly time?: string;
  readonly timeFormat: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** No source without `--input`. The value of a record is the whole row. */
export async function topicSources(
  topology: Topology,
  { input, topic: name, key, time, timeFormat }: TopicInput,
): Promise<SourceConnector[]> {
  const files = await inputFiles(input);
  if (files === undefined) return [];
  if (name === undefined || key === undefined || time === undefined) {
    throw new MillraceError('USAGE', { problem: '--input needs --topic, --key and --time' });
  }
  const topic = topicRead(topology, name);
  const read = reader(timeFormat);
  const map = (fields: Fields): Mapped<unknown, unknown> => {
    const told = fields[time];
    const timestamp = read(String(told));
    if (typeof timestamp === 'string') {
      return { reject: `${time} ${JSON.stringify(told)} ${timestamp}` };
    }
    const id = fields[key];
    if (id === undefined || id === null || id === '') return { reject: `there is no ${key}` };
    const isText = topic.key.format === 'utf8';
    return { key: isText ? String(id) : id, value: fields, timestamp };
  };
  const format = files.every((file) => /\.csv(\.gz)?$/.test(file)) ? 'csv' : 'jsonl';
  return [
    new FileSource({ name: `${name}-input`, files, format, needed: [key, time], topic, map }),
  ];
}

function reader(format: string) {
  try {
    return instantReader(format, 'UTC');
  } catch (error) {
    const problem = `${JSON.stringify(format)} ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--time-format', problem });
  }
}

function topicRead(topology: Topology, name: string): Topic<unknown, unknown> {
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
