/**
 * The due index: which key wants attention when, ordered by (instant, key bytes), one instant a
 * key.
 *
 * On disk stands an entry for every key whose saved cell is due some day. In memory are the entries
 * up to the horizon, and those of cells that are not saved:
 *
 *      -inf ..... asked ..... horizon .................. +inf
 *      [ heap: all           ] [ heap: unsaved only; the rest on disk ]
 *
 * Of a store that was empty when it was opened all is in memory, and nothing is ever read, until
 * cells are evicted: what is due beyond what was asked for goes with them, and the horizon comes
 * down.
 *
 * A key has a slot, and what is known of it lies in columns, so that a million keys are no million
 * objects. Whoever has the key's cell owns the slot and knows its number, and the slot its owner,
 * so that no key is looked for here but those whose cell is on disk alone, nor anywhere the cell of
 * a key that is due. The heap holds slots by the instants at which they were put there, four
 * children a node. It deletes lazily: what no longer lies at its slot's instant is passed over at
 * the top. It also moves lazily: a key that is due later than before, as sessions are with every
 * record, stays where it is until it comes to the top. Keys of one instant are put in order when
 * they are asked for.
 */
import { grown } from '../base/grown.ts';

const fanOutBits = 2;
const fanOut = 1 << fanOutBits;
const firstSlots = 64;

/** Who has a key's cell in memory; of a key there is one at a time. */
export interface DueOwner {
  readonly keyText: string;
  /** The key's slot, -1 when it has none; the index sets it. */
  dueSlot: number;
}

export class DueIndex<O extends DueOwner> {
  /** Slots that nobody owns, by key. */
  readonly #unowned = new Map<string, number>();
  /** Slots that were let go of, to be used again. */
  readonly #free: number[] = [];
  #used = 0;
  /**
   * By slot: the key, when it is due (NaN: the slot is free), and at which instant it lies in the
   * heap (NaN: it does not).
   */
  readonly #keyTexts: string[] = [];
  readonly #owners: (O | undefined)[] = [];
  #dues = new Float64Array(firstSlots);
  #lies = new Float64Array(firstSlots);
  /** The heap: instants, and the slots that were put there. */
  #heapAt = new Float64Array(firstSlots);
  #heap = new Int32Array(firstSlots);
  #heapSize = 0;
  /**
   * What `dueKeys` gave out. Most of it is set anew at once, so it goes back to the heap only when
   * the index is asked again.
   */
  #given: number[] = [];
  /** Everything due at or before it is in memory. */
  horizon = Number.NEGATIVE_INFINITY;
  /** The greatest instant up to which keys were asked for. */
  asked = Number.NEGATIVE_INFINITY;

  /** Number of keys held in memory. */
  get size(): number {
    return this.#used - this.#free.length;
  }

  /** Sets when the owner's key is due next; +Infinity forgets the key. */
  set(owner: O, due: number): void {
    if (due === Number.POSITIVE_INFINITY) {
      this.release(owner);
      return;
    }
    if (owner.dueSlot < 0) {
      const slot = this.#taken(owner.keyText) ?? this.#newSlot(owner.keyText);
      owner.dueSlot = slot;
      this.#owners[slot] = owner;
    }
    this.#setDue(owner.dueSlot, due);
  }

  /**
   * The same of a key whose cell is on disk alone, so that nobody owns it.
   * @param due not +Infinity
   */
  setStored(keyText: string, due: number): void {
    const slot = this.#unowned.get(keyText) ?? this.#newSlot(keyText);
    this.#unowned.set(keyText, slot);
    this.#setDue(slot, due);
  }

  #setDue(slot: number, due: number): void {
    if (this.#dues[slot] === due) return;
    // One that was given out goes back before anybody asks again.
    const isGiven = !Number.isNaN(this.#dues[slot]) && Number.isNaN(this.#lies[slot]);
    this.#dues[slot] = due;
    if (isGiven || due >= (this.#lies[slot] as number)) return;
    this.#push(slot);
    if (this.#heapSize > firstSlots && this.#heapSize > 4 * this.size) this.#compact();
  }

  /** The slot of a key that nobody owns: from now on someone does. */
  #taken(keyText: string): number | undefined {
    if (this.#unowned.size === 0) return undefined;
    const slot = this.#unowned.get(keyText);
    if (slot !== undefined) this.#unowned.delete(keyText);
    return slot;
  }

  /**
   * Drops the owner's key from memory: it is due no more, or after the horizon and the disk holds
   * it.
   */
  release(owner: O): void {
    const slot = owner.dueSlot < 0 ? this.#taken(owner.keyText) : owner.dueSlot;
    owner.dueSlot = -1;
    if (slot === undefined) return;
    this.#keyTexts[slot] = '';
    this.#owners[slot] = undefined;
    this.#dues[slot] = Number.NaN;
    this.#lies[slot] = Number.NaN;
    this.#free.push(slot);
  }

  /**
   * Forgets all keys, and their owners, who are to be forgotten as well; what is on disk is as it
   * was.
   */
  clear(): void {
    this.#unowned.clear();
    this.#free.length = 0;
    this.#keyTexts.length = 0;
    this.#owners.length = 0;
    this.#given = [];
    this.#used = 0;
    this.#heapSize = 0;
  }

  /** A saved cell that is due at `due` leaves the memory, and with it who owned the key's slot. */
  evicted(owner: O, due: number): void {
    if (due === Number.POSITIVE_INFINITY || due <= this.asked) {
      const slot = owner.dueSlot;
      if (slot < 0) return;
      this.#unowned.set(owner.keyText, slot);
      this.#owners[slot] = undefined;
      owner.dueSlot = -1;
      return;
    }
    this.release(owner);
    if (due <= this.horizon) this.horizon = due - 1;
  }

  nextDue(): number {
    if (this.#given.length > 0) this.#takeBack();
    while (this.#heapSize > 0) {
      const slot = this.#heap[0] as number;
      const at = this.#heapAt[0] as number;
      if (this.#lies[slot] === at) {
        if (this.#dues[slot] === at) return at;
        this.#pop();
        this.#push(slot);
      } else this.#pop();
    }
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Keys due at or before `until`, in order, and who owns each. They stay in the index until they
   * are set anew.
   */
  dueKeys(until: number): { readonly keyTexts: string[]; readonly owners: (O | undefined)[] } {
    const given: number[] = [];
    for (let due = this.nextDue(); due <= until; due = this.nextDue()) {
      if (due === Number.POSITIVE_INFINITY) break;
      const slot = this.#pop();
      this.#lies[slot] = Number.NaN;
      given.push(slot);
    }
    if (given.length > 1) given.sort((a, b) => this.#inOrder(a, b));
    this.#given = given;
    // No `map`: of arrays this long V8 takes its optimised code back, each time.
    const keyTexts: string[] = [];
    const owners: (O | undefined)[] = [];
    for (const slot of given) {
      keyTexts.push(this.#keyTexts[slot] as string);
      owners.push(this.#owners[slot]);
    }
    return { keyTexts, owners };
  }

  /**
   * Visits the keys due at or before `until`, in no order, some perhaps twice; takes nothing out of
   * the heap.
   */
  eachDue(until: number, visit: (keyText: string, owner: O | undefined) => void): void {
    for (const slot of this.#given) {
      if ((this.#dues[slot] as number) <= until) {
        visit(this.#keyTexts[slot] as string, this.#owners[slot]);
      }
    }
    const waiting = [0];
    for (let i = waiting.pop(); i !== undefined; i = waiting.pop()) {
      const at = this.#heapAt[i] as number;
      if (i >= this.#heapSize || at > until) continue;
      const slot = this.#heap[i] as number;
      if (this.#lies[slot] === at && (this.#dues[slot] as number) <= until) {
        visit(this.#keyTexts[slot] as string, this.#owners[slot]);
      }
      for (let child = fanOut * i + 1; child <= fanOut * (i + 1); child++) waiting.push(child);
    }
  }

  #inOrder(a: number, b: number): number {
    const [left, right] = [this.#dues[a] as number, this.#dues[b] as number];
    if (left !== right) return left - right;
    return (this.#keyTexts[a] as string) < (this.#keyTexts[b] as string) ? -1 : 1;
  }

  /** A slot for a key that has none, due never yet. */
  #newSlot(keyText: string): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot === this.#dues.length) {
      this.#dues = grown(this.#dues);
      this.#lies = grown(this.#lies);
    }
    this.#keyTexts[slot] = keyText;
    this.#owners[slot] = undefined;
    this.#dues[slot] = Number.NaN;
    this.#lies[slot] = Number.POSITIVE_INFINITY;
    return slot;
  }

  #takeBack(): void {
    const given = this.#given;
    this.#given = [];
    for (const slot of given) {
      if (Number.isNaN(this.#lies[slot]) && !Number.isNaN(this.#dues[slot])) this.#push(slot);
    }
  }

  #compact(): void {
    this.#given = [];
    this.#heapSize = 0;
    for (let slot = 0; slot < this.#used; slot++) {
      if (!Number.isNaN(this.#dues[slot])) this.#push(slot);
    }
  }

  #push(slot: number): void {
    let i = this.#heapSize++;
    if (i === this.#heap.length) {
      this.#heap = grown(this.#heap);
      this.#heapAt = grown(this.#heapAt);
    }
    const [heap, heapAt] = [this.#heap, this.#heapAt];
    const due = this.#dues[slot] as number;
    this.#lies[slot] = due;
    while (i > 0) {
      const parent = (i - 1) >> fanOutBits;
      const above = heapAt[parent] as number;
      if (above <= due) break;
      heapAt[i] = above;
      heap[i] = heap[parent] as number;
      i = parent;
    }
    heapAt[i] = due;
    heap[i] = slot;
  }

  #pop(): number {
    const [heap, heapAt] = [this.#heap, this.#heapAt];
    const top = heap[0] as number;
    const size = --this.#heapSize;
    if (size === 0) return top;
    const last = heap[size] as number;
    const due = heapAt[size] as number;
    let i = 0;
    for (;;) {
      const first = fanOut * i + 1;
      if (first >= size) break;
      let child = first;
      let least = heapAt[first] as number;
      for (let other = first + 1; other < size && other < first + fanOut; other++) {
        const at = heapAt[other] as number;
        if (at >= least) continue;
        child = other;
        least = at;
      }
      if (least >= due) break;
      heapAt[i] = least;
      heap[i] = heap[child] as number;
      i = child;
    }
    heapAt[i] = due;
    heap[i] = last;
    return top;
  }
}
