/**
 * The embedded log: durable, in process, one database. A commit is one synced write over batches,
 * ends, group offsets, the commit id and its journal row, so it is atomic; HEAD is written
 * afterwards.
 */
import { MillraceError } from '../../base/errors.ts';
import { checksumOf, PackedBatch } from '../../record/batch.ts';
import type { BackendWrite } from '../../storage/backend.ts';
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
import type { LogCatalogue } from '../topic-catalogue.ts';
import {
  deletion,
  keptRow,
  offsetRow,
  partitionRow,
  row,
  topicRow,
  writerRow,
} from './catalogue-rows.ts';
import { CleanUp } from './clean-up.ts';
import { DurableWrites, type DurableWritesParts } from './durable-writes.ts';
import type { JournalAppend, Place } from './journal.ts';
import { batchKey, offsetKey } from './log-keys.ts';
import { StoredBatches } from './stored-batches.ts';

export type EmbeddedLogParts = DurableWritesParts;

export class EmbeddedLog implements Log {
  readonly #parts: EmbeddedLogParts;
  readonly #catalogue: LogCatalogue;
  readonly #batches: StoredBatches;
  readonly #writes: DurableWrites;
  readonly #cleanUp: CleanUp;
  readonly #epochs = new Map<string, number>();
  /** The previous write; commits run one after another. */
  #tail: Promise<unknown> = Promise.resolve();

  /** Use `openEmbeddedLog` (open-embedded-log.ts). */
  constructor(parts: EmbeddedLogParts) {
    const { backend, loaded } = parts;
    this.#parts = parts;
    this.#catalogue = loaded.catalogue;
    this.#batches = new StoredBatches(backend, loaded);
    this.#writes = new DurableWrites(parts);
    const { catalogue } = loaded;
    this.#cleanUp = new CleanUp({ catalogue, batches: this.#batches, writes: this.#writes });
  }

  createTopics(topics: readonly TopicDescription[]): Promise<void> {
    return this.#inTurn(async () => {
      const fresh = topics.filter((topic) => this.#catalogue.isNew(topic));
      if (fresh.length === 0) return;
      const first = this.#catalogue.topics.size;
      await this.#writes.write(fresh.map((topic, i) => topicRow(first + i, topic)));
      for (const [i, topic] of fresh.entries()) this.#catalogue.add(first + i, topic);
    });
  }

  async topics(): Promise<readonly TopicDescription[]> {
    return [...this.#catalogue.topics.values()].map((topic) => topic.description);
  }

  read(at: TopicPartition, from: number, limits: ReadLimits): Promise<PackedBatch | undefined> {
    return this.#batches.read(at, from, limits);
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

  /** One durable write. The log belongs to this process, so the group has no other member. */
  forget({ group, topics, offsets }: Forgotten): Promise<void> {
    return this.#inTurn(async () => {
      const catalogue = this.#catalogue;
      const writes = catalogue
        .offsetsOf(group)
        .map(({ topic, partition }) => deletion(offsetKey(group, topic, partition)));
      for (const { topic, partition, offset } of offsets) {
        writes.push(row(offsetKey(group, topic, partition), { offset }));
      }
      const emptied = topics.flatMap((name) => {
        const { id, partitions } = catalogue.topic({ topic: name });
        return partitions.map((state, partition) => ({ id, topic: name, partition, state }));
      });
      for (const { id, topic, partition, state } of emptied) {
        await this.#batches.each({ topic, partition }, ({ baseOffset }) => {
          writes.push(deletion(batchKey(id, partition, baseOffset)));
        });
        writes.push(partitionRow(id, partition, catalogue.emptied(state)));
        writes.push(keptRow(id, partition, []));
      }
      await this.#writes.write(writes);
      catalogue.groups.delete(group);
      catalogue.setOffsets(group, offsets);
      for (const { id, partition, state } of emptied) {
        Object.assign(state, catalogue.emptied(state));
        this.#batches.keep(id, partition, []);
      }
    });
  }

  maintain(nowMs: number): Promise<void> {
    return this.#inTurn(() => this.#cleanUp.maintain(nowMs));
  }

  async close(): Promise<void> {
    await this.#tail.catch(() => {});
    await this.#writes.close();
    await this.#parts.backend.close();
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
      writes.push(partitionRow(topicId, partition, { ...state, end: next }));
      ends.set(keyOf(at), { ...at, offset: next });
      appends.push({ topic: topicId, partition, base, next, checksum });
    }
    writes.push(...commit.offsets.map((at) => offsetRow(id, at)), writerRow(id, commit.commitId));
    const told = [...ends.values()];
    await this.#writes.write(writes, { ends: told, appends, place: placeOf(commit, appends) });
    this.#catalogue.setOffsets(id, commit.offsets);
    this.#catalogue.commits.set(id, commit.commitId);
    return { ends: told };
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
