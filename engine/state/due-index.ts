/**
 * The due index: the instant at which each key is due, ordered by (instant, key bytes), one instant
 * per key.
 *
 * The disk has an entry for every key whose saved cell has a due instant. Memory has the entries up
 * to the horizon, and those of unsaved cells:
 *
 *      -inf ..... asked ..... horizon .................. +inf
 *      [ heap: all           ] [ heap: unsaved only; the rest on disk ]
 *
 * A store that was empty when it was opened has all entries in memory and never reads the index,
 * until cells are evicted: entries after `asked` are then evicted with their cells, and the horizon
 * moves down.
 *
 * A key has a slot, and its data is in columns by slot, so a million keys are not a million
 * objects. A cache entry stores its slot and the slot its entry, so neither direction needs a
 * lookup; only keys whose cell is on disk are found by name. The heap orders slots by the instants
 * at which they were pushed, with four children per node. It deletes lazily: a slot that is no
 * longer due at its pushed instant is skipped at the top. It also moves lazily: a key whose instant
 * moves later, as a session's does with every record, stays in place until it reaches the top. Keys
 * of one instant are sorted when they are requested.
 */
import { grown } from '../base/grown.ts';

const fanOutBits = 2;
const fanOut = 1 << fanOutBits;
const firstSlots = 64;

/** The owner of a key's cell in memory; a key has one at a time. */
export interface DueOwner {
  readonly keyText: string;
  /** The key's slot, -1 when it has none; the index sets it. */
  dueSlot: number;
}

export class DueIndex<O extends DueOwner> {
  /** Slots without an owner, by key. */
  readonly #unowned = new Map<string, number>();
  /** Free slots, for reuse. */
  readonly #free: number[] = [];
  #used = 0;
  /**
   * By slot: the key, its due instant (NaN: the slot is free), and its instant in the heap (NaN: it
   * is not in the heap).
   */
  readonly #keyTexts: string[] = [];
  readonly #owners: (O | undefined)[] = [];
  #dues = new Float64Array(firstSlots);
  #lies = new Float64Array(firstSlots);
  /** The heap: instants and their slots. */
  #heapAt = new Float64Array(firstSlots);
  #heap = new Int32Array(firstSlots);
  #heapSize = 0;
  /**
   * Slots returned by `dueKeys`. Most get a new instant at once, so the rest goes back to the heap
   * only on the next request.
   */
  #given: number[] = [];
  /** All keys due at or before the horizon are in memory. */
  horizon = Number.NEGATIVE_INFINITY;
  /** The greatest instant up to which keys were requested. */
  asked = Number.NEGATIVE_INFINITY;

  /** Number of keys held in memory. */
  get size(): number {
    return this.#used - this.#free.length;
  }

  /** Sets the next due instant of the owner's key; +Infinity removes the key. */
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
   * As `set`, for a key whose cell is only on disk and has no owner.
   * @param due not +Infinity
   */
  setStored(keyText: string, due: number): void {
    const slot = this.#unowned.get(keyText) ?? this.#newSlot(keyText);
    this.#unowned.set(keyText, slot);
    this.#setDue(slot, due);
  }

  #setDue(slot: number, due: number): void {
    if (this.#dues[slot] === due) return;
    // A slot returned by `dueKeys` goes back to the heap on the next request.
    const isGiven = !Number.isNaN(this.#dues[slot]) && Number.isNaN(this.#lies[slot]);
    this.#dues[slot] = due;
    if (isGiven || due >= (this.#lies[slot] as number)) return;
    this.#push(slot);
    if (this.#heapSize > firstSlots && this.#heapSize > 4 * this.size) this.#compact();
  }

  /** Takes the slot of a key without an owner, which gets one now. */
  #taken(keyText: string): number | undefined {
    if (this.#unowned.size === 0) return undefined;
    const slot = this.#unowned.get(keyText);
    if (slot !== undefined) this.#unowned.delete(keyText);
    return slot;
  }

  /**
   * Removes the owner's key from memory: it is no longer due, or it is due after the horizon and
   * the disk has its entry.
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

  /** Removes all keys from memory. Their owners must be dropped as well. The disk is unchanged. */
  clear(): void {
    this.#unowned.clear();
    this.#free.length = 0;
    this.#keyTexts.length = 0;
    this.#owners.length = 0;
    this.#given = [];
    this.#used = 0;
    this.#heapSize = 0;
  }

  /** Call when a saved cell that is due at `due` is evicted, with the owner of the slot. */
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
   * Returns the keys due at or before `until`, in order, and their owners. They stay in the index
   * until they are set again.
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
    // No `map`: for arrays this long V8 deoptimises it each time.
    const keyTexts: string[] = [];
    const owners: (O | undefined)[] = [];
    for (const slot of given) {
      keyTexts.push(this.#keyTexts[slot] as string);
      owners.push(this.#owners[slot]);
    }
    return { keyTexts, owners };
  }

  /**
   * Visits the keys due at or before `until`, unordered, some perhaps twice; removes nothing from
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

  /** Allocates a slot for a key, without a due instant. */
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
