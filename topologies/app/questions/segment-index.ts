/**
 * The members of all segments, for sizes and lists. The index reads the compacted topic of the last
 * states to its end when something is asked, and goes on from there the next time. Every process
 * reads the whole topic, so each can answer for all. A subject is a row of a key table, and a
 * segment is one bit for each row: a million subjects in a hundred segments take about 60 MB.
 * Nothing is read before the first question.
 */
import { MillraceError } from 'millrace';
import type { Log, PackedBatch } from 'millrace/engine';
import {
  type Clock,
  KeyTable,
  keyTextOf,
  murmur2,
  type Scheduler,
  systemClock,
  systemScheduler,
} from '../../../engine/cli/index.ts';
import { segmentStates } from '../../event.ts';

const recordsPerRead = 4_000;
/** The longest time that other work on this thread waits, ms. */
const sliceMs = 5;
const barCode = '|'.charCodeAt(0);
/** How the state of a member begins when it is written; other values are parsed as JSON. */
const isIn = Buffer.from('{"in":true,');
const isOut = Buffer.from('{"in":false,');

/**
 * A place in the list of a segment; members are ordered by the hash of their names, then by name.
 */
export interface MemberCursor {
  readonly hash: number;
  /** The bytes of the name as text. */
  readonly keyText: string;
}

export interface MemberPage {
  readonly members: readonly string[];
  readonly next?: MemberCursor;
}

export interface Overlap {
  readonly first: string;
  readonly second: string;
  readonly both: number;
}

interface Members {
  /** One bit for each row. */
  bits: Uint32Array;
  size: number;
}

export class SegmentIndex {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #subjects = new KeyTable();
  /** By row. */
  #hashes = new Uint32Array(1_024);
  readonly #segments = new Map<string, Members>();
  /** Next offset by partition; undefined before the first reading. */
  #positions: number[] | undefined;
  #reading: Promise<void> | undefined;

  constructor(log: Log, clock: Clock = systemClock, scheduler: Scheduler = systemScheduler) {
    this.#log = log;
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** Reads everything that is in the log when this is called. */
  async catchUp(): Promise<void> {
    // The current reading may have begun before the caller's commit.
    await this.#reading?.catch(() => {});
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  sizeOf(segment: string): number {
    return this.#segments.get(segment)?.size ?? 0;
  }

  /** The number of members that two segments share. */
  overlapOf(one: string, other: string): number {
    const [a, b] = [this.#segments.get(one)?.bits, this.#segments.get(other)?.bits];
    if (a === undefined || b === undefined) return 0;
    let count = 0;
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      count += bitsOf((a[i] as number) & (b[i] as number));
    }
    return count;
  }

  /** All pairs of some segments that share members, the first id before the second. */
  async overlaps(segments: readonly string[]): Promise<readonly Overlap[]> {
    const pairs: Overlap[] = [];
    const sorted = [...segments].sort();
    let slice = this.#clock.monotonic();
    for (const [i, first] of sorted.entries()) {
      for (const second of sorted.slice(i + 1)) {
        const both = this.overlapOf(first, second);
        if (both > 0) pairs.push({ first, second, both });
        if (this.#clock.monotonic() - slice <= sliceMs) continue;
        await this.#scheduler.yieldNow();
        slice = this.#clock.monotonic();
      }
    }
    return pairs;
  }

  /** Members after a place. A subject that is a member throughout is on exactly one page. */
  async membersOf(segment: string, limit: number, after?: MemberCursor): Promise<MemberPage> {
    const bits = this.#segments.get(segment)?.bits ?? new Uint32Array(0);
    let found: number[] = [];
    let most = 0xffff_ffff;
    let slice = this.#clock.monotonic();
    for (let word = 0; word < bits.length; word++) {
      for (let left = bits[word] as number; left !== 0; left &= left - 1) {
        const row = 32 * word + 31 - Math.clz32(left & -left);
        const hash = this.#hashes[row] as number;
        if (hash > most || (after !== undefined && !this.#isBehind(row, hash, after))) continue;
        found.push(row);
      }
      if (found.length > 4 * limit + 1_024) {
        found = this.#first(found, limit + 1);
        most = this.#hashes[found.at(-1) as number] as number;
      }
      if (word % 1_024 === 1_023 && this.#clock.monotonic() - slice > sliceMs) {
        await this.#scheduler.yieldNow();
        slice = this.#clock.monotonic();
      }
    }
    const page = this.#first(found, limit + 1);
    const shown = page.slice(0, limit);
    const members = shown.map((row) => this.#subjects.keyOf(row).toString());
    const last = shown.at(-1);
    if (page.length <= limit || last === undefined) return { members };
    const [hash, keyText] = [this.#hashes[last] as number, this.#subjects.keyTextOf(last)];
    return { members, next: { hash, keyText } };
  }

  #isBehind(row: number, hash: number, after: MemberCursor): boolean {
    return (
      hash > after.hash || (hash === after.hash && this.#subjects.keyTextOf(row) > after.keyText)
    );
  }

  #first(rows: readonly number[], count: number): number[] {
    const keyTextOf = (row: number) => this.#subjects.keyTextOf(row);
    const sorted = [...rows].sort((a, b) => {
      const [one, other] = [this.#hashes[a] as number, this.#hashes[b] as number];
      if (one !== other) return one - other;
      return keyTextOf(a) < keyTextOf(b) ? -1 : 1;
    });
    return sorted.slice(0, count);
  }

  async #read(): Promise<void> {
    const topic = segmentStates.name;
    const found = (await this.#log.topics()).find(({ name }) => name === topic);
    if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
    const positions = this.#positions ?? [];
    this.#positions = positions;
    let slice = this.#clock.monotonic();
    for (let partition = 0; partition < found.partitions; partition++) {
      const at = { topic, partition };
      const end = await this.#log.endOffset(at);
      let from = Math.max(positions[partition] ?? 0, await this.#log.startOffset(at));
      while (from < end) {
        const batch = await this.#log.read(at, from, { records: recordsPerRead });
        if (batch === undefined) break;
        for (let i = 0; i < batch.count; i++) {
          if ((batch.offsets[i] as number) >= from) this.#take(batch, i);
          if (i % 256 !== 255 || this.#clock.monotonic() - slice <= sliceMs) continue;
          await this.#scheduler.yieldNow();
          slice = this.#clock.monotonic();
        }
        from = batch.nextOffset;
        positions[partition] = from;
      }
      positions[partition] = from;
    }
  }

  #take(batch: PackedBatch, i: number): void {
    const [key, value] = [batch.key(i), batch.value(i)];
    const bar = key?.lastIndexOf(barCode) ?? -1;
    if (key === null || bar < 0) return;
    const isMember = value !== null && isMemberState(value);
    const segment = key.toString('latin1', bar + 1);
    const known = this.#segments.get(segment);
    const subject = key.subarray(0, bar);
    const keyText = keyTextOf(subject);
    let row = this.#subjects.rowOf(keyText);
    if (row < 0) {
      if (!isMember) return;
      row = this.#subjects.add(keyText);
      while (row >= this.#hashes.length) this.#hashes = longer(this.#hashes);
      this.#hashes[row] = murmur2(subject) >>> 0;
    }
    const members = known ?? { bits: new Uint32Array(32), size: 0 };
    if (known === undefined) this.#segments.set(segment, members);
    const [word, bit] = [row >>> 5, 1 << (row & 31)];
    while (word >= members.bits.length) members.bits = longer(members.bits);
    const before = members.bits[word] as number;
    if (((before & bit) !== 0) === isMember) return;
    members.bits[word] = before ^ bit;
    members.size += isMember ? 1 : -1;
  }
}

function isMemberState(value: Buffer): boolean {
  const begins = (mark: Buffer) => value.subarray(0, mark.byteLength).equals(mark);
  if (begins(isIn)) return true;
  if (begins(isOut)) return false;
  return (segmentStates.value.decode(value, 0, value.byteLength) as { in?: unknown }).in === true;
}

function longer(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const made = new Uint32Array(2 * array.length);
  made.set(array);
  return made;
}

function bitsOf(word: number): number {
  let bits = word - ((word >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
