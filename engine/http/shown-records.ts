/** Records of a topic as text: decoded if the topology defines how, otherwise the stored bytes. */
import { MillraceError } from '../base/errors.ts';
import type { Topology } from '../graph/graph.ts';
import { writtenTopics } from '../graph/sub-topology.ts';
import type { Source } from '../graph/topic.ts';
import type { Log } from '../log/log.ts';
import { decodeHeaders, type Headers } from '../record/headers.ts';
import type { Decoder } from '../serde/serde.ts';

export interface RecordText {
  readonly partition: number;
  readonly offset: number;
  /** ms UTC. */
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Headers;
}

/** Bytes as text if they are text, otherwise as hexadecimal digits. */
export function bytesText(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return `0x${Buffer.from(bytes).toString('hex')}`;
  }
}

/** Bytes decoded if a serde is known, otherwise as text or hexadecimal digits. */
export function decodedText(
  bytes: Buffer | null,
  decoder: Decoder<unknown> | undefined,
): string | null {
  if (bytes === null || decoder === undefined) return bytesText(bytes);
  try {
    const value = decoder.decode(bytes, 0, bytes.byteLength);
    return typeof value === 'string' ? value : JSON.stringify(value);
  } catch {
    return bytesText(bytes);
  }
}

/** The serdes of a topic in a topology; undefined if it does not define them. */
export function serdesIn(topology: Topology, name: string): Source<unknown, unknown> | undefined {
  const read = topology.nodes.flatMap((node) => (node.type === 'source' ? [node.topic] : []));
  // A declared topic has both views; a bare sink has no decoders.
  const written = writtenTopics(topology) as unknown as Partial<Source<unknown, unknown>>[];
  const found = [...read, ...written].find((topic) => topic.name === name);
  return found?.valueDecoder === undefined ? undefined : (found as Source<unknown, unknown>);
}

/** A page of records, newest first, and the position of the older ones. */
export interface RecordPage {
  readonly records: readonly RecordText[];
  /**
   * By partition: the offset before which older records are; without partitions read to their
   * start.
   */
  readonly before: Readonly<Record<string, number>>;
}

/** Longer values are truncated: a page shows samples. */
const charactersMost = 4_000;

/**
 * The newest records of a topic, or those before the offsets of an earlier page.
 * @param limit records, over all partitions
 * @throws TOPIC_UNKNOWN
 */
export async function newestRecords(
  log: Log,
  topology: Topology,
  topic: string,
  { limit, before }: { readonly limit: number; readonly before?: Readonly<Record<string, number>> },
): Promise<RecordPage> {
  const found = (await log.topics()).find(({ name }) => name === topic);
  if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
  const serdes = serdesIn(topology, topic);
  const records: RecordText[] = [];
  const starts = new Map<number, number>();
  for (let partition = 0; partition < found.partitions; partition++) {
    const at = { topic, partition };
    if (before !== undefined && before[partition] === undefined) continue;
    const start = await log.startOffset(at);
    starts.set(partition, start);
    const end = before?.[partition] ?? (await log.endOffset(at));
    // Gaps have no records: a page may be shorter than requested, and the next one continues.
    let from = Math.max(start, end - limit);
    while (from < end) {
      const batch = await log.read(at, from, { records: limit });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const offset = batch.offsets[i] as number;
        if (offset < from || offset >= end) continue;
        records.push({
          partition,
          offset,
          timestamp: batch.timestamps[i] as number,
          key: cut(decodedText(batch.key(i), serdes?.keyDecoder)),
          value: cut(decodedText(batch.value(i), serdes?.valueDecoder)),
          headers: decodeHeaders(batch.headerBytes(i)),
        });
      }
      from = batch.nextOffset;
    }
  }
  records.sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset);
  const shown = records.slice(0, limit);
  return { records: shown, before: olderThan(shown, records, starts, before) };
}

function olderThan(
  shown: readonly RecordText[],
  all: readonly RecordText[],
  starts: ReadonlyMap<number, number>,
  asked: Readonly<Record<string, number>> | undefined,
): Record<string, number> {
  const before: Record<string, number> = {};
  for (const [partition, start] of starts) {
    const read = all.filter((one) => one.partition === partition);
    // Records of a partition are sorted by time, which may differ from the order of offsets.
    const left = read.filter((one) => !shown.includes(one)).map(({ offset }) => offset);
    const next = left.length > 0 ? Math.max(...left) + 1 : Math.min(...read.map((r) => r.offset));
    const place = Number.isFinite(next) ? next : asked?.[partition];
    if (place !== undefined && place > start) before[partition] = place;
  }
  return before;
}

function cut(text: string | null): string | null {
  if (text === null || text.length <= charactersMost) return text;
  return `${text.slice(0, charactersMost)}… (${text.length} characters)`;
}
