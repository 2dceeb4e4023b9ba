/**
 * The HEAD of an embedded log: how far it had come, kept apart from the database.
 *
 * RocksDB drops the rest of its write-ahead log silently when a byte of it is damaged. HEAD names
 * the last commit and every partition's end, so that a log which lost commits is refused with the
 * place where they are missing. Two files take turns, so a torn write leaves the other whole.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { sealed, unsealed } from '../../base/sealed.ts';

export interface Head {
  readonly sequence: number;
  /** 'topic/partition' -> end offset */
  readonly ends: Readonly<Record<string, number>>;
}

export class HeadFile {
  readonly #slots: readonly FileHandle[];

  private constructor(slots: readonly FileHandle[]) {
    this.#slots = slots;
  }

  static async open(directory: string): Promise<HeadFile> {
    const names = ['HEAD.0', 'HEAD.1'];
    return new HeadFile(
      await Promise.all(
        names.map((name) =>
          open(`${directory}/${name}`, 'r+').catch(() => open(`${directory}/${name}`, 'w+')),
        ),
      ),
    );
  }

  /** The newest whole HEAD; undefined when there is none; `damaged` when something else is there. */
  async read(): Promise<{ readonly head: Head | undefined; readonly damaged: boolean }> {
    let head: Head | undefined;
    let damaged = false;
    for (const slot of this.#slots) {
      const bytes = await slot.readFile();
      if (bytes.byteLength === 0) continue;
      const length = bytes.byteLength < 4 ? 0 : bytes.readUInt32BE(0);
      const content = unsealed(bytes.subarray(4, 4 + length));
      if (content === undefined) {
        damaged = true;
        continue;
      }
      const found = JSON.parse(content.toString()) as Head;
      if (head === undefined || found.sequence > head.sequence) head = found;
    }
    return { head, damaged };
  }

  /** Durable when the promise resolves. */
  async write(head: Head): Promise<void> {
    const slot = this.#slots[head.sequence % this.#slots.length] as FileHandle;
    const content = sealed(Buffer.from(JSON.stringify(head)));
    const bytes = Buffer.allocUnsafe(4 + content.byteLength);
    bytes.writeUInt32BE(content.byteLength, 0);
    content.copy(bytes, 4);
    await slot.write(bytes, 0, bytes.byteLength, 0);
    await slot.datasync();
  }

  async close(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }
}
