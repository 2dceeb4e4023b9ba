/** Reads the stored batches, and checks that they are intact and complete. */
import { isMillraceError, messageOf } from '../../base/errors.ts';
import { checkImage, imageOf, PackedBatch } from '../../record/batch.ts';
import type { BackendEntry, StateBackend } from '../../storage/backend.ts';
import type { ReadLimits, TopicPartition } from '../log.ts';
import { checkOffset, mergeBatches } from '../partition-reader.ts';
import type { LogCatalogue, PartitionState } from '../topic-catalogue.ts';
import { corrupt } from './corrupt.ts';
import { type KeptBatches, missingOffset } from './kept-batches.ts';
import type { Loaded } from './load-catalogue.ts';
import { baseOffsetOf, batchKey, partitionId } from './log-keys.ts';

/** Stored batches fetched by one range read. */
const batchesPerFetch = 8;

export class StoredBatches {
  readonly #backend: StateBackend;
  readonly #catalogue: LogCatalogue;
  /** Of compacted partitions, by `partitionId`. */
  readonly #kept: Map<string, KeptBatches>;
  /** Number of records of the last stored batch read, by partition. */
  readonly #batchSizes = new WeakMap<PartitionState, number>();

  constructor(backend: StateBackend, { catalogue, kept }: Loaded) {
    this.#backend = backend;
    this.#catalogue = catalogue;
    this.#kept = kept;
  }

  /** As Log.read. */
  async read(
    at: TopicPartition,
    from: number,
    limits: ReadLimits,
  ): Promise<PackedBatch | undefined> {
    const { start, end } = this.#catalogue.partition(at);
    checkOffset(at, from, start, end);
    if (from === end) return undefined;
    const wanted = await this.#batchBefore(at, from);
    const { bytes: bytesMax = Number.POSITIVE_INFINITY } = limits;
    let bytes = 0;
    let records = wanted.reduce((sum, batch) => sum + (batch.nextOffset - from), 0);
    for (let next = from; records < limits.records; ) {
      const fetched = this.#fetchSize(at, limits.records - records);
      const found = await this.#batches(at, next, end, fetched);
      for (const batch of found) {
        wanted.push(batch);
        records += batch.count;
        bytes += batch.byteLength;
        if (records >= limits.records || bytes >= bytesMax) break;
      }
      if (found.length < fetched || bytes >= bytesMax) break;
      next = (found[found.length - 1] as PackedBatch).nextOffset;
    }
    const merged = mergeBatches(wanted, from, limits);
    this.#checkWhole(at, wanted, from);
    if (merged === undefined) throw corrupt(at.topic, at.partition, from, 'records are missing');
    return merged;
  }

  /** All batches of a partition, in their order. */
  async each(at: TopicPartition, visit: (batch: PackedBatch) => void): Promise<void> {
    const { start, end } = this.#catalogue.partition(at);
    for (let next = start; next < end; ) {
      const batches = await this.#batches(at, next, end, batchesPerFetch);
      this.#checkWhole(at, batches, next);
      if (batches.length === 0) throw corrupt(at.topic, at.partition, next, 'records are missing');
      for (const batch of batches) visit(batch);
      next = (batches[batches.length - 1] as PackedBatch).nextOffset;
    }
  }

  /**
   * Notes which batches of a partition a clean-up has left.
   * @param bases their base offsets, ascending
   */
  keep(topicId: number, partition: number, bases: readonly number[]): void {
    this.#kept.set(partitionId(topicId, partition), { bases });
  }

  /**
   * Number of batches to fetch for this many records: surplus batches are garbage outside of the
   * heap.
   */
  #fetchSize(at: TopicPartition, records: number): number {
    const usual = this.#batchSizes.get(this.#catalogue.partition(at)) ?? 1;
    return Math.min(batchesPerFetch, Math.max(1, Math.ceil(records / usual)));
  }

  /** Throws if records are missing between consecutive batches. */
  #checkWhole(at: TopicPartition, batches: readonly PackedBatch[], from: number): void {
    const { cleaned } = this.#catalogue.partition(at);
    const { id } = this.#catalogue.topic(at);
    const kept = this.#kept.get(partitionId(id, at.partition));
    const missing = missingOffset(batches, from, { cleaned, kept });
    if (missing !== undefined) {
      throw corrupt(at.topic, at.partition, missing, 'records are missing');
    }
  }

  /** The stored batch that begins before `from` and extends beyond it; one or none. */
  async #batchBefore(at: TopicPartition, from: number): Promise<PackedBatch[]> {
    const { id } = this.#catalogue.topic(at);
    const [entry] = await this.#range(at, from, {
      from: batchKey(id, at.partition, 0),
      to: batchKey(id, at.partition, from),
      reverse: true,
      limit: 1,
    });
    if (entry === undefined) return [];
    const batch = unpacked(at, entry);
    return batch.nextOffset > from ? [batch] : [];
  }

  async #batches(
    at: TopicPartition,
    from: number,
    end: number,
    limit: number,
  ): Promise<PackedBatch[]> {
    const { id } = this.#catalogue.topic(at);
    const entries = await this.#range(at, from, {
      from: batchKey(id, at.partition, from),
      to: batchKey(id, at.partition, end),
      limit,
    });
    const batches = entries.map((entry) => unpacked(at, entry));
    const last = batches.at(-1);
    if (last !== undefined) this.#batchSizes.set(this.#catalogue.partition(at), last.count);
    return batches;
  }

  async #range(
    at: TopicPartition,
    offset: number,
    options: Parameters<StateBackend['range']>[0],
  ): Promise<BackendEntry[]> {
    try {
      return await this.#backend.range(options);
    } catch (error) {
      if (!isMillraceError(error, 'STORE_CORRUPT')) throw error;
      throw corrupt(at.topic, at.partition, offset, messageOf(error), error);
    }
  }
}

function unpacked(at: TopicPartition, [key, value]: BackendEntry): PackedBatch {
  const image = imageOf(value);
  const base = baseOffsetOf(key);
  const problem = checkImage(image);
  if (problem !== undefined) throw corrupt(at.topic, at.partition, base, problem);
  const batch = new PackedBatch(image);
  if (batch.baseOffset === base) return batch;
  throw corrupt(at.topic, at.partition, base, 'its key has changed');
}
