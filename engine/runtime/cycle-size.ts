/**
 * How many records of a partition a cycle takes, at most. Each cycle ends in a transaction, whose
 * price hardly depends on what it carries: for tasks with little to do it is most of what a cycle
 * costs the broker. So where records wait, cycles grow until they last about as long as commits are
 * to be apart.
 */

/** So many however long a cycle takes: fewer cost more a record (bench/README.md). */
const least = 16_384;
/** More gain little, and wait in memory. */
const most = 65_536;
/**
 * Of the commit interval: a cycle that takes less may take twice the records, and one that takes
 * more half of them.
 */
const [short, long] = [0.6, 2];

/** Of the memory for state: what is read in a cycle, and what becomes of it until the commit. */
const shareOfMemory = 0.2;
/** A record with its results, bytes; they are rarely more. */
const recordBytes = 512;
const leastRoom = 128;

export interface CycleRoom {
  /** Records of a partition in a cycle. */
  readonly records: number;
  /** Bytes of them, where memory is short; larger records are fewer then. */
  readonly bytes: number | undefined;
}

/** What a cycle may take of each of so many partitions. @param memoryBytes for state */
export function cycleRoom(memoryBytes: number, partitions: number): CycleRoom {
  const bytes = Math.floor((memoryBytes * shareOfMemory) / Math.max(1, partitions));
  const records = Math.max(leastRoom, Math.floor(bytes / recordBytes));
  return { records, bytes: records < least ? bytes : undefined };
}

export class CycleSize {
  readonly #least: number;
  readonly #most: number;
  readonly #commitIntervalMs: number;
  #records: number;
  readonly #bytes: number | undefined;

  /**
   * @param fixed records of a partition, where they are not to change
   * @param commitIntervalMs ms, 0 when there is none
   * @param room for which there is memory
   */
  constructor(
    fixed: number | undefined,
    commitIntervalMs: number,
    room: CycleRoom = { records: Number.POSITIVE_INFINITY, bytes: undefined },
  ) {
    this.#least = fixed ?? Math.min(least, room.records);
    this.#most = fixed ?? Math.min(most, room.records);
    this.#commitIntervalMs = commitIntervalMs;
    this.#records = this.#least;
    this.#bytes = room.bytes;
  }

  /** Of what is read of a partition. */
  get limits(): { readonly records: number; readonly bytes?: number } {
    const [records, bytes] = [this.#records, this.#bytes];
    return bytes === undefined ? { records } : { records, bytes };
  }

  get records(): number {
    return this.#records;
  }

  /** So many records of a partition that wait are a backlog, however many a cycle takes. */
  get backlog(): number {
    return this.#least / 2;
  }

  /** A cycle with a backlog took so long, ms. */
  took(ms: number): void {
    const shareOfInterval = ms / this.#commitIntervalMs;
    if (shareOfInterval < short) this.#records = Math.min(2 * this.#records, this.#most);
    else if (shareOfInterval > long) {
      this.#records = Math.max(this.#records / 2, this.#least);
    }
  }
}
