/**
 * The memory budget of one thread's tasks, shared by caches, packed cells and the memtables of the
 * backends. A task may use all memory that the others leave, and at least its fair share.
 */

/** A user of memory for cells. */
export interface MemoryUser {
  /** Estimated size of cells and entries, and bytes of packed cells. */
  memory(): TaskMemory;
}

/** Memory of a task's state, in bytes. */
export interface TaskMemory {
  readonly cache: number;
  readonly packed: number;
  readonly backend: number;
}

/** Shares of the budget; the uncommitted input takes the rest (runtime). */
const [cacheShare, backendShare, dirtyShare] = [0.5, 0.15, 0.15];
/** A cell takes about twice its estimate on the heap. */
const heapFactor = 2;
const leastBytes = 64 * 1024;

export class MemoryBudget {
  readonly #bytes: number;
  readonly #tasks: number;
  readonly #users = new Set<MemoryUser>();

  /** @param bytes of the thread @param tasks expected number of tasks */
  constructor(bytes: number, tasks: number) {
    this.#bytes = bytes;
    this.#tasks = Math.max(1, tasks);
  }

  join(user: MemoryUser): void {
    this.#users.add(user);
  }

  leave(user: MemoryUser): void {
    this.#users.delete(user);
  }

  /** Estimated bytes that a user may keep. */
  limitOf(user: MemoryUser): number {
    const total = this.#bytes * cacheShare;
    let others = 0;
    for (const other of this.#users) if (other !== user) others += usedBy(other);
    const fair = total / Math.max(this.#tasks, this.#users.size);
    return Math.max(fair, total - others) / heapFactor;
  }

  /** Bytes of a memtable of a task; a task may have two. */
  get writeBufferBytes(): number {
    return Math.max(leastBytes, (this.#bytes * backendShare) / this.#tasks / 2);
  }

  /** Bytes of uncommitted changes after which a task commits early. */
  get dirtyBytes(): number {
    return Math.max(leastBytes, (this.#bytes * dirtyShare) / this.#tasks / heapFactor);
  }
}

function usedBy(user: MemoryUser): number {
  const { cache, packed } = user.memory();
  return heapFactor * cache + packed;
}
