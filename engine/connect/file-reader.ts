/** The unread rows of several files, mapped, in the order of the files or of their times. */
import { MillraceError } from '../base/errors.ts';
import { holdStandardInput, standardInput } from './content.ts';
import { Fingerprint } from './content-fingerprint.ts';
import type { Cursor, Start } from './cursor.ts';
import { type FileReaderOptions, isRefused, type Mapped, recordsOf } from './file-options.ts';
import { InputResume } from './input-resume.ts';
import {
  addToSample,
  baseName,
  copyOf,
  emptyFile,
  identify,
  inputChanged,
  type KnownFile,
} from './known-files.ts';
import { RowIds } from './row-ids.ts';
import { type Row, rowBlocks } from './rows.ts';

export interface Item<K, V> {
  readonly row: Row;
  readonly file: string;
  readonly mapped: Mapped<K, V>;
  /** Reading can resume after it. */
  readonly isWhole: boolean;
  /** Number of the row in its file, from 0. */
  readonly ordinal: number;
  readonly hash: string;
  readonly place: FilePlace;
}

/** A file that is being read. */
interface FilePlace {
  readonly known: KnownFile;
  readonly fingerprint: Fingerprint;
}

/** Files whose rows are read together, sorted. */
interface Batch {
  /** The files as they will be known when all rows are read. */
  readonly files: readonly KnownFile[];
  taken: number;
  total: number;
}

/**
 * If this many rows at the start of a new file are all refused, the mapping is wrong, not the rows.
 */
const suspicious = 50;
const blockSize = 1_000;

export class FileReader<K, V> {
  readonly #options: FileReaderOptions<K, V>;
  #files: KnownFile[];
  #oldRows: number;
  #batch: Batch | undefined;
  #last: FilePlace | undefined;

  constructor(options: FileReaderOptions<K, V>, { files, batch, oldRows }: Start) {
    this.#options = options;
    this.#files = files.map(copyOf);
    this.#oldRows = oldRows;
    if (batch !== undefined) {
      this.#batch = { ...batch, files: batch.files.map(copyOf), total: Number.POSITIVE_INFINITY };
    }
  }

  /** Call for each item, in order, when it is delivered. */
  took(item: Item<K, V>): void {
    if (this.#batch === undefined) this.#take(item);
    else this.#batch.taken++;
  }

  #take(item: Item<K, V>): void {
    const { place } = item;
    if (this.#last !== place) this.#settle();
    this.#last = place;
    if (!this.#files.includes(place.known)) this.#files.push(place.known);
    takeRow(place, item);
  }

  /** The cursor after the delivered items. */
  cursor(eventTime: number | null): Cursor {
    this.#settle();
    const batch = this.#batch;
    if (batch === undefined) return { eventTime, files: this.#files.map(copyOf) };
    if (batch.taken >= batch.total)
      return { eventTime, files: this.#merged(batch.files).map(copyOf) };
    const { taken, files } = batch;
    return {
      eventTime,
      files: this.#files.map(copyOf),
      batch: { taken, files: files.map(copyOf) },
    };
  }

  #settle(): void {
    const { known, fingerprint } = this.#last ?? {};
    if (known !== undefined && fingerprint !== undefined)
      known.hash = fingerprint.digest(known.length);
  }

  async *items(): AsyncGenerator<Item<K, V>[]> {
    if (this.#options.order === 'time') {
      if (this.#options.files.includes(standardInput)) await holdStandardInput();
      if (this.#batch !== undefined) yield* this.#rest(this.#batch);
      yield* this.#sorted();
      return;
    }
    for (const file of this.#options.files) {
      const known = await this.#identify(file);
      if (known === undefined && this.#oldRows === 0) await this.#checkMapping(file);
      yield* this.#read(file, known);
    }
  }

  async #identify(file: string): Promise<KnownFile | undefined> {
    const isStream = file === standardInput && this.#options.order !== 'time';
    if (this.#oldRows > 0 || isStream) return undefined;
    // All rows of the previous file have been delivered by now.
    this.#settle();
    return identify(file, this.#files, this.#options);
  }

  /** The unread rows of a file; of a known file those after its known position. */
  async *#read(file: string, given: KnownFile | undefined): AsyncGenerator<Item<K, V>[]> {
    const fingerprint = new Fingerprint();
    const resume =
      file === standardInput ? new InputResume(file, this.#files, fingerprint) : undefined;
    let place = { known: this.#continued(file, given), fingerprint };
    let from = given?.length ?? 0;
    let ordinal = -1;
    const ids = new RowIds(this.#numberOf(place.known));
    for await (const rows of rowBlocks(file, this.#options, fingerprint)) {
      const items: Item<K, V>[] = [];
      for (const row of rows) {
        ordinal++;
        const { hash, id } = ids.next(row);
        if (resume?.isSearching === true) {
          const found = resume.look(row);
          if (found !== undefined) {
            place = { known: found, fingerprint };
            from = found.length;
          }
        }
        if (isPast(row, from, place.known, file)) continue;
        const item = { row, file, isWhole: row.more !== true, ordinal, hash, place };
        if (this.#oldRows > 0) {
          this.#oldRows--;
          this.#take({ ...item, mapped: this.#map(row, id) });
        } else items.push({ ...item, mapped: this.#map(row, id) });
      }
      if (items.length > 0) yield items;
    }
    resume?.end();
  }

  /**
   * A file with another name may continue differently from the known file with the same beginning.
   */
  #continued(file: string, given: KnownFile | undefined): KnownFile {
    const name = baseName(file);
    if (given === undefined) return emptyFile(name);
    return given.name === name ? given : { ...copyOf(given), name };
  }

  #numberOf(known: KnownFile): number {
    const number = this.#files.indexOf(known);
    return number < 0 ? this.#files.length : number;
  }

  #map(row: Row, id: string): Mapped<K, V> {
    if (row.empty !== undefined) return { skip: row.empty };
    if (row.fields === undefined) return { reject: row.problem ?? 'it is not a row' };
    return this.#options.map(row.fields, id);
  }

  /**
   * Throws MAPPING_INVALID if the mapping fits no row of a new file, before any row is delivered.
   */
  async #checkMapping(file: string): Promise<void> {
    if (file === standardInput) return;
    let [rows, problem] = [0, ''];
    try {
      for await (const block of rowBlocks(file, this.#options)) {
        for (const row of block) {
          const mapped = this.#map(row, '');
          if (!isRefused(mapped)) return;
          rows++;
          problem = mapped.reject;
        }
      }
    } catch (error) {
      // Rows before the damaged place are refused or read first.
      if (!isBroken(error)) throw error;
    }
    checkRefused(rows, problem);
  }

  /** All unread rows of the files, by their time. */
  async *#sorted(): AsyncGenerator<Item<K, V>[]> {
    const skip = this.#oldRows;
    const isOld = skip > 0;
    const gathered: Gathered<K, V>[] = [];
    for (const file of this.#options.files) {
      const given = await this.#identify(file);
      const name = baseName(file);
      const known = { ...(given === undefined ? emptyFile(name) : copyOf(given)), name };
      if (given !== undefined) known.from = given.length;
      if (given?.name === name) known.of = this.#files.indexOf(given);
      const made = gathered.filter(({ items }) => items.length > 0).map((one) => one.known);
      const number = known.of ?? this.#files.length + newOf(made);
      const to = Number.POSITIVE_INFINITY;
      gathered.push(await this.#gather({ file, known, to, number, isOld }));
    }
    const items = byTime(gathered);
    if (items.length === 0) return;
    if (skip === 0 && this.#files.length === 0) {
      const last = items.at(-1)?.mapped;
      const all = items.every(({ mapped }) => isRefused(mapped));
      if (all) checkRefused(items.length, last !== undefined && isRefused(last) ? last.reject : '');
    }
    this.#oldRows = 0;
    const files = gathered.filter(({ items }) => items.length > 0).map(({ known }) => known);
    this.#batch = { files, taken: skip, total: items.length };
    yield* inBlocks(items, skip);
    this.#files = this.#merged(files);
    this.#batch = undefined;
  }

  /** The rest of a batch of an earlier run; the files must still contain all of it. */
  async *#rest(batch: Batch): AsyncGenerator<Item<K, V>[]> {
    const gathered: Gathered<K, V>[] = [];
    const left = new Set(batch.files);
    for (const file of this.#options.files) {
      const known = await identify(file, [...left], this.#options);
      if (known === undefined) continue;
      left.delete(known);
      const made = newOf(batch.files.slice(0, batch.files.indexOf(known)));
      const number = known.of ?? this.#files.length + made;
      const before = { ...copyOf(known), length: known.from ?? 0 };
      gathered.push(await this.#gather({ file, known: before, to: known.length, number }));
    }
    const [missing] = left;
    if (missing !== undefined) {
      const { taken } = batch;
      const problem = `an earlier run has taken ${taken} rows of it and the files beside it, by their time; give these files again, so that the others can be taken`;
      throw inputChanged(missing.name, problem);
    }
    const items = byTime(gathered);
    batch.total = items.length;
    yield* inBlocks(items, batch.taken);
    this.#files = this.#merged(batch.files);
    this.#batch = undefined;
  }

  #merged(files: readonly KnownFile[]): KnownFile[] {
    const merged = [...this.#files];
    for (const { of, from: _, ...file } of files) {
      if (of === undefined) merged.push(file);
      else merged[of] = file;
    }
    return merged;
  }

  /** The rows of a file after its known position, up to `to` bytes of its content. */
  async #gather({ file, known, to, number, isOld = false }: Gathering): Promise<Gathered<K, V>> {
    const fingerprint = new Fingerprint();
    const place = { known, fingerprint };
    const from = known.length;
    const ids = new RowIds(number);
    const items: Item<K, V>[] = [];
    const times: number[] = [];
    let [ordinal, at] = [-1, isOld ? 0 : Number.NEGATIVE_INFINITY];
    for await (const rows of rowBlocks(file, this.#options, fingerprint)) {
      for (const row of rows) {
        ordinal++;
        const { hash, id } = ids.next(row);
        if (row.end > to || isPast(row, from, known, file)) continue;
        const mapped = this.#map(row, id);
        const [record] = recordsOf(mapped);
        if (record !== undefined) at = record.timestamp;
        else if (isOld) at = 0;
        const { raw, line, start, end } = row;
        // All of the file is in memory, because the fields of refused rows are still needed.
        const fields = isRefused(mapped) ? row.fields : undefined;
        const item = {
          row: { fields, raw, line, start, end },
          file,
          mapped,
          ordinal,
          hash,
          place,
          isWhole: true,
        };
        takeRow(place, { ...item, isWhole: row.more !== true });
        items.push(item);
        times.push(at);
      }
    }
    known.hash = fingerprint.digest(known.length);
    return { known, items, times };
  }
}

interface Gathering {
  readonly file: string;
  /** As it is known so far. */
  readonly known: KnownFile;
  /** Limit of the content, bytes. */
  readonly to: number;
  /** Position of the file, used in the ids of its rows. */
  readonly number: number;
  /** Rows without a time come first, as with cursors of the old format. */
  readonly isOld?: boolean;
}

interface Gathered<K, V> {
  readonly known: KnownFile;
  readonly items: readonly Item<K, V>[];
  /** For each item its own time, or that of the nearest earlier row with a time. */
  readonly times: readonly number[];
}

/** Number of files that replace no known file. */
function newOf(files: readonly KnownFile[]): number {
  return files.filter(({ of }) => of === undefined).length;
}

/** Stable: rows of one instant keep their order in the files. */
function byTime<K, V>(gathered: readonly Gathered<K, V>[]): Item<K, V>[] {
  const timed = gathered.flatMap(({ items, times }) =>
    items.map((item, i) => ({ item, at: times[i] as number })),
  );
  return timed.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at)).map(({ item }) => item);
}

function* inBlocks<T>(items: readonly T[], from: number): Generator<T[]> {
  for (let at = from; at < items.length; at += blockSize) yield items.slice(at, at + blockSize);
}

/** A row of the file was read: the file is known up to the end of the row. */
function takeRow<K, V>({ known, fingerprint }: FilePlace, item: Item<K, V>): void {
  const { row, hash, mapped } = item;
  known.rows++;
  addToSample(known.sample, hash);
  known.taken = recordsOf(mapped).length > 0;
  if (!item.isWhole) return;
  known.length = row.end;
  if (known.head[0] === 0) known.head = [row.end, fingerprint.digest(row.end)];
}

/** True if the row was read before. Throws INPUT_CHANGED if it was read while it was incomplete. */
function isPast({ start, end, line }: Row, from: number, known: KnownFile, file: string): boolean {
  if (end <= from) return true;
  if (start >= from || !known.taken) return false;
  throw inputChanged(file, `line ${line} was taken when it was not whole, and now it goes on`);
}

function isBroken(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'INPUT_BROKEN';
}

function checkRefused(rows: number, problem: string): void {
  if (rows < suspicious) return;
  throw new MillraceError('MAPPING_INVALID', {
    mapping: 'given',
    field: 'all fields',
    problem: `all of the first ${rows} rows are refused; the last because ${problem}`,
  });
}
