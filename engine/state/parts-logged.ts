/** Tracks where the parts of a cell are stored. */

/** Part number that means the head. */
export const headOfParts = -1;

export class PartsLogged {
  /** The changelog has the cell in parts; not used if it always does. */
  inLog = false;
  /** The backend has it in parts, or will. */
  stored = false;
  /**
   * Parts (and the head) whose current value the backend does not have; only while it has parts.
   */
  #unsaved = new Set<number>();
  /** Number of chunks of parts that were logged in chunks. */
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

  /** Returns the unsaved parts, which are about to be saved. */
  takeUnsaved(): ReadonlySet<number> {
    const unsaved = this.#unsaved;
    this.#unsaved = new Set();
    return unsaved;
  }
}
