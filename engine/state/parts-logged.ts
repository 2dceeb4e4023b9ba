/** Of a cell that is kept in parts: which of them stand where. */

/** Stands for the head, where a part is named. */
export const headOfParts = -1;

export class PartsLogged {
  /** The changelog has the cell in parts; not used where it never has it otherwise. */
  inLog = false;
  /** The backend has it in parts, or is about to. */
  stored = false;
  /** Parts, and the head, that the backend does not have as they are; only while it has some. */
  #unsaved = new Set<number>();
  /** Of parts that were logged in chunks: how many. */
  #chunks: Map<number, number> | undefined;

  chunksOf(part: number): number {
    return this.#chunks?.get(part) ?? 0;
  }

  noteChunks(part: number, chunks: number): void {
    if (chunks > 0) {
      this.#chunks ??= new Map();
      this.#chunks.set(part, chunks);
    } else this.#chunks?.delete(part);
  }

  changed(part: number): void {
    if (this.stored) this.#unsaved.add(part);
  }

  /** They are about to be saved. */
  takeUnsaved(): ReadonlySet<number> {
    const unsaved = this.#unsaved;
    this.#unsaved = new Set();
    return unsaved;
  }
}
