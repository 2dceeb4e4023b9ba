/**
 * Writes of an embedded log, one after another: first the database, in one synced batch that
 * includes the write's journal row, then HEAD, then the readers' view.
 */
import type { BackendWrite, StateBackend } from '../../storage/backend.ts';
import type { GroupOffset } from '../log.ts';
import { keyOf } from '../partition-key.ts';
import type { LogCatalogue } from '../topic-catalogue.ts';
import { deletion, row } from './catalogue-rows.ts';
import { logError } from './corrupt.ts';
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
import type { Loaded } from './load-catalogue.ts';
import { journalKey, sequenceKey } from './log-keys.ts';

const prunedPerCommit = 256;

/** The meaning of a write besides its rows. */
export interface Written {
  /** New ends of partitions. */
  readonly ends: readonly GroupOffset[];
  /** The batches among the rows. */
  readonly appends: readonly JournalAppend[];
  /** The first place that it wrote. */
  readonly place: Place | undefined;
}

const nothing: Written = { ends: [], appends: [], place: undefined };

export interface DurableWritesParts {
  readonly directory: string;
  readonly backend: StateBackend;
  readonly head: HeadFile;
  readonly loaded: Loaded;
  /** Sequence numbers of the anchors that the slots of HEAD name. */
  readonly anchors: readonly number[];
  readonly journal: JournalLimits;
}

export class DurableWrites {
  readonly #directory: string;
  readonly #backend: StateBackend;
  readonly #head: HeadFile;
  readonly #catalogue: LogCatalogue;
  readonly #seals: CatalogueSeals;
  readonly #limits: JournalLimits;
  #last: JournalPoint;
  /** The place that the last commit wrote. */
  #place: Place | undefined;
  #anchor: JournalPoint;
  readonly #anchors: number[];
  /** The first remaining row of the journal. */
  #firstRow: number;
  #unflushedBytes = 0;
  #flushing: Promise<void> | undefined;
  /** The error of a write with an unknown outcome: no write may follow it. */
  #failure: unknown;

  constructor({ directory, backend, head, loaded, anchors, journal }: DurableWritesParts) {
    this.#directory = directory;
    this.#backend = backend;
    this.#head = head;
    this.#catalogue = loaded.catalogue;
    this.#seals = loaded.seals;
    this.#last = loaded.last;
    this.#anchor = loaded.anchor;
    this.#anchors = [...anchors];
    this.#limits = journal;
    this.#firstRow = loaded.firstRow;
  }

  /**
   * Writes; when the promise resolves, the write is durable and the catalogue has the new ends. The
   * caller must await each write before the next.
   */
  async write(writes: BackendWrite[], { ends, appends, place }: Written = nothing): Promise<void> {
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
      // It is unknown whether the write happened, so a later one might not follow it.
      this.#failure = error;
      throw error;
    }
    const last = { sequence, seal: sealOf(journal.value as Buffer) };
    this.#last = last;
    this.#place = place;
    for (const at of ends) this.#catalogue.partition(at).end = at.offset;
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

  /** Call when no write is in progress. */
  async close(): Promise<void> {
    await this.#flushing;
    await this.#head.close();
  }

  /** Journal rows that neither HEAD needs any more. */
  #prune(): BackendWrite[] {
    const last = Math.min(...this.#anchors);
    const deletions: BackendWrite[] = [];
    for (; this.#firstRow <= last && deletions.length < prunedPerCommit; this.#firstRow++) {
      if (this.#firstRow > 0) deletions.push(deletion(journalKey(this.#firstRow)));
    }
    return deletions;
  }

  /** From time to time flushes the writes to tables, so that the journal stays short. */
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
    for (const [topic, { partitions }] of this.#catalogue.topics) {
      for (const [partition, { end }] of partitions.entries()) {
        if (end > 0) ends[keyOf({ topic, partition })] = end;
      }
    }
    return ends;
  }
}
