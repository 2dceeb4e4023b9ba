/**
 * The maximal number of records of a partition in a cycle. Each cycle ends with a transaction whose
 * cost hardly depends on its size; for light tasks it is most of a cycle's cost for the broker. So
 * under a backlog, cycles grow until they last about as long as the commit interval.
 */

/** Minimum, however long a cycle takes: smaller cycles cost more per record (bench/README.md). */
const least = 16_384;
/** Maximum: more records gain little and take memory. */
const most = 65_536;
/**
 * Fractions of the commit interval: a shorter cycle may double its records, a longer one halves
 * them.
 */
const [short, long] = [0.6, 2];

/** Share of the state's memory for a cycle's input and its results until the commit. */
const shareOfMemory = 0.2;
/** Estimate of a record with its results, bytes; it is rarely more. */
const recordBytes = 512;
const leastRoom = 128;

export interface CycleRoom {
  /** Records of a partition in a cycle. */
  readonly records: number;
  /** Limit in bytes, if memory is short; then there are fewer large records. */
  readonly bytes: number | undefined;
}

/** The limits of a cycle for each of this many partitions. @param memoryBytes memory for state */
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
   * @param fixed records of a partition, if the number must not change
   * @param commitIntervalMs ms, 0 if there is none
   * @param room limits by memory
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

  /** Limits of a read of a partition. */
  get limits(): { readonly records: number; readonly bytes?: number } {
    const [records, bytes] = [this.#records, this.#bytes];
    return bytes === undefined ? { records } : { records, bytes };
  }

  get records(): number {
    return this.#records;
  }

  /** Number of waiting records of a partition that counts as a backlog, whatever the cycle size. */
  get backlog(): number {
    return this.#least / 2;
  }

  /** Adapts the size after a cycle with a backlog. @param ms its duration */
  took(ms: number): void {
    const shareOfInterval = ms / this.#commitIntervalMs;
    if (shareOfInterval < short) this.#records = Math.min(2 * this.#records, this.#most);
    else if (shareOfInterval > long) {
      this.#records = Math.max(this.#records / 2, this.#least);
    }
  }
}
