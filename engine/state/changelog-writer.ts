/** Writes the changes of a commit in a store as records of its changelog (changelog.ts). */

import { Scratch } from '../base/scratch.ts';
import { type CellParts, type StoreSpec, wholeBytesMost } from '../graph/store-spec.ts';
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';
import { type ChangelogMeta, cellTag, headTag, metaTag, partPrefixOf } from './changelog.ts';
import { chunksOf, endRecord } from './chunks.ts';
import { type CacheEntry, logged, nothingLogged } from './entry.ts';
import { headOfParts, PartsLogged } from './parts-logged.ts';
import type { Steps } from './steps.ts';
import type { StoreState } from './store-state.ts';

const metaRecordKey: Buffer = Buffer.from([metaTag]);
const cellPrefix: Buffer = Buffer.from([cellTag]);
const headPrefix: Buffer = Buffer.from([headTag]);

/** For stores whose topic has their cells already: only their sizes are wanted. */
const unread = new Scratch();
/** The changed parts of the current cell, and the parts of a deleted one. */
const changed: number[] = [];
const nothingGone: ReadonlySet<number> = new Set();

/**
 * Seals a store and returns the records of its changes; undefined if nothing changed, or if its
 * source topic has them already. A cell that was created and deleted since the last commit writes
 * no record.
 */
export function* sealedChanges(
  store: StoreState,
  commitId: number,
): Steps<PackedBatch | undefined> {
  if (!store.isDirty) return undefined;
  const { spec } = store;
  const { dirty } = store.cells;
  if (spec.source !== undefined) {
    yield* store.seal((entry) => {
      if (!isNews(entry)) return;
      unread.length = 0;
      if (entry.cell !== undefined) spec.write(entry.cell, unread);
      logged(entry, unread.length);
    });
    return undefined;
  }
  const builder = new BatchBuilder(dirty.length + 1, 96);
  const meta: ChangelogMeta = { commitId, numbers: store.numbers };
  builder.append(metaRecordKey, Buffer.from(JSON.stringify(meta)), 0);
  const { parts } = spec;
  const first = dirty[0];
  if (parts === undefined || first === undefined) {
    yield* store.seal((entry) => {
      if (isNews(entry)) appendWhole(builder, spec, entry, commitId);
    });
  } else {
    const writer = new PartsWriter(builder, spec, parts, commitId, first);
    yield* store.seal((entry) => {
      if (isNews(entry)) writer.append(entry);
    });
  }
  return builder.finishAt(0);
}

/** False for a cell that was created and deleted since the last commit. */
function isNews(entry: CacheEntry): boolean {
  if (entry.cell !== undefined || entry.logged) return true;
  logged(entry, nothingLogged);
  entry.loggedCell = undefined;
  return false;
}

function appendWhole(
  builder: BatchBuilder,
  spec: StoreSpec<unknown, unknown>,
  entry: CacheEntry,
  commitId: number,
): void {
  const body = builder.beginKeyText(cellPrefix, entry.keyText);
  const { cell, bytes } = entry;
  if (cell !== undefined) spec.write(cell, body);
  logged(entry, builder.valueLength);
  const before = chunksOf(bytes);
  if (before === 0 && chunksOf(entry.loggedBytes) === 0) builder.end(cell !== undefined, 0);
  else endRecord(builder, cellPrefix, entry.keyText, commitId, cell !== undefined, before);
}

/** Writes the changes of a store whose large cells are logged in parts. */
class PartsWriter {
  readonly #builder: BatchBuilder;
  readonly #spec: StoreSpec<unknown, unknown>;
  readonly #parts: CellParts<unknown>;
  readonly #commitId: number;
  /** The current entry. */
  #entry: CacheEntry;

  constructor(
    builder: BatchBuilder,
    spec: StoreSpec<unknown, unknown>,
    parts: CellParts<unknown>,
    commitId: number,
    first: CacheEntry,
  ) {
    this.#builder = builder;
    this.#spec = spec;
    this.#parts = parts;
    this.#commitId = commitId;
    this.#entry = first;
  }

  append(entry: CacheEntry): void {
    this.#entry = entry;
    const parts = this.#parts;
    const { cell, loggedCell, inParts } = entry;
    const always = parts.always === true;
    const wasInParts = always || inParts?.inLog === true;
    // True also for a copy of the same cell: it is unknown which parts the changelog has.
    const isOther = loggedCell !== cell;
    const gone =
      wasInParts && isOther && loggedCell !== undefined
        ? new Set(parts.partsOf(loggedCell))
        : nothingGone;
    if (cell !== undefined && wasInParts && (always || !isOther)) {
      if (isOther) parts.cut(cell);
      this.#logChanges(gone);
    } else {
      for (const part of gone) this.#takeBack(part);
      if (wasInParts && !always) this.#takeBackHead();
      if (inParts !== undefined) inParts.inLog = false;
      if (cell === undefined) this.#logEnd();
      else this.#logWhole();
    }
    entry.loggedCell = cell;
  }

  get #headPrefix(): Buffer {
    return this.#parts.always === true ? cellPrefix : headPrefix;
  }

  #logChanges(gone: ReadonlySet<number>): void {
    const parts = this.#parts;
    const { cell } = this.#entry;
    changed.length = 0;
    if (parts.takeChanges(cell, changed)) {
      const prefix = this.#headPrefix;
      parts.writeHead(cell, this.#begin(prefix));
      this.#end(prefix, headOfParts, true);
    }
    const rewritten = gone.size > 0 ? new Set(changed) : nothingGone;
    for (const part of gone) if (!rewritten.has(part)) this.#takeBack(part);
    for (const part of changed) {
      const some = parts.writePart(cell, part, this.#begin(partPrefixOf(part)));
      this.#end(partPrefixOf(part), part, some);
    }
    logged(this.#entry, Math.round(parts.bytesOf(cell)));
  }

  #logEnd(): void {
    // The tombstone comes last: after it, a restore must not read parts of the deleted cell.
    this.#begin(cellPrefix);
    endRecord(this.#builder, cellPrefix, this.#entry.keyText, this.#commitId, false, 0);
    logged(this.#entry, 0);
  }

  #logWhole(): void {
    const entry = this.#entry;
    const { cell } = entry;
    this.#spec.write(cell, this.#begin(cellPrefix));
    const bytes = this.#builder.valueLength;
    if (bytes <= wholeBytesMost) {
      this.#builder.end(true, 0);
      logged(entry, bytes);
      return;
    }
    if (entry.logged) {
      this.#begin(cellPrefix);
      this.#builder.end(false, 0);
    }
    this.#parts.cut(cell);
    entry.inParts ??= new PartsLogged();
    entry.inParts.inLog = true;
    this.#logChanges(nothingGone);
  }

  #takeBack(part: number): void {
    const prefix = partPrefixOf(part);
    this.#begin(prefix);
    this.#end(prefix, part, false);
  }

  #takeBackHead(): void {
    this.#begin(headPrefix);
    this.#end(headPrefix, headOfParts, false);
  }

  #begin(prefix: Uint8Array): Scratch {
    return this.#builder.beginKeyText(prefix, this.#entry.keyText);
  }

  /** @param part or `headOfParts` */
  #end(prefix: Uint8Array, part: number, hasValue: boolean): void {
    const entry = this.#entry;
    const before = entry.inParts?.chunksOf(part) ?? 0;
    const long = chunksOf(this.#builder.valueLength) > 0;
    if (before === 0 && !(hasValue && long)) this.#builder.end(hasValue, 0);
    else {
      entry.inParts ??= new PartsLogged();
      const { keyText } = entry;
      const chunks = endRecord(this.#builder, prefix, keyText, this.#commitId, hasValue, before);
      entry.inParts.noteChunks(part, chunks);
    }
    entry.inParts?.changed(part);
  }
}
