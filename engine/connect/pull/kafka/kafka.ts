/**
 * Committed records of a topic, partition by partition, each from the offset after the last one.
 * The offsets are committed together with the resulting records in the log of the application; no
 * group is joined.
 */
import { isMillraceError, isPassing } from '../../../base/errors.ts';
import type { Log } from '../../../log/log.ts';
import { type Page, type PulledRow, type Puller, refused, unavailable } from '../puller.ts';
import { recordRows } from '../record-rows.ts';
import type { KafkaSpec } from './kafka-spec.ts';

export interface KafkaOptions {
  readonly name: string;
  readonly spec: KafkaSpec;
  /** Opens the log of the topic. */
  openLog(): Promise<Log>;
  warn(text: string): void;
  unpack?(value: unknown): readonly unknown[];
}

interface TopicPosition {
  /** The next offset of each partition. */
  readonly offsets: Readonly<Record<string, number>>;
}

const recordsMax = 1_000;

export class KafkaPuller implements Puller {
  readonly #options: KafkaOptions;
  #log: Promise<Log> | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  async *run(given: unknown, signal: AbortSignal): AsyncGenerator<Page> {
    try {
      yield* this.#pages(given as TopicPosition | undefined, signal);
    } catch (error) {
      if (!isMillraceError(error) || error.code.startsWith('SOURCE_')) throw error;
      // The next attempt reconnects.
      await this.close();
      throw (isPassing(error) ? unavailable : refused)(this.#options.name, error.message);
    }
  }

  async close(): Promise<void> {
    const log = await this.#log?.catch(() => undefined);
    this.#log = undefined;
    await log?.close();
  }

  async *#pages(given: TopicPosition | undefined, signal: AbortSignal): AsyncGenerator<Page> {
    const { name, spec, warn } = this.#options;
    this.#log ??= this.#options.openLog();
    const log = await this.#log;
    const topic = (await log.topics()).find((known) => known.name === spec.from);
    if (topic === undefined) throw refused(name, `there is no topic ${spec.from}`);
    const partitions = Array.from({ length: topic.partitions }, (_, partition) => ({
      topic: spec.from,
      partition,
    }));
    const position: { offsets: Record<string, number> } = { offsets: { ...given?.offsets } };
    for (const at of partitions) {
      const start = await log.startOffset(at);
      const next = position.offsets[at.partition];
      if (next !== undefined && next < start) {
        const gone = `${start - next} offsets of ${spec.from} partition ${at.partition}`;
        warn(`source ${name}: ${gone} were deleted before they were read`);
      }
      // A partition added later is read from its start, because all its records are new.
      const isFirst = given === undefined && spec.start === 'latest';
      const begin = isFirst ? await log.endOffset(at) : start;
      position.offsets[at.partition] = Math.max(next ?? begin, start);
    }
    yield { rows: [], bytes: 0, position: { offsets: { ...position.offsets } } };
    for (const at of partitions) {
      for (let from = position.offsets[at.partition] ?? 0; !signal.aborted; ) {
        const batch = await log.read(at, from, { records: recordsMax });
        if (batch === undefined) break;
        const rows: PulledRow[] = [];
        let bytes = 0;
        for (let i = 0; i < batch.count; i++) {
          const value = batch.value(i);
          bytes += value?.byteLength ?? 0;
          rows.push(...this.#rows(value, at.partition, batch.offsets[i] as number));
        }
        from = batch.nextOffset;
        position.offsets[at.partition] = from;
        yield { rows, bytes, position: { offsets: { ...position.offsets } } };
      }
    }
  }

  #rows(value: Buffer | null, partition: number, offset: number): PulledRow[] {
    const { name, spec, unpack } = this.#options;
    const place = { from: `kafka:${spec.from}/${partition}`, offset: String(offset) };
    const id = `${name}:${partition}/${offset}`;
    if (value === null) {
      return [{ fields: undefined, skip: 'no value: a tombstone', raw: '', id, ...place }];
    }
    return recordRows(value, unpack).map((row, i) => ({
      ...row,
      id: i === 0 ? id : `${id}-${i}`,
      ...place,
    }));
  }
}
