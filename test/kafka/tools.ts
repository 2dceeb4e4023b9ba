/** Kafka's own command-line tools: independent witnesses of what a topic holds. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { kafkaClassPath } from './jars.ts';

/** Java that starts quickly and stays small. */
export const shortLived = [
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xmx192m',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
];

export interface ToolResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a class of Kafka's, with `input` on its standard input. */
export async function runTool(
  name: string,
  args: readonly string[],
  input = '',
): Promise<ToolResult> {
  const child = spawn('java', ['-cp', await kafkaClassPath(), ...shortLived, name, ...args]);
  const out: Buffer[] = [];
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: Buffer.concat(out), stderr };
}

/** A record as Kafka's console consumer prints it. */
export interface SeenRecord {
  readonly partition: number;
  readonly offset: number;
  /** ms UTC. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** As printed: 'name:value,name:value'; '' for none. */
  readonly headers: string;
}

export interface ReadOptions {
  /** The reader ends when nothing came for so long, ms; default 4000. */
  readonly quietMs?: number;
}

// Bytes that no record of a test holds, so that values may hold lines and separators.
const fieldEnd = '|\u0001|';
const recordEnd = '|\u0002|';
const nothing = '|\u0003|';

/**
 * All committed records of a topic from its beginning, by Kafka's console consumer, in the order in
 * which it met them: in order within a partition only.
 */
export async function readCommitted(
  brokers: string,
  topic: string,
  { quietMs = 4_000 }: ReadOptions = {},
): Promise<SeenRecord[]> {
  const shown = ['timestamp', 'partition', 'offset', 'headers', 'key', 'value'];
  const properties = [
    ...shown.map((what) => `print.${what}=true`),
    `key.separator=${fieldEnd}`,
    `line.separator=${recordEnd}`,
    `null.literal=${nothing}`,
  ];
  const { stdout, stderr } = await runTool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
    ...['--bootstrap-server', brokers, '--topic', topic, '--from-beginning'],
    ...['--isolation-level', 'read_committed', '--timeout-ms', String(quietMs)],
    ...properties.flatMap((property) => ['--property', property]),
  ]);
  const count = /Processed a total of (\d+) messages/.exec(stderr)?.[1];
  const records = stdout.toString('latin1').split(recordEnd).slice(0, -1).map(recordOf);
  if (count !== String(records.length)) {
    throw new Error(`the console consumer of ${topic} failed: ${stderr}`);
  }
  return records;
}

/** Fields arrive as 'CreateTime:n', 'Partition:n', 'Offset:n', headers, key, value. */
function recordOf(text: string): SeenRecord {
  const [time = '', partition = '', offset = '', headers = '', key = '', value = ''] =
    text.split(fieldEnd);
  const bytes = (field: string) => (field === nothing ? null : Buffer.from(field, 'latin1'));
  const number = (field: string) => Number(field.slice(field.indexOf(':') + 1));
  return {
    partition: number(partition),
    offset: number(offset),
    timestamp: number(time),
    key: bytes(key),
    value: bytes(value),
    headers: headers === 'NO_HEADERS' ? '' : headers,
  };
}
