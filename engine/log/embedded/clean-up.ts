/** Clean-up of an embedded log: compaction and retention, one durable write per partition. */
import { type PackedBatch, writeChecksum } from '../../record/batch.ts';
import type { BackendWrite } from '../../storage/backend.ts';
import { compacted, expiry, noteLastOffsets } from '../retention.ts';
import { type LogCatalogue, type TopicState, wantsCompaction } from '../topic-catalogue.ts';
import { deletion, keptRow, partitionRow } from './catalogue-rows.ts';
import type { DurableWrites } from './durable-writes.ts';
import { batchKey } from './log-keys.ts';
import type { StoredBatches } from './stored-batches.ts';

export interface CleanUpParts {
  readonly catalogue: LogCatalogue;
  readonly batches: StoredBatches;
  readonly writes: DurableWrites;
}

export class CleanUp {
  readonly #parts: CleanUpParts;

  constructor(parts: CleanUpParts) {
    this.#parts = parts;
  }

  /** As Log.maintain. The caller must write nothing else meanwhile. */
  async maintain(nowMs: number): Promise<void> {
    const { catalogue } = this.#parts;
    for (const topic of catalogue.topics.values()) {
      const { name, settings } = topic.description;
      for (const [partition, state] of topic.partitions.entries()) {
        if (settings.cleanup === 'compact') {
          if (wantsCompaction(state)) await this.#compact(topic, partition);
        } else if (settings.cleanup === 'consumed' || settings.retentionMs !== undefined) {
          const consumed = catalogue.consumedBefore({ topic: name, partition });
          await this.#expire(topic, partition, expiry(settings, nowMs, consumed));
        }
      }
    }
  }

  async #compact(topic: TopicState, partition: number): Promise<void> {
    const { catalogue, batches, writes } = this.#parts;
    const at = { topic: topic.description.name, partition };
    const state = catalogue.partition(at);
    const { end } = state;
    const last = new Map<string, number>();
    await batches.each(at, (batch) => noteLastOffsets(batch, last));
    const changes: BackendWrite[] = [];
    let records = 0;
    const bases: number[] = [];
    await batches.each(at, (batch) => {
      const kept = compacted(batch, last, end);
      records += kept?.count ?? 0;
      if (kept !== undefined) bases.push(kept.baseOffset);
      if (kept === batch) return;
      changes.push(deletion(batchKey(topic.id, partition, batch.baseOffset)));
      if (kept === undefined) return;
      const key = batchKey(topic.id, partition, kept.baseOffset);
      writeChecksum(kept.image);
      changes.push({ key, value: new Uint8Array(kept.image) });
    });
    const cleaned = { ...state, cleaned: end, kept: records };
    changes.push(partitionRow(topic.id, partition, cleaned), keptRow(topic.id, partition, bases));
    await writes.write(changes);
    Object.assign(state, cleaned);
    batches.keep(topic.id, partition, bases);
  }

  async #expire(
    topic: TopicState,
    partition: number,
    isDone: (batch: PackedBatch) => boolean,
  ): Promise<void> {
    const { catalogue, batches, writes } = this.#parts;
    const at = { topic: topic.description.name, partition };
    const state = catalogue.partition(at);
    const changes: BackendWrite[] = [];
    let start = state.end;
    await batches.each(at, (batch) => {
      if (start < state.end || !isDone(batch)) start = Math.min(start, batch.baseOffset);
      else changes.push(deletion(batchKey(topic.id, partition, batch.baseOffset)));
    });
    if (changes.length === 0) return;
    changes.push(partitionRow(topic.id, partition, { ...state, start }));
    await writes.write(changes);
    state.start = start;
  }
}
