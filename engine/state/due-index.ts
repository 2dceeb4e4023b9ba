/**
 * The due index: which key wants attention when, ordered by (instant, key bytes), one entry a key.
 *
 * On disk stands an entry for every key whose cell is due some day. In memory are only the entries
 * up to the loaded horizon and those of uncommitted cells:
 *
 *      -inf ........ horizon .................. +inf
 *      [ heap: all  ] [ heap: uncommitted only; the rest on disk ]
 *
 * The heap deletes lazily: an entry counts while `current` still holds its instant for its key.
 */
interface Entry {
  readonly due: number;
  readonly keyId: string;
}

function before(a: Entry, b: Entry): boolean {
  return a.due < b.due || (a.due === b.due && a.keyId < b.keyId);
}

export class DueIndex {
  #heap: Entry[] = [];
  /** The instant each key in the heap is due at; the truth about which heap entries count. */
  readonly #current = new Map<string, number>();
  /** Everything due at or before it is in memory. */
  horizon = Number.NEGATIVE_INFINITY;

  /** Number of keys held in memory. */
  get size(): number {
    return this.#current.size;
  }

  /** Sets a key's next instant; +Infinity forgets the key. */
  set(keyId: string, due: number): void {
    if (due === Number.POSITIVE_INFINITY) {
      this.#current.delete(keyId);
      return;
    }
    if (this.#current.get(keyId) === due) return;
    this.#current.set(keyId, due);
    this.#push({ due, keyId });
    if (this.#heap.length > 64 && this.#heap.length > 4 * this.#current.size) this.#compact();
  }

  /** Drops a key from memory because the disk holds it; it must be due after the horizon. */
  release(keyId: string): void {
    this.#current.delete(keyId);
  }

  nextDue(): number {
    for (let top = this.#heap[0]; top !== undefined; top = this.#heap[0]) {
      if (this.#current.get(top.keyId) === top.due) return top.due;
      this.#pop();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Keys due at or before `until`, in order. They stay in the index until they are set anew. */
  dueKeys(until: number): string[] {
    const found: Entry[] = [];
    for (let due = this.nextDue(); due <= until; due = this.nextDue()) {
      if (due === Number.POSITIVE_INFINITY) break;
      found.push(this.#pop());
    }
    for (const entry of found) this.#push(entry);
    const keys: string[] = [];
    for (let i = 0; i < found.length; i++) {
      const keyId = (found[i] as Entry).keyId;
      // Setting a key away and back leaves two equal entries side by side.
      if (i === 0 || keys[keys.length - 1] !== keyId) keys.push(keyId);
    }
    return keys;
  }

  #compact(): void {
    const live = [...this.#current].map(([keyId, due]) => ({ due, keyId }));
    this.#heap = live.sort((a, b) => (before(a, b) ? -1 : 1));
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
