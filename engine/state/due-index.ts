/**
 * The due index: which key wants attention when, ordered by (instant, key bytes), one entry a key.
 *
 * On disk stands an entry for every key whose saved cell is due some day. In memory are the entries up to
 * the horizon, and those of cells that are not saved:
 *
 *      -inf ..... asked ..... horizon .................. +inf
 *      [ heap: all           ] [ heap: unsaved only; the rest on disk ]
 *
 * Of a store that was empty when it was opened all is in memory, and nothing is ever read, until cells are evicted:
 * what is due beyond what was asked for goes with them, and the horizon comes down.
 *
 * The heap deletes lazily: an entry that is no longer its key's is marked, and passed over at the top.
 */
interface Entry {
  readonly due: number;
  readonly keyId: string;
  /** False when the key was set anew or released. */
  live: boolean;
}

function before(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.keyId < b.keyId);
}

export class DueIndex {
  #heap: Entry[] = [];
  /**
   * What `dueKeys` gave out. Most of it is set anew at once, so it goes back to the heap only when the
   * index is asked again.
   */
  #given: Entry[] = [];
  /** The one live entry of each key in memory. */
  readonly #current = new Map<string, Entry>();
  /** Everything due at or before it is in memory. */
  horizon = Number.NEGATIVE_INFINITY;
  /** The greatest instant up to which keys were asked for. */
  asked = Number.NEGATIVE_INFINITY;

  /** Number of keys held in memory. */
  get size(): number {
    return this.#current.size;
  }

  /** Sets a key's next instant; +Infinity forgets the key. */
  set(keyId: string, due: number): void {
    if (due === Number.POSITIVE_INFINITY) {
      this.release(keyId);
      return;
    }
    const known = this.#current.get(keyId);
    if (known !== undefined) {
      if (known.due === due) return;
      known.live = false;
    }
    const entry = { due, keyId, live: true };
    this.#current.set(keyId, entry);
    this.#push(entry);
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#compact();
  }

  /** Drops a key from memory: it is due no more, or after the horizon and the disk holds it. */
  release(keyId: string): void {
    const known = this.#current.get(keyId);
    if (known === undefined) return;
    known.live = false;
    this.#current.delete(keyId);
  }

  /** A saved cell that is due at `due` leaves the memory. */
  evicted(keyId: string, due: number): void {
    if (due === Number.POSITIVE_INFINITY || due <= this.asked) return;
    this.release(keyId);
    if (due <= this.horizon) this.horizon = due - 1;
  }

  nextDue(): number {
    if (this.#given.length > 0) this.#takeBack();
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (top.live) return top.due;
      this.#pop();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Keys due at or before `until`, in order. They stay in the index until they are set anew. */
  dueKeys(until: number): string[] {
    const keys: string[] = [];
    const given: Entry[] = [];
    for (let due = this.nextDue(); due <= until; due = this.nextDue()) {
      if (due === Number.POSITIVE_INFINITY) break;
      const entry = this.#pop();
      given.push(entry);
      keys.push(entry.keyId);
    }
    this.#given = given;
    return keys;
  }

  /** Visits the keys due at or before `until`, in no order; takes nothing out of the heap. */
  eachDue(until: number, visit: (keyId: string) => void): void {
    for (const entry of this.#given) if (entry.live && entry.due <= until) visit(entry.keyId);
    const heap = this.#heap;
    const waiting = [0];
    for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
      const entry = heap[i];
      if (entry === undefined || entry.due > until) continue;
      if (entry.live) visit(entry.keyId);
      waiting.push(2 * i + 1, 2 * i + 2);
    }
  }

  #takeBack(): void {
    const given = this.#given;
    this.#given = [];
    for (const entry of given) if (entry.live) this.#push(entry);
  }

  #compact(): void {
    this.#given = [];
    this.#heap = [...this.#current.values()].sort((a, b) => (before(a, b) ? -1 : 1));
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(entry);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Entry;
      if (!before(entry, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0] as Entry;
    const last = heap.pop() as Entry;
    const size = heap.length;
    if (size === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && before(heap[child + 1] as Entry, heap[child] as Entry)) child++;
      if (!before(heap[child] as Entry, last)) break;
      heap[i] = heap[child] as Entry;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
