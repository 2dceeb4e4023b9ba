/**
 * The memory of one thread's tasks: caches, packed cells, and the memtables of their backends share
 * it. A task may use what the others leave, and its fair share at least.
 */

/** Who uses memory for cells. */
export interface MemoryUser {
  /** Estimated size of cells and entries, and bytes of packed cells. */
  memory(): TaskMemory;
}

/** What the state of a task takes, bytes. */
export interface TaskMemory {
  readonly cache: number;
  readonly packed: number;
  readonly backend: number;
}

/** Shares of the budget; what is read and not committed takes the rest (runtime). */
const [cacheShare, backendShare, dirtyShare] = [0.5, 0.15, 0.15];
/** On the heap a cell takes about twice what is estimated. */
const heapFactor = 2;
const leastBytes = 64 * 1024;

export class MemoryBudget {
  readonly #bytes: number;
  readonly #tasks: number;
  readonly #users = new Set<MemoryUser>();

  /** @param bytes of the thread @param tasks that it will have, about */
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

  /** Bytes of a memtable of a task; there may be two. */
  get writeBufferBytes(): number {
    return Math.max(leastBytes, (this.#bytes * backendShare) / this.#tasks / 2);
  }

  /** Bytes of changes after which a task commits early. */
  get dirtyBytes(): number {
    return Math.max(leastBytes, (this.#bytes * dirtyShare) / this.#tasks / heapFactor);
  }
}

function usedBy(user: MemoryUser): number {
  const { cache, packed } = user.memory();
  return heapFactor * cache + packed;
}
