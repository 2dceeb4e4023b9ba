/**
 * The embedded log: durable, in process, one database. A commit is one synced write over batches,
 * ends, group offsets, the commit id and its row in the journal, so it happens wholly or not at all;
 * then HEAD follows.
 */
import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts';
import { sealed } from '../../base/sealed.ts';
import { checkImage, checksumOf, imageOf, PackedBatch, seal } from '../../record/batch.ts';
import type { BackendEntry, BackendWrite, StateBackend } from '../../storage/backend.ts';
import type { LogCatalogue, PartitionState, TopicState } from '../catalogue.ts';
import { wantsCompaction } from '../catalogue.ts';
import type {
  Commit,
  CommitReceipt,
  CommittedOffset,
  Forgotten,
  GroupOffset,
  Log,
  ReadLimits,
  TopicDescription,
  TopicPartition,
  Writer,
} from '../log.ts';
import { type JoinOptions, type Member, soleMember } from '../member.ts';
import { keyOf } from '../partition-key.ts';
import { checkOffset, mergeBatches } from '../partition-reader.ts';
import { compacted, expiry, noteLastOffsets } from '../retention.ts';
import { corrupt, logError } from './corrupt.ts';
import type { HeadFile } from './head.ts';
import {
  type CatalogueSeals,
  type JournalAppend,
  type JournalLimits,
  type JournalPoint,
  journalWrite,
  type Place,
  sealOf,
} from './journal.ts';
import { type KeptBatches, missingOffset } from './kept-batches.ts';
import {
  baseOffsetOf,
  batchKey,
  journalKey,
  keptKey,
  offsetKey,
  partitionId,
  partitionKey,
  sequenceKey,
  topicKey,
  writerKey,
} from './key-layout.ts';
import type { Loaded } from './load.ts';

export interface EmbeddedLogParts {
  readonly directory: string;
  readonly backend: StateBackend;
  readonly head: HeadFile;
  readonly loaded: Loaded;
  /** Sequence numbers of the anchors that the slots of HEAD name. */
  readonly anchors: readonly number[];
  readonly journal: JournalLimits;
}

/** Stored batches fetched by one range read. */
const batchesPerFetch = 8;
const prunedPerCommit = 256;

export class EmbeddedLog implements Log {
  readonly #directory: string;
  readonly #backend: StateBackend;
  readonly #head: HeadFile;
  readonly #catalogue: LogCatalogue;
  readonly #seals: CatalogueSeals;
  readonly #kept: Map<string, KeptBatches>;
  readonly #epochs = new Map<string, number>();
  /** Records of a stored batch that was read last, by partition. */
  readonly #batchSizes = new WeakMap<PartitionState, number>();
  #last: JournalPoint;
  /** Where the last commit wrote. */
  #place: Place | undefined;
  #anchor: JournalPoint;
  readonly #anchors: number[];
  readonly #limits: JournalLimits;
  #firstRow: number;
  #unflushedBytes = 0;
  #flushing: Promise<void> | undefined;
  /** A write whose outcome is not known: nothing may follow it. */
  #failure: unknown;
  /** The write before; commits follow one another. */
  #tail: Promise<unknown> = Promise.resolve();

  /** Use `openEmbeddedLog` (log.ts). */
  constructor({ directory, backend, head, loaded, anchors, journal }: EmbeddedLogParts) {
    this.#directory = directory;
    this.#backend = backend;
    this.#head = head;
    this.#catalogue = loaded.catalogue;
    this.#seals = loaded.seals;
    this.#kept = loaded.kept;
    this.#last = loaded.last;
    this.#anchor = loaded.anchor;
    this.#anchors = [...anchors];
    this.#limits = journal;
    this.#firstRow = loaded.firstRow;
  }

  createTopics(topics: readonly TopicDescription[]): Promise<void> {
    return this.#inTurn(async () => {
      const fresh = topics
        .filter((topic) => this.#catalogue.isNew(topic))
        // What a topic is for is told at each start, and not kept.
        .map(({ name, partitions, settings }) => ({ name, partitions, settings }));
      if (fresh.length === 0) return;
      const ids = fresh.map((_, i) => this.#catalogue.topics.size + i);
      await this.#write(
        fresh.map((description, i) => row(topicKey(description.name), { id: ids[i], description })),
      );
      fresh.forEach((description, i) => {
        this.#catalogue.add(ids[i] as number, description);
      });
    });
  }

  async topics(): Promise<readonly TopicDescription[]> {
    return [...this.#catalogue.topics.values()].map((topic) => topic.description);
  }

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

  /** Batches that hold so many records, about: what is fetched and not wanted is garbage outside the heap. */
  #fetchSize(at: TopicPartition, records: number): number {
    const usual = this.#batchSizes.get(this.#catalogue.partition(at)) ?? 1;
    return Math.min(batchesPerFetch, Math.max(1, Math.ceil(records / usual)));
  }

  async startOffset(at: TopicPartition): Promise<number> {
    return this.#catalogue.partition(at).start;
  }

  async completeFrom(at: TopicPartition): Promise<number> {
    const { start, cleaned } = this.#catalogue.partition(at);
    return Math.max(start, cleaned);
  }

  async endOffset(at: TopicPartition): Promise<number> {
    return this.#catalogue.partition(at).end;
  }

  async committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined> {
    return this.#catalogue.committed(group, at);
  }

  async join(options: JoinOptions): Promise<Member> {
    return soleMember(this, options);
  }

  async openWriter(id: string): Promise<Writer> {
    const epoch = (this.#epochs.get(id) ?? 0) + 1;
    this.#epochs.set(id, epoch);
    return {
      lastCommitId: this.#catalogue.commits.get(id) ?? 0,
      commit: async (commit) => {
        await commit.onPhase?.('commit');
        return this.#inTurn(() => {
          if (this.#epochs.get(id) !== epoch) throw new MillraceError('LOG_FENCED', { writer: id });
          return this.#commit(id, commit);
        });
      },
      close: async () => {},
    };
  }

  /** One durable write. It has one process, which is ours: nobody else is in the group. */
  forget({ group, topics, offsets }: Forgotten): Promise<void> {
    return this.#inTurn(async () => {
      const writes: BackendWrite[] = [];
      for (const at of this.#catalogue.offsetsOf(group)) {
        writes.push({ key: offsetKey(group, at.topic, at.partition), value: undefined });
      }
      for (const { topic, partition, offset } of offsets) {
        writes.push(row(offsetKey(group, topic, partition), { offset }));
      }
      for (const name of topics) {
        const { id, partitions } = this.#catalogue.topic({ topic: name });
        for (const [partition, state] of partitions.entries()) {
          await this.#eachBatch({ topic: name, partition }, ({ baseOffset }) => {
            writes.push({ key: batchKey(id, partition, baseOffset), value: undefined });
          });
          writes.push(row(partitionKey(id, partition), this.#catalogue.emptied(state)));
          writes.push(row(keptKey(id, partition), []));
        }
      }
      await this.#write(writes);
      this.#catalogue.groups.delete(group);
      this.#catalogue.setOffsets(group, offsets);
      for (const name of topics) {
        const { id, partitions } = this.#catalogue.topic({ topic: name });
        for (const [partition, state] of partitions.entries()) {
          Object.assign(state, this.#catalogue.emptied(state));
          this.#kept.set(partitionId(id, partition), { bases: [] });
        }
      }
    });
  }

  maintain(nowMs: number): Promise<void> {
    return this.#inTurn(async () => {
      for (const topic of this.#catalogue.topics.values()) {
        const { name, settings } = topic.description;
        for (const [partition, state] of topic.partitions.entries()) {
          if (settings.cleanup === 'compact') {
            if (wantsCompaction(state)) await this.#compact(topic, partition);
          } else if (settings.cleanup === 'consumed' || settings.retentionMs !== undefined) {
            const consumed = this.#catalogue.consumedBefore({ topic: name, partition });
            await this.#expire(topic, partition, expiry(settings, nowMs, consumed));
          }
        }
      }
    });
  }

  async close(): Promise<void> {
    await this.#tail.catch(() => {});
    await this.#flushing;
    await this.#head.close();
    await this.#backend.close();
  }

  async #commit(id: string, commit: Commit): Promise<CommitReceipt> {
    const writes: BackendWrite[] = [];
    const ends = new Map<string, GroupOffset>();
    const appends: JournalAppend[] = [];
    for (const { topic, partition, batch } of commit.appends) {
      if (batch.count === 0) continue;
      const at = { topic, partition };
      const state = this.#catalogue.partition(at);
      const base = ends.get(keyOf(at))?.offset ?? state.end;
      const { id: topicId } = this.#catalogue.topic(at);
      const stored = PackedBatch.rebase(batch.image, base);
      const next = stored.nextOffset;
      const checksum = checksumOf(stored.image);
      writes.push({ key: batchKey(topicId, partition, base), value: new Uint8Array(stored.image) });
      writes.push(row(partitionKey(topicId, partition), { ...state, end: next }));
      ends.set(keyOf(at), { ...at, offset: next });
      appends.push({ topic: topicId, partition, base, next, checksum });
    }
    for (const { topic, partition, offset, metadata } of commit.offsets) {
      writes.push(row(offsetKey(id, topic, partition), { offset, metadata }));
    }
    writes.push(row(writerKey(id), commit.commitId));
    await this.#write(writes, ends, appends, placeOf(commit, appends));
    this.#catalogue.setOffsets(id, commit.offsets);
    this.#catalogue.commits.set(id, commit.commitId);
    return { ends: [...ends.values()] };
  }

  /** One durable write: the database first, then HEAD, then what readers see. */
  async #write(
    writes: BackendWrite[],
    ends: ReadonlyMap<string, GroupOffset> = new Map(),
    appends: readonly JournalAppend[] = [],
    place?: Place,
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const sequence = this.#last.sequence + 1;
    const undo = writes.map((write) => this.#seals.apply(write));
    const { digest } = this.#seals;
    const { seal: previous } = this.#last;
    const content = { previous, appends, catalogue: digest, before: this.#place };
    const journal = journalWrite(sequence, content);
    writes.push(row(sequenceKey, sequence), journal, ...this.#prune());
    try {
      await this.#backend.write(writes, { sync: true });
    } catch (error) {
      for (const take of undo.reverse()) take?.();
      // Whether it happened nobody knows: what follows would not fit it.
      this.#failure = error;
      throw error;
    }
    const last = { sequence, seal: sealOf(journal.value as Buffer) };
    this.#last = last;
    this.#place = place;
    for (const at of ends.values()) this.#catalogue.partition(at).end = at.offset;
    try {
      const anchor = this.#anchor;
      await this.#head.write({
        ...{ version: 2, sequence, seal: last.seal, anchor, catalogue: digest },
        ends: this.#ends(),
      });
      this.#anchors[this.#head.slotOf({ sequence })] = anchor.sequence;
    } catch (error) {
      this.#failure = logError(error, this.#directory);
      throw this.#failure;
    }
    this.#unflushedBytes += writes.reduce(
      (sum, { key, value }) => sum + key.byteLength + (value?.byteLength ?? 0),
      0,
    );
    this.#moveAnchor();
  }

  /** Rows of the journal that neither HEAD needs any more. */
  #prune(): BackendWrite[] {
    const last = Math.min(...this.#anchors);
    const deletions: BackendWrite[] = [];
    for (; this.#firstRow <= last && deletions.length < prunedPerCommit; this.#firstRow++) {
      if (this.#firstRow > 0) deletions.push({ key: journalKey(this.#firstRow), value: undefined });
    }
    return deletions;
  }

  /** Now and then what is written becomes tables, so that the journal stays short. */
  #moveAnchor(): void {
    const rows = this.#last.sequence - this.#anchor.sequence;
    const isDue = rows >= this.#limits.rows || this.#unflushedBytes >= this.#limits.bytes;
    if (!isDue || this.#flushing !== undefined) return;
    const point = this.#last;
    this.#unflushedBytes = 0;
    this.#flushing = this.#backend
      .flush()
      .then(() => {
        this.#anchor = point;
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#flushing = undefined;
      });
  }

  #ends(): Record<string, number> {
    const ends: Record<string, number> = {};
    for (const [name, topic] of this.#catalogue.topics) {
      topic.partitions.forEach(({ end }, partition) => {
        if (end > 0) ends[`${name}/${partition}`] = end;
      });
    }
    return ends;
  }

  /** Throws when records are missing between batches that were read one after the other. */
  #checkWhole(at: TopicPartition, batches: readonly PackedBatch[], from: number): void {
    const { cleaned } = this.#catalogue.partition(at);
    const { id } = this.#catalogue.topic(at);
    const kept = this.#kept.get(partitionId(id, at.partition));
    const missing = missingOffset(batches, from, { cleaned, kept });
    if (missing !== undefined) {
      throw corrupt(at.topic, at.partition, missing, 'records are missing');
    }
  }

  /** The stored batch that begins before `from` and reaches beyond it; one or none. */
  async #batchBefore(at: TopicPartition, from: number): Promise<PackedBatch[]> {
    const { id } = this.#catalogue.topic(at);
    const [entry] = await this.#range(at, from, {
      from: batchKey(id, at.partition, 0),
      to: batchKey(id, at.partition, from),
      reverse: true,
      limit: 1,
    });
    if (entry === undefined) return [];
    const batch = this.#unpack(at, entry);
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
    const batches = entries.map((entry) => this.#unpack(at, entry));
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

  #unpack(at: TopicPartition, [key, value]: BackendEntry): PackedBatch {
    const image = imageOf(value);
    const base = baseOffsetOf(key);
    const problem = checkImage(image);
    if (problem !== undefined) throw corrupt(at.topic, at.partition, base, problem);
    const batch = new PackedBatch(image);
    if (batch.baseOffset === base) return batch;
    throw corrupt(at.topic, at.partition, base, 'its key has changed');
  }

  async #compact(topic: TopicState, partition: number): Promise<void> {
    const at = { topic: topic.description.name, partition };
    const state = this.#catalogue.partition(at);
    const { end } = state;
    const last = new Map<string, number>();
    await this.#eachBatch(at, (batch) => noteLastOffsets(batch, last));
    const writes: BackendWrite[] = [];
    let records = 0;
    const bases: number[] = [];
    await this.#eachBatch(at, (batch) => {
      const kept = compacted(batch, last, end);
      records += kept?.count ?? 0;
      if (kept !== undefined) bases.push(kept.baseOffset);
      if (kept === batch) return;
      writes.push({ key: batchKey(topic.id, partition, batch.baseOffset), value: undefined });
      if (kept === undefined) return;
      const key = batchKey(topic.id, partition, kept.baseOffset);
      seal(kept.image);
      writes.push({ key, value: new Uint8Array(kept.image) });
    });
    const cleaned = { ...state, cleaned: end, kept: records };
    writes.push(row(partitionKey(topic.id, partition), cleaned));
    writes.push(row(keptKey(topic.id, partition), bases));
    await this.#write(writes);
    Object.assign(state, cleaned);
    this.#kept.set(partitionId(topic.id, partition), { bases });
  }

  async #expire(
    topic: TopicState,
    partition: number,
    done: (batch: PackedBatch) => boolean,
  ): Promise<void> {
    const at = { topic: topic.description.name, partition };
    const state = this.#catalogue.partition(at);
    const writes: BackendWrite[] = [];
    let start = state.end;
    await this.#eachBatch(at, (batch) => {
      if (start < state.end || !done(batch)) {
        start = Math.min(start, batch.baseOffset);
      } else
        writes.push({ key: batchKey(topic.id, partition, batch.baseOffset), value: undefined });
    });
    if (writes.length === 0) return;
    writes.push(row(partitionKey(topic.id, partition), { ...state, start }));
    await this.#write(writes);
    state.start = start;
  }

  async #eachBatch(at: TopicPartition, visit: (batch: PackedBatch) => void): Promise<void> {
    const { start, end } = this.#catalogue.partition(at);
    for (let next = start; next < end; ) {
      const batches = await this.#batches(at, next, end, batchesPerFetch);
      this.#checkWhole(at, batches, next);
      if (batches.length === 0) throw corrupt(at.topic, at.partition, next, 'records are missing');
      for (const batch of batches) visit(batch);
      next = (batches[batches.length - 1] as PackedBatch).nextOffset;
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work, work);
    this.#tail = turn.catch(() => {});
    return turn;
  }
}

/** Where a commit wrote first. */
function placeOf(
  { appends, offsets }: Commit,
  stored: readonly JournalAppend[],
): Place | undefined {
  const [append] = appends.filter(({ batch }) => batch.count > 0);
  const [first] = stored;
  if (append !== undefined && first !== undefined) {
    return { topic: append.topic, partition: append.partition, offset: first.base };
  }
  const [moved] = offsets;
  return moved && { topic: moved.topic, partition: moved.partition, offset: moved.offset };
}

/** A row that is not a batch: JSON, sealed with its key. */
function row(key: Buffer, value: unknown): BackendWrite {
  return { key, value: sealed(Buffer.from(JSON.stringify(value)), key) };
}
