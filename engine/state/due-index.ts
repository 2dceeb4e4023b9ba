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
 * The heap deletes lazily: an entry that is no longer its key's is marked, and passed over at the top. It also moves
 * lazily: a key that is due later than before, as sessions are with every record, stays where it is until it comes to the top. It knows instants
 * only, four children a node, in an array of numbers: to go through it touches little memory. Keys of one instant are put in
 * order when they are asked for.
 */
interface Entry {
  due: number;
  /** The instant by which it lies in the heap: `due`, or before. */
  at: number;
  readonly keyId: string;
  /** False when the key was set anew or released. */
  live: boolean;
}

const fanOutBits = 2;
const fanOut = 1 << fanOutBits;

function inOrder(a: Entry, b: Entry): number {
  if (a.due !== b.due) return a.due - b.due;
  return a.keyId < b.keyId ? -1 : a.keyId > b.keyId ? 1 : 0;
}

export class DueIndex {
  /** The heap: instants, and the entries they are of. */
  #dues = new Float64Array(64);
  #entries: Entry[] = [];
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
      if (due >= known.at) {
        known.due = due;
        return;
      }
      known.live = false;
    }
    const entry = { due, at: due, keyId, live: true };
    this.#current.set(keyId, entry);
    this.#push(entry);
    if (this.#entries.length > 64 && this.#entries.length > 4 * this.#current.size) this.#compact();
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
    for (let top = this.#entries[0]; top !== undefined; top = this.#entries[0]) {
      if (top.live && top.due === top.at) return top.due;
      this.#pop();
      if (top.live) this.#push(top);
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Keys due at or before `until`, in order. They stay in the index until they are set anew. */
  dueKeys(until: number): string[] {
    const given: Entry[] = [];
    for (let due = this.nextDue(); due <= until; due = this.nextDue()) {
      if (due === Number.POSITIVE_INFINITY) break;
      given.push(this.#pop());
    }
    if (given.length > 1) given.sort(inOrder);
    this.#given = given;
    return given.map(({ keyId }) => keyId);
  }

  /** Visits the keys due at or before `until`, in no order; takes nothing out of the heap. */
  eachDue(until: number, visit: (keyId: string) => void): void {
    for (const entry of this.#given) if (entry.live && entry.due <= until) visit(entry.keyId);
    const waiting = [0];
    for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
      const entry = this.#entries[i];
      if (entry === undefined || (this.#dues[i] as number) > until) continue;
      if (entry.live && entry.due <= until) visit(entry.keyId);
      for (let child = fanOut * i + 1; child <= fanOut * (i + 1); child++) waiting.push(child);
    }
  }

  #takeBack(): void {
    const given = this.#given;
    this.#given = [];
    for (const entry of given) if (entry.live) this.#push(entry);
  }

  #compact(): void {
    this.#given = [];
    this.#entries = [];
    for (const entry of this.#current.values()) this.#push(entry);
  }

  #push(entry: Entry): void {
    const entries = this.#entries;
    let i = entries.length;
    if (i === this.#dues.length) {
      const larger = new Float64Array(2 * i);
      larger.set(this.#dues);
      this.#dues = larger;
    }
    entries.push(entry);
    const dues = this.#dues;
    const { due } = entry;
    entry.at = due;
    while (i > 0) {
      const parent = (i - 1) >> fanOutBits;
      const above = dues[parent] as number;
      if (above <= due) break;
      dues[i] = above;
      entries[i] = entries[parent] as Entry;
      i = parent;
    }
    dues[i] = due;
    entries[i] = entry;
  }

  #pop(): Entry {
    const [dues, entries] = [this.#dues, this.#entries];
    const top = entries[0] as Entry;
    const last = entries.pop() as Entry;
    const size = entries.length;
    if (size === 0) return top;
    const due = dues[size] as number;
    let i = 0;
    for (;;) {
      const first = fanOut * i + 1;
      if (first >= size) break;
      let child = first;
      let least = dues[first] as number;
      for (let other = first + 1; other < size && other < first + fanOut; other++) {
        const at = dues[other] as number;
        if (at >= least) continue;
        child = other;
        least = at;
      }
      if (least >= due) break;
      dues[i] = least;
      entries[i] = entries[child] as Entry;
      i = child;
    }
    dues[i] = due;
    entries[i] = last;
    return top;
  }
}
