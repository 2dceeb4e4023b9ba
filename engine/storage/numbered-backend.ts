/**
 * A StateBackend with numbered writes and an owner. A database may silently lose a part of its
 * write-ahead log, even in the middle; then a number is missing at the next opening. A loss at the
 * end leaves an earlier state, as a crash does.
 *
 *   [0][1]           owner, and the store's id
 *    [0][2][number]   a write: links to the previous write and to the store's id
 *    [0][3]           anchor: all writes up to this number are in tables
 *
 * Values have a checksum that covers their keys (base/checksummed.ts). Other keys that begin with
 * [0] have one byte.
 */
import { randomUUID } from 'node:crypto';
import { orderedTimeBytes, readOrderedTime, writeOrderedTime } from '../base/bytes.ts';
import { checksummed, contentOf } from '../base/checksummed.ts';
import { crc32c } from '../base/crc32c.ts';
import { MillraceError } from '../base/errors.ts';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  OpenOptions,
  RangeOptions,
  StateBackend,
} from './backend.ts';

const ownerKey = Buffer.from([0, 1]);
const numbersFrom = Buffer.from([0, 2]);
const anchorKey = Buffer.from([0, 3]);
const lastOwnKey = Buffer.from([0, 4]);
/**
 * Number of writes, or bytes, after which writes are flushed to tables, so that few numbers are
 * kept.
 */
const [writesPerFlush, bytesPerFlush] = [256, 8 * 1024 * 1024];
const entryBytes = 32;

interface Owner {
  readonly version: 2;
  readonly owner: string;
  /** Id of this store only, even if its owner had others before. */
  readonly id: string;
}

interface Point {
  readonly number: number;
  readonly link: number;
}

const start: Point = { number: 0, link: 0 };

export class NumberedBackend implements StateBackend {
  readonly #backend: StateBackend;
  readonly #salt: number;
  #last: Point;
  #anchor: Point;
  /** Anchor reached by a flush; stored with the next write. */
  #reached: Point | undefined;
  /** The first number that has a row. */
  #first: number;
  #unflushed = 0;
  #flushing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(
    backend: StateBackend,
    id: string,
    { last, anchor, first }: { last: Point; anchor: Point; first: number },
  ) {
    this.#backend = backend;
    this.#salt = crc32c(Buffer.from(id));
    this.#last = last;
    this.#anchor = anchor;
    this.#first = first;
  }

  /**
   * Opens the store of an owner. A store of the earlier format, without an owner, is accepted.
   * @throws STORE_CORRUPT if writes are missing, STATE_FOREIGN if the store has another owner
   */
  static async open(
    backends: BackendFactory,
    directory: string,
    owner: string,
    options?: OpenOptions,
  ): Promise<NumberedBackend> {
    const backend = await backends.open(directory, options);
    try {
      const own = await backend.range({ from: Buffer.from([0, 0]), to: lastOwnKey });
      const values = new Map(own.map(([key, value]) => [key.toString('latin1'), { key, value }]));
      const found = values.get(ownerKey.toString('latin1'));
      if (found === undefined) {
        if (own.length > 0) throw damage(directory, 'its owner is missing');
        const id = randomUUID();
        const made = new NumberedBackend(backend, id, {
          last: start,
          anchor: start,
          first: 1,
        });
        const content: Owner = { version: 2, owner, id };
        await made.write([row(ownerKey, content)]);
        return made;
      }
      const known = parsed<Owner>(directory, found.key, found.value);
      if (known.owner !== owner) {
        throw new MillraceError('STATE_FOREIGN', {
          directory,
          found: known.owner,
          wanted: owner,
        });
      }
      const anchorRow = values.get(anchorKey.toString('latin1'));
      const anchor =
        anchorRow === undefined ? start : parsed<Point>(directory, anchorRow.key, anchorRow.value);
      const numbers = own.filter(
        ([key]) => key.byteLength === numbersFrom.byteLength + orderedTimeBytes,
      );
      const last = followed(directory, numbers, anchor, crc32c(Buffer.from(known.id)));
      const [firstRow] = numbers;
      const first = firstRow === undefined ? last.number + 1 : numberOf(firstRow[0]);
      return new NumberedBackend(backend, known.id, { last, anchor, first });
    } catch (error) {
      await backend.close();
      throw error;
    }
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]> {
    return this.#backend.getMany(keys);
  }

  range(options: RangeOptions): Promise<BackendEntry[]> {
    return this.#backend.range(options);
  }

  async write(
    batch: readonly BackendWrite[],
    options?: { readonly sync?: boolean },
  ): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const before = this.#last;
    const number = before.number + 1;
    const link = linkOf(this.#salt, before, number);
    const writes = [...batch, numberRow(number, before.link, link)];
    let bytes = 0;
    for (const { key, value } of batch)
      bytes += key.byteLength + (value?.byteLength ?? 0) + entryBytes;
    const reached = this.#reached;
    if (reached !== undefined) {
      this.#reached = undefined;
      writes.push(row(anchorKey, reached));
      for (; this.#first <= reached.number; this.#first++) {
        writes.push({ key: numberKey(this.#first), value: undefined });
      }
      this.#anchor = reached;
    }
    this.#last = { number, link };
    this.#unflushed += bytes;
    try {
      await this.#backend.write(writes, options);
    } catch (error) {
      // It is unknown whether the write happened, so a later number might not follow.
      this.#failure ??= error;
      throw error;
    }
    this.#moveAnchor({ number, link });
  }

  async flush(): Promise<void> {
    await this.#backend.flush();
  }

  memory(): number {
    return this.#backend.memory();
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#backend.close();
  }

  #moveAnchor(point: Point): void {
    const isDue =
      point.number - this.#anchor.number >= writesPerFlush || this.#unflushed >= bytesPerFlush;
    if (!isDue || this.#flushing !== undefined || this.#reached !== undefined) return;
    this.#unflushed = 0;
    this.#flushing = this.#backend
      .flush()
      .then(() => {
        this.#reached = point;
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#flushing = undefined;
      });
  }
}

/** Follows the numbers from the anchor on; returns the last one. */
function followed(
  directory: string,
  numbers: readonly BackendEntry[],
  anchor: Point,
  salt: number,
): Point {
  let last = anchor;
  for (const [key, value] of numbers) {
    const number = numberOf(key);
    if (number <= anchor.number) continue;
    const content = contentOf(value, key);
    if (content === undefined) throw damage(directory, `CRC-32C of write ${number} does not match`);
    if (number !== last.number + 1) {
      throw damage(directory, `write ${last.number + 1} is missing, ${number} is there`);
    }
    const [before, link] = [content.readUInt32BE(0), content.readUInt32BE(4)];
    if (before !== last.link || link !== linkOf(salt, last, number)) {
      throw damage(directory, `write ${number} is another store's`);
    }
    last = { number, link };
  }
  return last;
}

function linkOf(salt: number, before: Point, number: number): number {
  const bytes = Buffer.alloc(4 + orderedTimeBytes);
  bytes.writeUInt32BE(before.link, 0);
  writeOrderedTime(bytes, 4, number);
  return crc32c(bytes, salt);
}

function numberKey(number: number): Buffer {
  const key = Buffer.alloc(numbersFrom.byteLength + orderedTimeBytes);
  numbersFrom.copy(key);
  writeOrderedTime(key, numbersFrom.byteLength, number);
  return key;
}

function numberOf(key: Buffer): number {
  return readOrderedTime(key, numbersFrom.byteLength);
}

function numberRow(number: number, before: number, link: number): BackendWrite {
  const key = numberKey(number);
  const content = Buffer.alloc(8);
  content.writeUInt32BE(before, 0);
  content.writeUInt32BE(link, 4);
  return { key, value: checksummed(content, key) };
}

function row(key: Buffer, value: unknown): BackendWrite {
  return { key, value: checksummed(Buffer.from(JSON.stringify(value)), key) };
}

function parsed<T>(directory: string, key: Buffer, value: Buffer): T {
  const content = contentOf(value, key);
  if (content === undefined) throw damage(directory, 'CRC-32C of its owner does not match');
  return JSON.parse(content.toString()) as T;
}

function damage(directory: string, problem: string): MillraceError {
  return new MillraceError('STORE_CORRUPT', { directory, problem });
}
