/**
 * Applies the batches of a changelog to a store that is being restored: in memory, as packed bytes
 * if possible, or on disk.
 */
import { assert } from '../base/assert.ts';
import { asBuffer, emptyBytes } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import type { StoreSpec } from '../graph/store-spec.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { BackendWrite, StateBackend } from '../storage/backend.ts';
import type { CellReader } from './cell-reader.ts';
import {
  type ChangelogMeta,
  type ChangelogRecord,
  cellKeyStart,
  changelogRecord,
  isCell,
  sourceRecord,
} from './changelog.ts';
import { Chunks } from './chunks.ts';
import { rowsIn } from './key-table.ts';
import { PackedCells } from './packed-cells.ts';
import { headOfParts, PartsLogged } from './parts-logged.ts';
import { cellsHelper, putCells } from './put-cells.ts';
import { cellWrites, metaWrite, type Store } from './store.ts';
import type { StoreState } from './store-state.ts';
import { type StoredCells, storedValue } from './stored-cells.ts';

/** A record of a key, and the number of its chunks. */
interface KeyRecord {
  readonly record: Exclude<ChangelogRecord, { kind: 'meta' | 'chunk' }>;
  readonly chunks: number;
}

/** A cell while the records of its key are applied. */
interface Taken {
  cell: unknown;
  inParts: PartsLogged | undefined;
  /** Bytes of a whole cell. */
  bytes: number;
}

/**
 * True if restored cells may stay encoded until they are used: the store needs no due instants,
 * parts or residency.
 */
export function isPackable({ due, parts, resident }: StoreSpec<unknown, unknown>): boolean {
  return due === undefined && parts === undefined && resident !== true;
}

export class ChangelogReplay {
  readonly #task: string;
  readonly #backend: StateBackend;
  readonly #reader: CellReader;
  readonly #stored: StoredCells;
  /** By store: values of which only some chunks have been read. */
  readonly #chunks = new Map<StoreState, Chunks>();

  /** @param task for errors */
  constructor(task: string, backend: StateBackend, reader: CellReader, stored: StoredCells) {
    this.#task = task;
    this.#backend = backend;
    this.#reader = reader;
    this.#stored = stored;
  }

  /**
   * Applies a batch to a store that is completely in memory, or whose cells may stay encoded.
   * @param now wall time, ms UTC
   */
  inMemory(store: Store, batch: PackedBatch, now: number): void {
    const { state } = store;
    if (isPackable(state.spec)) this.#pack(state, batch);
    else if (state.spec.source === undefined) this.#takeCells(state, batch);
    else this.#takeSource(state, batch);
    this.#arrived(state, batch, now);
  }

  /**
   * Applies a batch to any other store: writes it to the backend at once, with its position.
   * @param now wall time, ms UTC
   */
  async onDisk(store: Store, batch: PackedBatch, now: number): Promise<void> {
    const { state, keys } = store;
    const { spec } = state;
    const changes =
      spec.source === undefined ? this.#byKey(state, batch) : sourceByKey(spec, batch);
    // The database writes fastest in key order.
    const keyTexts = [...changes.keys()].sort();
    // The old cell is needed to update the due index and to change cells stored in parts.
    const old = await this.#backend.getMany(keyTexts.map((keyText) => keys.cell(keyText)));
    const writes: BackendWrite[] = [];
    for (const [i, keyText] of keyTexts.entries()) {
      const value = old[i];
      const stored = value && (await this.#stored.read(spec, keys, keyText, value));
      // A cell in parts is changed in place.
      const dueBefore = state.cells.dueOf(stored?.cell);
      const known: Taken = { cell: undefined, inParts: undefined, bytes: 0, ...stored };
      const before = known.inParts?.stored === true ? spec.parts?.partsOf(known.cell) : undefined;
      for (const record of changes.get(keyText) ?? []) this.#take(spec, known, record);
      // The cell was replaced: delete its parts.
      if (known.cell !== stored?.cell) {
        for (const part of before ?? []) known.inParts?.changed(part);
      }
      const entry = { ...known, keyText };
      cellWrites(
        writes,
        store,
        keyText,
        storedValue(writes, spec, keys, entry),
        dueBefore,
        state.cells.dueOf(known.cell),
      );
    }
    state.index.horizon = Number.NEGATIVE_INFINITY;
    this.#arrived(state, batch, now);
    writes.push(metaWrite(store));
    await this.#backend.write(writes);
  }

  /**
   * Notes that a batch was applied. If chunks still wait for others, their batch must be read again
   * after a crash.
   */
  #arrived(state: StoreState, batch: PackedBatch, now: number): void {
    const since = this.#chunks.get(state)?.since ?? Number.POSITIVE_INFINITY;
    state.position = Math.min(batch.nextOffset, since);
    state.readAt = now;
  }

  /** Keeps cells encoded: no cell is used before the restore ends. */
  #pack(state: StoreState, batch: PackedBatch): void {
    const packed = packedOf(state);
    if (state.spec.source !== undefined) {
      this.#packSource(state.spec, packed, batch);
      return;
    }
    const helper = cellsHelper();
    for (let i = 0; ; i++) {
      i = putCells(packed, batch, i, helper);
      if (i === batch.count) return;
      const whole = this.#other(state, batch, i);
      if (whole === undefined) continue;
      const { keyText, value } = whole.record;
      const cell = value ?? emptyBytes;
      const view = new DataView(cell.buffer, cell.byteOffset, cell.byteLength);
      packed.put(packed.keys.add(keyText), view, 0, value === null ? -1 : cell.byteLength);
    }
  }

  /** As `#pack`, for a store whose changelog is its source topic. */
  #packSource(spec: StoreSpec<unknown, unknown>, packed: PackedCells, batch: PackedBatch): void {
    const rows = rowsIn(packed.keys, batch, 0, batch.count, 0);
    for (let i = 0; i < batch.count; i++) {
      const row = rows[i] as number;
      const record = row < 0 ? undefined : sourceRecord(spec, batch, i);
      if (record === undefined) continue;
      const cell = record.value ?? emptyBytes;
      const view = new DataView(cell.buffer, cell.byteOffset, cell.byteLength);
      packed.put(row, view, 0, record.value === null ? -1 : cell.byteLength);
    }
  }

  /** Applies record by record, without allocating an object for each whole cell. */
  #takeCells(state: StoreState, batch: PackedBatch): void {
    const isWhole = state.spec.parts?.always !== true;
    for (let from = 0; from < batch.count; ) {
      let to = from;
      while (isWhole && to < batch.count && isCell(batch, to)) to++;
      if (to > from) this.#takeWhole(state, batch, from, to);
      else {
        const change = this.#other(state, batch, to++);
        if (change !== undefined) this.#takeChange(state, change);
      }
      from = to;
    }
  }

  /** Applies records [from, to), each a whole cell or a tombstone. */
  #takeWhole(state: StoreState, batch: PackedBatch, from: number, to: number): void {
    const rows = rowsIn(state.table.keys, batch, from, to, cellKeyStart);
    state.table.makeRoom();
    for (let i = from; i < to; i++) {
      const length = batch.valueLengths[i] as number;
      const start = batch.valueStart(i);
      const cell =
        length < 0 ? undefined : this.#reader.cell(state.spec, batch.bytes, start, start + length);
      state.restoredAt(rows[i] as number, cell, Math.max(0, length));
    }
    state.table.dropUnused(rows, from, to);
  }

  #takeChange(state: StoreState, change: KeyRecord): void {
    const { keyText } = change.record;
    const { cell, bytes = 0, inParts } = state.table.of(keyText) ?? {};
    const taken: Taken = { cell, bytes, inParts };
    this.#take(state.spec, taken, change);
    state.restored(keyText, taken.cell, taken.bytes, taken.inParts);
  }

  /** As `#takeCells`, for a store whose changelog is its source topic. */
  #takeSource(state: StoreState, batch: PackedBatch): void {
    for (const [keyText, changes] of sourceByKey(state.spec, batch)) {
      for (const { record } of changes) {
        const { value } = record;
        const cell = value === null ? undefined : this.#reader.cell(state.spec, value);
        state.restored(keyText, cell, value?.byteLength ?? 0);
      }
    }
  }

  /** Applies a record to the cell of its key. */
  #take(spec: StoreSpec<unknown, unknown>, taken: Taken, { record, chunks }: KeyRecord): void {
    const { kind, value } = record;
    const { parts } = spec;
    if (kind === 'cell' && parts?.always !== true) {
      taken.cell = value === null ? undefined : this.#reader.cell(spec, value);
      taken.bytes = value?.byteLength ?? 0;
      if (taken.inParts !== undefined) taken.inParts.inLog = false;
      return;
    }
    if (parts === undefined) throw this.#reader.corrupt(spec.name, 'its cells have no parts');
    const wasInParts = parts.always === true || taken.inParts?.inLog === true;
    if (kind !== 'part' && value === null) {
      // If there is a whole cell, it has already replaced the head.
      if (wasInParts) taken.cell = undefined;
      if (taken.inParts !== undefined) taken.inParts.inLog = false;
      return;
    }
    // A part of a deleted cell.
    if (value === null && (!wasInParts || taken.cell === undefined)) return;
    this.#reader.guard(spec.name, () => {
      // An unchanged head may have been compacted away, or may come after its parts.
      const base = wasInParts ? taken.cell : undefined;
      taken.cell = parts.withHead(base, kind === 'part' ? undefined : (value ?? undefined));
      if (kind === 'part') parts.setPart(taken.cell, record.part, value);
    });
    const number = kind === 'part' ? record.part : headOfParts;
    if (parts.always !== true || chunks > 0) taken.inParts ??= new PartsLogged();
    if (taken.inParts !== undefined) {
      taken.inParts.inLog = true;
      taken.inParts.noteChunks(number, chunks);
      taken.inParts.changed(number);
    }
    taken.bytes = Math.round(parts.bytesOf(taken.cell));
  }

  /**
   * Groups the records of a batch by key, in order. Of several whole cells only the last is kept.
   */
  #byKey(state: StoreState, batch: PackedBatch): Map<string, KeyRecord[]> {
    const changes = new Map<string, KeyRecord[]>();
    for (let i = 0; i < batch.count; i++) {
      const change = this.#keyRecord(state, batch, i);
      if (change !== undefined) note(changes, change, state.spec.parts?.always === true);
    }
    return changes;
  }

  #keyRecord(state: StoreState, batch: PackedBatch, i: number): KeyRecord | undefined {
    const record = isCell(batch, i) ? changelogRecord(batch, i) : undefined;
    return record?.kind === 'cell' ? { record, chunks: 0 } : this.#other(state, batch, i);
  }

  /**
   * Handles a record that is not a whole cell: returns a change of a key, applies the store's
   * numbers, or ignores an unknown kind.
   */
  #other(state: StoreState, batch: PackedBatch, i: number): KeyRecord | undefined {
    const record = changelogRecord(batch, i);
    if (record === undefined) throw this.#error(state.spec.name, batch, i, 'unknown record');
    if (record.kind === 'meta') {
      this.#takeNumbers(state, batch, i, record.value);
      return undefined;
    }
    if (record.kind !== 'chunk') return { record, chunks: 0 };
    const pending = this.#chunks.get(state) ?? new Chunks();
    this.#chunks.set(state, pending);
    const whole = pending.take(record, batch.offsets[i] as number);
    if (whole === undefined) return undefined;
    const { record: joined, chunks } = whole;
    if (joined === undefined || joined.kind === 'meta' || joined.kind === 'chunk') {
      throw this.#error(state.spec.name, batch, i, 'chunks of an unknown record');
    }
    return { record: joined, chunks };
  }

  #takeNumbers(state: StoreState, batch: PackedBatch, i: number, value: Buffer | null): void {
    if (value === null) throw this.#error(state.spec.name, batch, i, 'numbers are missing');
    const meta = JSON.parse(value.toString()) as ChangelogMeta;
    state.commitId = meta.commitId;
    state.resetNumbers(meta.numbers);
  }

  #error(store: string, batch: PackedBatch, i: number, problem: string): MillraceError {
    const partition = Number(this.#task.split('_')[1] ?? 0);
    const offset = batch.offsets[i] as number;
    return new MillraceError('CHANGELOG_CORRUPT', {
      topic: `${store}-changelog`,
      partition,
      offset,
      problem,
    });
  }
}

/** @param inParts records of cells are heads */
function note(changes: Map<string, KeyRecord[]>, change: KeyRecord, inParts: boolean): void {
  const { keyText, kind } = change.record;
  const known = changes.get(keyText);
  if (known === undefined) changes.set(keyText, [change]);
  else if (!inParts && kind === 'cell' && known.length === 1 && known[0]?.record.kind === kind) {
    known[0] = change;
  } else known.push(change);
}

/** The newest change of each key in a batch of a source topic. */
function sourceByKey(
  spec: StoreSpec<unknown, unknown>,
  batch: PackedBatch,
): Map<string, KeyRecord[]> {
  const changes = new Map<string, KeyRecord[]>();
  for (let i = 0; i < batch.count; i++) {
    const found = sourceRecord(spec, batch, i);
    if (found === undefined) continue;
    const { keyText } = found;
    const value = found.value && asBuffer(found.value);
    changes.set(keyText, [{ record: { kind: 'cell', keyText, value }, chunks: 0 }]);
  }
  return changes;
}

/** The packed cells of a store, about to change. */
function packedOf(state: StoreState): PackedCells {
  assert(state.table.count === 0, 'a store is restored before its cells are read');
  state.packed ??= new PackedCells();
  state.packed.isSaved = false;
  return state.packed;
}
