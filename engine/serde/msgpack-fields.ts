/**
 * Some fields of MessagePack maps, read straight from their bytes
 * (https://github.com/msgpack/msgpack, spec.md): what is not asked for is passed over by its head
 * and makes no object. Layouts that come again get a reader of their own (msgpack-layout.ts); this
 * one walks over any map. Values that are asked for and not plain are left to msgpackr.
 */

import { type LayoutReader, readByLayout } from './layout-reader.ts';
import {
  compileMap,
  type Name,
  nameBytesMost,
  namesMost,
  type ValueHelp,
} from './msgpack-layout.ts';

/** So many layouts get a reader, and so many maps that none of them fits are looked at for it. */
const [readersMost, looksMost] = [8, 256];

export class MsgpackFields {
  readonly #names: readonly string[];
  readonly #help: ValueHelp;
  /** Of the layouts that were seen; those that fit oftener come to the front. */
  readonly #readers: LayoutReader[] = [];
  #looks = looksMost;
  // Of the map at hand.
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** @param decode one whole value in bytes [start, end) */
  constructor(names: readonly string[], decode: ValueHelp['decode']) {
    this.#names = names;
    this.#help = { skip: this.#skipFrom, decode };
  }

  /**
   * The map's fields, in the order in which they were asked for; those it lacks, or that are
   * undefined, are not there. Throws RangeError of bytes that end too early or too late, TypeError
   * of what is no object.
   */
  decode(bytes: Buffer, start: number, end: number): Record<string, unknown> {
    return readByLayout(this.#readers, bytes, start, end) ?? this.#walk(bytes, start, end);
  }

  #walk(bytes: Buffer, start: number, end: number): Record<string, unknown> {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    const { decode } = this.#help;
    const count = this.#mapSize();
    if (count < 0) return this.#picked(decode(bytes, start, end));
    const head = bytes.subarray(start, this.#at);
    const values: unknown[] = [];
    const names: Name[] = [];
    for (let i = 0; i < count; i++) {
      const nameAt = this.#at;
      this.#skip();
      const at = this.#at;
      const field = this.#names.indexOf(String(decode(bytes, nameAt, at)));
      if (i < namesMost) names.push({ bytes: bytes.subarray(nameAt, at), field });
      this.#skip();
      if (field >= 0) values[field] = decode(bytes, at, this.#at);
    }
    if (this.#at !== end) throw new RangeError('msgpack: the value has the wrong length');
    if (this.#looks > 0 && count <= namesMost) this.#learn(head, names);
    return this.#objectOf((field) => values[field]);
  }

  #learn(head: Uint8Array, names: readonly Name[]): void {
    this.#looks--;
    if (names.length === 0 || names.some(({ bytes }) => bytes.byteLength > nameBytesMost)) return;
    const fields = names.map(({ field }) => field).filter((field) => field >= 0);
    if (new Set(fields).size < fields.length) return;
    try {
      this.#readers.push(compileMap(head, names, this.#names, this.#help));
      if (this.#readers.length === readersMost) this.#looks = 0;
    } catch (error) {
      // Where code must not be made at run time, all is read by this reader.
      if (!(error instanceof EvalError)) throw error;
      this.#looks = 0;
    }
  }

  #picked(value: unknown): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new TypeError('msgpack: the value is no object');
    }
    const fields = value as Record<string, unknown>;
    return this.#objectOf((_, name) => (Object.hasOwn(fields, name) ? fields[name] : undefined));
  }

  #objectOf(read: (field: number, name: string) => unknown): Record<string, unknown> {
    const found: Record<string, unknown> = {};
    this.#names.forEach((name, field) => {
      const value = read(field, name);
      if (value !== undefined) found[name] = value;
    });
    return found;
  }

  /** Passes over the head of a map; -1 when it is something else. */
  #mapSize(): number {
    const head = this.#byte();
    if (head >= 0x80 && head <= 0x8f) return head - 0x80;
    if (head === 0xde) return this.#uint(2);
    return head === 0xdf ? this.#uint(4) : -1;
  }

  readonly #skipFrom = (bytes: Buffer, at: number, end: number): number => {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#skip();
    return this.#at;
  };

  #skip(): void {
    for (let left = 1; left > 0; left--) left += this.#skipOne();
  }

  /** Passes over one value, but not over those it holds: answers how many they are. */
  #skipOne(): number {
    const head = this.#byte();
    if (head < 0x80 || head >= 0xe0) return 0;
    if (head <= 0x8f) return 2 * (head - 0x80);
    if (head <= 0x9f) return head - 0x90;
    if (head <= 0xbf) return this.#pass(head - 0xa0);
    if (head <= 0xc3) return 0;
    // Bytes, then extensions (with a type), of a length that is told.
    if (head <= 0xc6) return this.#pass(this.#uint(2 ** (head - 0xc4)));
    if (head <= 0xc9) return this.#pass(this.#uint(2 ** (head - 0xc7)) + 1);
    // float32, float64, then whole numbers of 1, 2, 4 and 8 bytes, without and with a sign.
    if (head <= 0xcb) return this.#pass(head === 0xca ? 4 : 8);
    if (head <= 0xd3) return this.#pass(2 ** ((head - 0xcc) % 4));
    // Extensions of 1, 2, 4, 8 and 16 bytes, then texts.
    if (head <= 0xd8) return this.#pass(2 ** (head - 0xd4) + 1);
    if (head <= 0xdb) return this.#pass(this.#uint(2 ** (head - 0xd9)));
    if (head <= 0xdd) return this.#uint(2 ** (head - 0xdc + 1));
    return 2 * this.#uint(2 ** (head - 0xde + 1));
  }

  #byte(): number {
    this.#pass(1);
    return this.#bytes[this.#at - 1] as number;
  }

  /** A whole number of 1, 2 or 4 bytes. */
  #uint(bytes: number): number {
    this.#pass(bytes);
    let value = 0;
    for (let i = this.#at - bytes; i < this.#at; i++)
      value = value * 256 + (this.#bytes[i] as number);
    return value;
  }

  #pass(bytes: number): 0 {
    this.#at += bytes;
    if (this.#at > this.#end) throw new RangeError('msgpack: the value ends too early');
    return 0;
  }
}
