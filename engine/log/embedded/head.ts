/**
 * The HEAD of an embedded log: its last commit, stored outside the database, which may silently
 * lose the end of its write-ahead log.
 *
 * HEAD names the last commit and its row in the journal, every partition's end, and the anchor from
 * which on the journal has rows; so a log that lost commits is refused with the place where they
 * are missing. Two files take turns, so a torn write leaves the other whole.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { checksummed, contentOf } from '../../base/checksummed.ts';
import type { CatalogueDigest, JournalPoint } from './journal.ts';

export interface Head {
  /** Absent in a HEAD from before the journal existed. */
  readonly version?: 2;
  readonly sequence: number;
  /** 'topic/partition' -> end offset */
  readonly ends: Readonly<Record<string, number>>;
  /** Seal of the commit's journal row. */
  readonly seal?: number;
  /** All commits up to it are in tables; the journal has a row for each later one. */
  readonly anchor?: JournalPoint;
  readonly catalogue?: CatalogueDigest;
}

export interface Heads {
  /** The newest intact HEAD; undefined if there is none. */
  readonly head: Head | undefined;
  /** True if a file exists that is not a valid HEAD. */
  readonly damaged: boolean;
  /** Sequence numbers of the anchors, by slot. */
  readonly anchors: readonly number[];
}

const names = ['HEAD.0', 'HEAD.1'];
const lengthBytes = 4;
/**
 * Uses a synchronous file on Linux: a write is durable when it returns, with one call instead of
 * two. On other systems the flag is missing or weaker than a sync.
 */
const isThrough = process.platform === 'linux';
const flags = constants.O_RDWR | constants.O_CREAT | (isThrough ? constants.O_DSYNC : 0);

/** Reads without creating missing files. */
export async function readHeads(directory: string): Promise<Heads> {
  let head: Head | undefined;
  let damaged = false;
  const anchors: number[] = [];
  for (const name of names) {
    const bytes = await readFile(`${directory}/${name}`).catch(noFile);
    const found = bytes.byteLength === 0 ? undefined : headIn(bytes);
    anchors.push(found?.anchor?.sequence ?? 0);
    if (found === undefined) damaged ||= bytes.byteLength > 0;
    else if (head === undefined || found.sequence > head.sequence) head = found;
  }
  return { head, damaged, anchors };
}

function noFile(error: unknown): Buffer {
  if ((error as { code?: string }).code === 'ENOENT') return Buffer.alloc(0);
  throw error;
}

function headIn(bytes: Buffer): Head | undefined {
  const length = bytes.byteLength < lengthBytes ? 0 : bytes.readUInt32BE(0);
  const content = contentOf(bytes.subarray(lengthBytes, lengthBytes + length));
  return content && (JSON.parse(content.toString()) as Head);
}

export class HeadFile {
  readonly #slots: readonly FileHandle[];

  private constructor(slots: readonly FileHandle[]) {
    this.#slots = slots;
  }

  /** Opens the files, creating missing ones. */
  static async open(directory: string): Promise<HeadFile> {
    const slots = await Promise.all(names.map((name) => open(`${directory}/${name}`, flags)));
    return new HeadFile(slots);
  }

  /** The slot of a commit. */
  slotOf({ sequence }: { readonly sequence: number }): number {
    return sequence % this.#slots.length;
  }

  /** Durable when the promise resolves. */
  async write(head: Head): Promise<void> {
    const slot = this.#slots[this.slotOf(head)] as FileHandle;
    const content = checksummed(Buffer.from(JSON.stringify(head)));
    const bytes = Buffer.allocUnsafe(lengthBytes + content.byteLength);
    bytes.writeUInt32BE(content.byteLength, 0);
    content.copy(bytes, lengthBytes);
    await slot.write(bytes, 0, bytes.byteLength, 0);
    if (!isThrough) await slot.datasync();
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }
}
