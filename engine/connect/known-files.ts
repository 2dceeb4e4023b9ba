/**
 * The files that a source has read, and their positions. A file is recognised by its content up to
 * the position, not by name, size or time. So a file that has grown continues, a renamed file is
 * not read twice, and a file that was changed before its position is distinguished from a new one
 * of the same name.
 */
import { MillraceError } from '../base/errors.ts';
import { contentOf } from './content.ts';
import { Fingerprint, rowHash } from './content-fingerprint.ts';
import { type Row, type RowOptions, rowBlocks } from './rows.ts';

/** A file that rows were read from, as stored in the cursor. */
export interface KnownFile {
  /** Its name without folders, at the last read. */
  name: string;
  /** Bytes of its content up to the end of the last row read, and their hash. */
  length: number;
  hash: string;
  /** Rows taken. */
  rows: number;
  /** Length and hash of the content up to the end of its first row. */
  head: readonly [length: number, hash: string];
  /** The least hashes of its rows: a changed file still has most of these rows. */
  sample: string[];
  /** The last row read has become a record. */
  taken: boolean;
  /**
   * In a batch: the position of the known file that it will replace, and the length read before.
   */
  of?: number;
  from?: number;
}

/** A file of which nothing was read yet. */
export function emptyFile(name: string): KnownFile {
  return { name, length: 0, hash: '', rows: 0, head: [0, ''], sample: [], taken: false };
}

export function copyOf(file: KnownFile): KnownFile {
  return { ...file, sample: [...file.sample] };
}

const sampleSize = 8;
const sampleDigits = 10;

/** Adds a row to the sample of its file. */
export function addToSample(sample: string[], hash: string): void {
  const short = hash.slice(0, sampleDigits);
  const last = sample.at(-1);
  if (last !== undefined && sample.length === sampleSize && short >= last) return;
  if (sample.includes(short)) return;
  sample.push(short);
  sample.sort();
  if (sample.length > sampleSize) sample.pop();
}

/** Relation of a file to the known ones: the same file so far, a changed one, or a new one. */
export type Recognised =
  | { readonly is: 'known' | 'changed'; readonly file: KnownFile }
  | { readonly is: 'new' };

export async function recognise(
  file: string,
  known: readonly KnownFile[],
  options: RowOptions,
): Promise<Recognised> {
  if (known.length === 0) return { is: 'new' };
  const name = baseName(file);
  const { found, resembling } = await compare(file, known, options);
  if (found !== undefined) return { is: 'known', file: found };
  const alike = resembling.find((one) => one.name === name);
  const changed = alike ?? (await sharing(file, name, known, options));
  return changed === undefined ? { is: 'new' } : { is: 'changed', file: changed };
}

/**
 * Returns which of the known files this one is; undefined for a new one.
 * @throws INPUT_CHANGED
 */
export async function identify(
  file: string,
  known: readonly KnownFile[],
  options: RowOptions,
): Promise<KnownFile | undefined> {
  const recognised = await recognise(file, known, options);
  if (recognised.is === 'new') return undefined;
  if (recognised.is === 'changed') throw changedBefore(file, recognised.file);
  return recognised.file;
}

export function changedBefore(file: string, { length, rows }: KnownFile): MillraceError {
  return inputChanged(
    file,
    `its content differs before the place up to which it was read, byte ${length} (${rows} rows)`,
  );
}

export function inputChanged(file: string, problem: string): MillraceError {
  return new MillraceError('INPUT_CHANGED', { file, problem });
}

export function baseName(file: string): string {
  return file.split(/[\\/]/).pop() ?? file;
}

interface Compared {
  /** The longest known file with whose content this one begins. */
  readonly found: KnownFile | undefined;
  /** Those with the same first row. */
  readonly resembling: readonly KnownFile[];
}

async function compare(
  file: string,
  known: readonly KnownFile[],
  options: RowOptions,
): Promise<Compared> {
  const lengths = new Map<number, KnownFile[]>();
  const heads = new Map<number, KnownFile[]>();
  for (const one of known) {
    add(lengths, one.length, one);
    add(heads, one.head[0], one);
  }
  const places = [...new Set([...lengths.keys(), ...heads.keys()])].sort((a, b) => a - b);
  const fingerprint = new Fingerprint();
  let found: KnownFile | undefined;
  const resembling: KnownFile[] = [];
  let [read, next] = [0, 0];
  const last = places.at(-1) ?? 0;
  for await (const bytes of comparedContent(file, options)) {
    fingerprint.add(bytes);
    read += bytes.byteLength;
    for (; next < places.length && (places[next] as number) <= read; next++) {
      const place = places[next] as number;
      const hash = fingerprint.digest(place);
      for (const one of heads.get(place) ?? []) if (one.head[1] === hash) resembling.push(one);
      for (const one of lengths.get(place) ?? []) if (one.hash === hash) found = one;
    }
    if (read >= last || (resembling.length === 0 && read > (furthest(heads) ?? 0))) break;
  }
  return { found, resembling };
}

function add(map: Map<number, KnownFile[]>, place: number, one: KnownFile): void {
  const there = map.get(place);
  if (there === undefined) map.set(place, [one]);
  else there.push(one);
}

function furthest(heads: ReadonlyMap<number, unknown>): number | undefined {
  return heads.size === 0 ? undefined : Math.max(...heads.keys());
}

/** The content that lengths and hashes refer to; damaged text is compared as far as possible. */
async function* comparedContent(file: string, options: RowOptions): AsyncGenerator<Buffer> {
  const isDocument = options.format === 'json' && !/\.(jsonl|ndjson)(\.gz)?$/.test(file);
  try {
    if (isDocument) yield* documentContent(file, options);
    else yield* contentOf(file);
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'INPUT_BROKEN') throw error;
  }
}

async function* documentContent(file: string, options: RowOptions): AsyncGenerator<Buffer> {
  const parts: Buffer[] = [];
  const collector = new Fingerprint();
  collector.add = (bytes: Buffer) => {
    parts.push(bytes);
  };
  for await (const _ of rowBlocks(file, options, collector));
  yield* parts;
}

/** A known file of this name that shares rows with the file. */
async function sharing(
  file: string,
  name: string,
  known: readonly KnownFile[],
  options: RowOptions,
): Promise<KnownFile | undefined> {
  const named = known.filter((one) => one.name === name);
  if (named.length === 0) return undefined;
  const rows: AsyncGenerator<Row[]> = rowBlocks(file, options);
  try {
    for await (const block of rows) {
      for (const { raw } of block) {
        const hash = rowHash(raw).slice(0, sampleDigits);
        const found = named.find(({ sample }) => sample.includes(hash));
        if (found !== undefined) return found;
      }
    }
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'INPUT_BROKEN') throw error;
  }
  return undefined;
}
