/**
 * The embedded log: durable, in process, one database. A commit is one synced write over batches,
 * ends, group offsets and the commit id, so it happens wholly or not at all; then HEAD follows.
 */
import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts';
import { sealed, unsealed } from '../../base/sealed.ts';
import { checkImage, imageOf, PackedBatch, seal } from '../../record/batch.ts';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  StateBackend,
} from '../../storage/backend.ts';
import { makeDirectory } from '../../storage/directory.ts';
import { LogCatalogue, type TopicState, wantsCompaction } from '../catalogue.ts';
import type {
  Commit,
  CommitReceipt,
  CommittedOffset,
  GroupOffset,
  Log,
  ReadLimits,
  TopicDescription,
  TopicPartition,
  Writer,
} from '../log.ts';
import { type JoinOptions, type Member, soleMember } from '../member.ts';
import { checkOffset, mergeBatches } from '../partition-reader.ts';
import { compacted, expiry, noteLastOffsets } from '../retention.ts';
import { HeadFile } from './head.ts';
import {
  baseOffsetOf,
  batchKey,
  offsetKey,
  parseOffsetKey,
  partitionKey,
  prefixes,
  sequenceKey,
  topicKey,
  writerKey,
} from './key-layout.ts';
import { lockedError, writeOwner } from './owner.ts';

export interface EmbeddedLogOptions {
  /** Directory of the log; created when missing. */
  readonly directory: string;
  /** Who opens it, for whoever finds it locked. */
  readonly application: string;
  readonly backends: BackendFactory;
}

/** Stored batches fetched by one range read. */
const batchesPerFetch = 8;

export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const { directory } = options;
  try {
    await makeDirectory(directory);
  } catch (error) {
    throw new MillraceError(
      'LOG_UNAVAILABLE',
      { directory, problem: messageOf(error) },
      { cause: error },
    );
  }
  const backend = await openDatabase(options);
  let head: HeadFile | undefined;
  try {
    head = await HeadFile.open(directory);
    const log = new EmbeddedLog(directory, backend, head);
    await log.load();
    await writeOwner(directory, options.application);
    return log;
  } catch (error) {
    await head?.close();
    await backend.close();
    throw logError(error, directory);
  }
}

export class EmbeddedLog implements Log {
  readonly #directory: string;
  readonly #backend: StateBackend;
  readonly #head: HeadFile;
  readonly #catalogue = new LogCatalogue();
  readonly #epochs = new Map<string, number>();
  #sequence = 0;
  /** The write before; commits follow one another. */
  #tail: Promise<unknown> = Promise.resolve();

  /** Use `openEmbeddedLog`. */
  constructor(directory: string, backend: StateBackend, head: HeadFile) {
    this.#directory = directory;
    this.#backend = backend;
    this.#head = head;
  }

  /** Reads the catalogue and compares it with HEAD. Called once, by `openEmbeddedLog`. */
  async load(): Promise<void> {
    const byId = new Map<number, TopicState>();
    for (const [key, value] of await this.#all(prefixes.topics)) {
      const name = key.toString('utf8', 1);
      const { id, description } = this.#parse<{ id: number; description: TopicDescription }>(
        key,
        value,
        name,
      );
      byId.set(id, this.#catalogue.add(id, description));
    }
    for (const [key, value] of await this.#all(prefixes.partitions)) {
      const topic = byId.get(key.readUInt32BE(1));
      const partition = key.readUInt32BE(5);
      const state = topic?.partitions[partition];
      if (topic === undefined || state === undefined) continue;
      Object.assign(state, this.#parse(key, value, topic.description.name, partition));
    }
    for (const [key, value] of await this.#all(prefixes.offsets)) {
      const { group, topic, partition } = parseOffsetKey(key);
      const committed = this.#parse<CommittedOffset | number>(key, value, topic, partition);
      // A bare number was written before offsets had metadata.
      const known = typeof committed === 'number' ? { offset: committed } : committed;
      this.#catalogue.setOffsets(group, [{ topic, partition, ...known }]);
    }
    for (const [key, value] of await this.#all(prefixes.writers)) {
      this.#catalogue.commits.set(
        key.toString('utf8', 1),
        this.#parse<number>(key, value, 'writers'),
      );
    }
    const [sequence] = await this.#backend.getMany([sequenceKey]);
    this.#sequence =
      sequence === undefined ? 0 : this.#parse<number>(sequenceKey, sequence, 'commits');
    await this.#compareWithHead();
  }

  createTopics(topics: readonly TopicDescription[]): Promise<void> {
    return this.#inTurn(async () => {
      const fresh = topics.filter((topic) => this.#catalogue.isNew(topic));
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
    let records = wanted.reduce((sum, batch) => sum + (batch.nextOffset - from), 0);
    for (let next = from; records < limits.records; ) {
      const found = await this.#batches(at, next, end, batchesPerFetch);
      for (const batch of found) {
        wanted.push(batch);
        records += batch.count;
        if (records >= limits.records) break;
      }
      if (found.length < batchesPerFetch) break;
      next = (found[found.length - 1] as PackedBatch).nextOffset;
    }
    const merged = mergeBatches(wanted, from, limits);
    if (merged === undefined || this.#hasHole(at, wanted, from)) {
      throw new MillraceError('LOG_CORRUPT', {
        ...at,
        offset: from,
        problem: 'records are missing',
      });
    }
    return merged;
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
      commit: (commit) =>
        this.#inTurn(() => {
          if (this.#epochs.get(id) !== epoch) throw new MillraceError('LOG_FENCED', { writer: id });
          return this.#commit(id, commit);
        }),
      close: async () => {},
    };
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
    await this.#head.close();
    await this.#backend.close();
  }

  async #commit(id: string, commit: Commit): Promise<CommitReceipt> {
    const writes: BackendWrite[] = [];
    const ends = new Map<string, GroupOffset>();
    for (const { topic, partition, batch } of commit.appends) {
      if (batch.count === 0) continue;
      const at = { topic, partition };
      const state = this.#catalogue.partition(at);
      const base = ends.get(`${topic}/${partition}`)?.offset ?? state.end;
      const { id: topicId } = this.#catalogue.topic(at);
      const stored = PackedBatch.rebase(batch.image, base);
      writes.push({ key: batchKey(topicId, partition, base), value: new Uint8Array(stored.image) });
      writes.push(row(partitionKey(topicId, partition), { ...state, end: stored.nextOffset }));
      ends.set(`${topic}/${partition}`, { ...at, offset: stored.nextOffset });
    }
    for (const { topic, partition, offset, metadata } of commit.offsets) {
      writes.push(row(offsetKey(id, topic, partition), { offset, metadata }));
    }
    writes.push(row(writerKey(id), commit.commitId));
    await this.#write(writes, ends);
    this.#catalogue.setOffsets(id, commit.offsets);
    this.#catalogue.commits.set(id, commit.commitId);
    return { ends: [...ends.values()] };
  }

  /** One durable write: the database first, then HEAD, then what readers see. */
  async #write(
    writes: BackendWrite[],
    ends: ReadonlyMap<string, GroupOffset> = new Map(),
  ): Promise<void> {
    const sequence = this.#sequence + 1;
    writes.push(row(sequenceKey, sequence));
    await this.#backend.write(writes, { sync: true });
    this.#sequence = sequence;
    for (const at of ends.values()) this.#catalogue.partition(at).end = at.offset;
    try {
      await this.#head.write({ sequence, ends: this.#ends() });
    } catch (error) {
      throw logError(error, this.#directory);
    }
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

  async #compareWithHead(): Promise<void> {
    const { head, damaged } = await this.#head.read();
    if (head === undefined) {
      if (this.#sequence <= 1 && !damaged) return;
      throw corrupt(
        '(HEAD)',
        0,
        0,
        'HEAD is damaged or missing, so the end of the log is not known',
      );
    }
    if (this.#sequence >= head.sequence) return;
    const mine = this.#ends();
    for (const [name, end] of Object.entries(head.ends)) {
      const have = mine[name] ?? 0;
      if (have >= end) continue;
      const slash = name.lastIndexOf('/');
      const problem = `records ${have} to ${end - 1} were committed and are missing`;
      throw corrupt(name.slice(0, slash), Number(name.slice(slash + 1)), have, problem);
    }
    throw corrupt('(commits)', 0, this.#sequence, `commit ${head.sequence} is missing`);
  }

  /** Compaction alone takes records away between others. */
  #hasHole(at: TopicPartition, batches: readonly PackedBatch[], from: number): boolean {
    if (this.#catalogue.topic(at).description.settings.cleanup === 'compact') return false;
    let next = from;
    for (const batch of batches) {
      if (batch.baseOffset > next) return true;
      next = batch.nextOffset;
    }
    return false;
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
    return entries.map((entry) => this.#unpack(at, entry));
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
    await this.#eachBatch(at, (batch) => {
      const kept = compacted(batch, last, end);
      records += kept?.count ?? 0;
      if (kept === batch) return;
      writes.push({ key: batchKey(topic.id, partition, batch.baseOffset), value: undefined });
      if (kept === undefined) return;
      const key = batchKey(topic.id, partition, kept.baseOffset);
      seal(kept.image);
      writes.push({ key, value: new Uint8Array(kept.image) });
    });
    const cleaned = { ...state, cleaned: end, kept: records };
    writes.push(row(partitionKey(topic.id, partition), cleaned));
    await this.#write(writes);
    Object.assign(state, cleaned);
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
      if (batches.length === 0) return;
      for (const batch of batches) visit(batch);
      next = (batches[batches.length - 1] as PackedBatch).nextOffset;
    }
  }

  #all(prefix: Buffer): Promise<BackendEntry[]> {
    return this.#backend.range({ from: prefix, to: Buffer.from([(prefix[0] as number) + 1]) });
  }

  #parse<T>(key: Buffer, value: Buffer, topic: string, partition = 0): T {
    const content = unsealed(value, key);
    if (content === undefined)
      throw corrupt(topic, partition, 0, 'CRC-32C of its entry does not match');
    return JSON.parse(content.toString()) as T;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work, work);
    this.#tail = turn.catch(() => {});
    return turn;
  }
}

/** A row that is not a batch: JSON, sealed with its key. */
function row(key: Buffer, value: unknown): BackendWrite {
  return { key, value: sealed(Buffer.from(JSON.stringify(value)), key) };
}

function corrupt(
  topic: string,
  partition: number,
  offset: number,
  problem: string,
  cause?: unknown,
): MillraceError {
  return new MillraceError('LOG_CORRUPT', { topic, partition, offset, problem }, { cause });
}

async function openDatabase({ directory, backends }: EmbeddedLogOptions): Promise<StateBackend> {
  try {
    return await backends.open(`${directory}/db`);
  } catch (error) {
    if (/lock/i.test(messageOf(error))) throw await lockedError(directory);
    throw logError(error, directory);
  }
}

function logError(error: unknown, directory: string): unknown {
  if (isMillraceError(error, 'STATE_UNAVAILABLE')) {
    const problem = String(error.context.problem);
    return new MillraceError('LOG_UNAVAILABLE', { directory, problem }, { cause: error });
  }
  if (error instanceof MillraceError) return error;
  const code = (error as { code?: string }).code;
  if (code === 'ENOSPC') return new MillraceError('DISK_FULL', { directory }, { cause: error });
  return new MillraceError(
    'LOG_UNAVAILABLE',
    { directory, problem: messageOf(error) },
    { cause: error },
  );
}
