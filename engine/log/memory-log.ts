/**
 * The Log port in memory, for the test driver and the simulation. It obeys the same laws as the
 * embedded log.
 */
import { MillraceError } from '../base/errors.ts';
import { PackedBatch } from '../record/batch.ts';
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
} from './log.ts';
import { type JoinOptions, type Member, soleMember } from './member.ts';
import { keyOf } from './partition-key.ts';
import { checkOffset, copyBatch, mergeBatches } from './partition-reader.ts';
import { compacted, expiry, noteLastOffsets } from './retention.ts';
import { LogCatalogue, wantsCompaction } from './topic-catalogue.ts';

export class MemoryLog implements Log {
  readonly #catalogue = new LogCatalogue();
  readonly #batches = new Map<string, PackedBatch[]>();
  readonly #epochs = new Map<string, number>();

  async createTopics(topics: readonly TopicDescription[]): Promise<void> {
    const fresh = topics.filter((topic) => this.#catalogue.isNew(topic));
    for (const topic of fresh) this.#catalogue.add(this.#catalogue.topics.size, topic);
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
    const wanted: PackedBatch[] = [];
    let records = 0;
    for (const batch of this.#stored(at)) {
      if (batch.nextOffset <= from) continue;
      wanted.push(batch);
      records += batch.count;
      if (records >= limits.records + (from - (wanted[0] as PackedBatch).baseOffset)) break;
    }
    const merged = mergeBatches(wanted, from, limits);
    return merged === undefined ? undefined : copyBatch(merged);
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
        if (this.#epochs.get(id) !== epoch) throw new MillraceError('LOG_FENCED', { writer: id });
        return this.#commit(id, commit);
      },
      close: async () => {},
    };
  }

  async forget({ group, topics, offsets }: Forgotten): Promise<void> {
    this.#catalogue.groups.delete(group);
    this.#catalogue.setOffsets(group, offsets);
    for (const topic of topics) {
      this.#catalogue.topic({ topic }).partitions.forEach((state, partition) => {
        Object.assign(state, this.#catalogue.emptied(state));
        this.#batches.delete(keyOf({ topic, partition }));
      });
    }
  }

  async maintain(nowMs: number): Promise<void> {
    for (const [name, topic] of this.#catalogue.topics) {
      const { cleanup } = topic.description.settings;
      topic.partitions.forEach((state, partition) => {
        const at = `${name}/${partition}`;
        let batches = this.#batches.get(at) ?? [];
        if (cleanup === 'compact') {
          if (!wantsCompaction(state)) return;
          const last = new Map<string, number>();
          for (const batch of batches) noteLastOffsets(batch, last);
          batches = batches.flatMap((batch) => compacted(batch, last, state.end) ?? []);
          state.cleaned = state.end;
          state.kept = batches.reduce((sum, batch) => sum + batch.count, 0);
        } else {
          const consumed = this.#catalogue.consumedBefore({ topic: name, partition });
          const done = expiry(topic.description.settings, nowMs, consumed);
          const kept = batches.findIndex((batch) => !done(batch));
          batches = kept === -1 ? [] : batches.slice(kept);
          state.start = batches[0]?.baseOffset ?? state.end;
        }
        this.#batches.set(at, batches);
      });
    }
  }

  async close(): Promise<void> {}

  #commit(id: string, commit: Commit): CommitReceipt {
    for (const append of commit.appends) this.#catalogue.partition(append);
    const ends: GroupOffset[] = [];
    for (const { topic, partition, batch } of commit.appends) {
      if (batch.count === 0) continue;
      const state = this.#catalogue.partition({ topic, partition });
      const stored = PackedBatch.rebase(batch.image.slice(0), state.end);
      this.#stored({ topic, partition }).push(stored);
      state.end = stored.nextOffset;
      ends.push({ topic, partition, offset: state.end });
    }
    this.#catalogue.setOffsets(id, commit.offsets);
    this.#catalogue.commits.set(id, commit.commitId);
    return { ends };
  }

  #stored(at: TopicPartition): PackedBatch[] {
    const key = keyOf(at);
    let batches = this.#batches.get(key);
    if (batches === undefined) {
      batches = [];
      this.#batches.set(key, batches);
    }
    return batches;
  }
}
