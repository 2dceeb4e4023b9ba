/** What the batches of a changelog do to a store that is restored: in memory, as bytes where that is enough, or on disk. */
import { assert } from '../base/assert.ts';
import { asBuffer, emptyBytes } from '../base/bytes.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import { sealed } from '../base/sealed.ts';
import type { CellParts, StoreSpec } from '../graph/store-spec.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { BackendWrite, StateBackend } from '../storage/backend.ts';
import type { CellReader } from './cell-reader.ts';
import {
  type ChangelogMeta,
  cellKeyStart,
  changelogRecord,
  isCell,
  sourceRecord,
} from './changelog.ts';
import { rowsIn } from './key-table.ts';
import { PackedCells } from './packed-cells.ts';
import { cellsHelper, putCells } from './put-cells.ts';
import { cellWrites, metaWrite, type Store, sealedCell } from './saver.ts';
import type { StoreState } from './store-state.ts';

/** What a batch says of a key. */
interface KeyChange {
  /** The cell, or the head of one in parts; null when it is gone, undefined when nothing is said of it. */
  cell?: Uint8Array | null;
  parts?: Map<number, Buffer | null>;
}

/** Whether cells may stay bytes until someone asks for them: nothing else is to be known of them. */
export function isPackable({ due, parts, resident }: StoreSpec<unknown, unknown>): boolean {
  return due === undefined && parts === undefined && resident !== true;
}

export class ChangelogReplay {
  readonly #task: string;
  readonly #backend: StateBackend;
  readonly #reader: CellReader;

  /** @param task for errors */
  constructor(task: string, backend: StateBackend, reader: CellReader) {
    this.#task = task;
    this.#backend = backend;
    this.#reader = reader;
  }

  /** Of a store that is in memory whole, or whose cells may stay bytes. @param now wall time, ms UTC */
  inMemory(store: Store, batch: PackedBatch, now: number): void {
    const { state } = store;
    const { parts, source } = state.spec;
    if (isPackable(state.spec)) this.#pack(state, batch);
    else if (parts === undefined && source === undefined) this.#takeCells(state, batch);
    else this.#takeChanges(state, batch);
    state.position = batch.nextOffset;
    state.readAt = now;
  }

  /** Of any other: written at once, its position too. @param now wall time, ms UTC */
  async onDisk(store: Store, batch: PackedBatch, now: number): Promise<void> {
    const { state, keys } = store;
    const last = this.#lastChanges(state, batch);
    // In the order of the keys the database takes them in fastest.
    const keyIds = [...last.keys()].sort();
    // What is there already matters to the index of what is due, and where a part of it changes.
    const old = await this.#backend.getMany(keyIds.map((keyId) => keys.cell(keyId)));
    const writes: BackendWrite[] = [];
    keyIds.forEach((keyId, i) => {
      const before = old[i] && this.#reader.stored(state.spec, old[i]);
      // A cell in parts is changed in place.
      const dueBefore = state.dueOf(before);
      const { cell, bytes } = this.#changed(state.spec, before, last.get(keyId) as KeyChange);
      const value = bytes === undefined ? sealedCell(state.spec, cell) : sealed(bytes);
      cellWrites(writes, store, keyId, value, dueBefore, state.dueOf(cell));
    });
    state.index.horizon = Number.NEGATIVE_INFINITY;
    state.position = batch.nextOffset;
    state.readAt = now;
    writes.push(metaWrite(store));
    await this.#backend.write(writes);
  }

  /** As bytes, for nobody asks for a cell before all is restored. */
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
      this.#takeOther(state, batch, i);
    }
  }

  /** Of a store whose changes are a topic's records. */
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

  /** Of a store whose cells are logged whole: record by record, without an object for what each says. */
  #takeCells(state: StoreState, batch: PackedBatch): void {
    const rows = rowsIn(state.keys, batch, 0, batch.count, cellKeyStart);
    state.makeRoom();
    for (let i = 0; i < batch.count; i++) {
      if (!isCell(batch, i)) {
        this.#takeOther(state, batch, i);
        continue;
      }
      const length = batch.valueLengths[i] as number;
      const start = batch.valueStart(i);
      const cell =
        length < 0 ? undefined : this.#reader.cell(state.spec, batch.bytes, start, start + length);
      state.restoredAt(rows[i] as number, cell, Math.max(0, length));
    }
    state.dropUnused(rows, batch.count);
  }

  /** Of a store whose cells are logged in parts, or by the records of its source. */
  #takeChanges(state: StoreState, batch: PackedBatch): void {
    const { parts } = state.spec;
    for (const [keyId, change] of this.#lastChanges(state, batch)) {
      const known = state.entryOf(keyId)?.cell;
      const { cell, bytes } = this.#changed(state.spec, known, change);
      // They are the changelog's already.
      if (cell !== undefined) parts?.takeChanges(cell, []);
      const whole = cell === undefined ? 0 : Math.round(parts?.bytesOf(cell) ?? 0);
      state.restored(keyId, cell, bytes?.byteLength ?? whole);
    }
  }

  /** The cell of which a batch says something; its bytes, where they are told. */
  #changed(
    spec: StoreSpec<unknown, unknown>,
    before: unknown,
    change: KeyChange,
  ): { readonly cell: unknown; readonly bytes?: Uint8Array } {
    if (spec.parts !== undefined)
      return { cell: this.#withChange(spec, spec.parts, before, change) };
    const bytes = change.cell ?? undefined;
    return bytes === undefined
      ? { cell: undefined }
      : { cell: this.#reader.cell(spec, asBuffer(bytes)), bytes };
  }

  /** A cell kept in parts, with what a batch of the changelog says of it. */
  #withChange(
    spec: StoreSpec<unknown, unknown>,
    parts: CellParts<unknown>,
    before: unknown,
    { cell: head, parts: changed }: KeyChange,
  ): unknown {
    if (head === null) return undefined;
    const holds = before !== undefined || head !== undefined;
    if (!holds && [...(changed?.values() ?? [])].every((bytes) => bytes === null)) return undefined;
    try {
      // A head that did not change since may be compacted away, or come after the parts.
      const after = parts.withHead(before, head && asBuffer(head));
      for (const [part, bytes] of changed ?? []) parts.setPart(after, part, bytes);
      return after;
    } catch (error) {
      throw this.#reader.corrupt(spec.name, messageOf(error), error);
    }
  }

  /** The newest change of each key, and of its parts, in a batch. */
  #lastChanges(state: StoreState, batch: PackedBatch): Map<string, KeyChange> {
    const last = new Map<string, KeyChange>();
    const { spec } = state;
    for (let i = 0; i < batch.count; i++) {
      if (spec.source !== undefined) {
        const change = sourceRecord(spec, batch, i);
        if (change !== undefined) last.set(change.keyId, { cell: change.value });
        continue;
      }
      const record = changelogRecord(batch, i);
      if (record === undefined || record.kind === 'meta') {
        this.#takeOther(state, batch, i);
        continue;
      }
      const { keyId } = record;
      const change: KeyChange = last.get(keyId) ?? {};
      if (record.kind === 'cell') change.cell = record.value;
      else {
        change.parts ??= new Map();
        change.parts.set(record.part, record.value);
      }
      last.set(keyId, change);
    }
    return last;
  }

  /** A record of a changelog that holds no cell: the store's numbers, or nothing that is known. */
  #takeOther(state: StoreState, batch: PackedBatch, i: number): void {
    const record = changelogRecord(batch, i);
    if (record?.kind !== 'meta') throw this.#error(state.spec.name, batch, i, 'unknown record');
    const { value } = record;
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

/** What of a store is packed; about to change. */
function packedOf(state: StoreState): PackedCells {
  assert(state.entryCount === 0, 'a store is restored before its cells are read');
  state.packed ??= new PackedCells();
  state.packed.isSaved = false;
  return state.packed;
}
