/**
 * Closing of windows, for every family alike: when stream time passes, the due index names the keys
 * that have something to close; each key gives up what is closed; all of it goes on ordered by window
 * start (sessions: by end, then start), then key (SEMANTICS B.2).
 */
import type { BuildContext, TaskContext } from '../engine/graph/processor.ts';
import { type Cells, type KeyedBy, streamTimeNumber } from '../engine/graph/store-spec.ts';

export interface Closed<A> {
  readonly start: number;
  readonly end: number;
  readonly value: A;
  /** Timestamp of the result, ms UTC. */
  readonly timestamp: number;
}

/** A result that waits for its turn. */
interface Pending<A> {
  readonly keyId: string;
  readonly closed: Closed<A>;
}

/** Windows of one length: by start. */
export function byStart(a: Closed<unknown>, b: Closed<unknown>): number {
  return a.start - b.start;
}

/** By the bytes of the key. */
export function byKeyId(a: { readonly keyId: string }, b: { readonly keyId: string }): number {
  return a.keyId < b.keyId ? -1 : a.keyId > b.keyId ? 1 : 0;
}

function isSorted<T>(list: readonly T[], compare: (a: T, b: T) => number): boolean {
  for (let i = 1; i < list.length; i++) {
    if (compare(list[i - 1] as T, list[i] as T) > 0) return false;
  }
  return true;
}

/**
 * Time of an operator. Where the task goes by its records it is the greatest timestamp the operator has seen, kept
 * with its state, so that it survives a restart (B.6). Where the task goes by its sources it is how far the watermark
 * has passed the operator, and a record is judged by how far its own source partition stood.
 */
export class OperatorTime {
  readonly #cells: Cells<unknown>;
  readonly #task: Pick<TaskContext, 'stand' | 'passedTime'>;
  readonly bySource: boolean;
  #passed = Number.NEGATIVE_INFINITY;

  /** @param bySource false for a step that goes by its records wherever it is */
  constructor(cells: Cells<unknown>, task: TaskContext, bySource = task.bySource) {
    this.#cells = cells;
    this.#task = task;
    this.bySource = bySource;
  }

  /** What is due by then is done, ms UTC. */
  get now(): number {
    const kept = this.#cells.number(streamTimeNumber) ?? Number.NEGATIVE_INFINITY;
    return this.bySource ? Math.max(kept, this.#passed, this.#task.passedTime) : kept;
  }

  /** Takes in a record's timestamp; answers the time by which its lateness is judged. */
  advance(timestamp: number): number {
    const now = this.now;
    if (this.bySource) return Math.max(this.#task.stand, now);
    if (timestamp <= now) return now;
    this.#cells.setNumber(streamTimeNumber, timestamp);
    return timestamp;
  }

  /** Time has passed without the operator's own records; answers its time. */
  pass(until: number): number {
    if (!this.bySource) return this.advance(until);
    if (until > this.#passed) this.#passed = until;
    return this.now;
  }

  /** Something falls due: the time is kept with what becomes of it. */
  keep(): void {
    if (this.bySource) this.#cells.setNumber(streamTimeNumber, this.now);
  }
}

/**
 * Closes what is due at `streamTime`.
 * @param take takes the closed windows out of the current key's cell and stores what is left
 * @param order of what closes together, before the order of the keys
 * @param emit receives them in order, the key being current; absent = they are only forgotten
 */
export function closeDue<A>(
  context: BuildContext,
  spec: KeyedBy<unknown>,
  cells: Cells<unknown>,
  streamTime: number,
  take: () => readonly Closed<A>[],
  order: (a: Closed<A>, b: Closed<A>) => number,
  emit: ((key: unknown, closed: Closed<A>) => void) | undefined,
): void {
  const { task } = context;
  const all: Pending<A>[] = [];
  // One function for all keys, not one a key.
  let at = '';
  const takeAll = () => {
    for (const closed of take()) all.push({ keyId: at, closed });
  };
  for (const keyId of cells.dueKeys(streamTime)) {
    at = keyId;
    task.enterId(keyId, takeAll);
  }
  if (emit === undefined) return;
  const inOrder = (a: Pending<A>, b: Pending<A>) => order(a.closed, b.closed) || byKeyId(a, b);
  // Mostly they are: keys come by what they close first.
  if (!isSorted(all, inOrder)) all.sort(inOrder);
  let one: Closed<A>;
  const emitOne = (key: unknown) => emit(key, one);
  for (const { keyId, closed } of all) {
    one = closed;
    task.enter(keyId, spec, emitOne);
  }
}
