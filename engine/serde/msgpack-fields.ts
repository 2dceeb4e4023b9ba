/**
 * Reads selected fields of MessagePack maps directly from their bytes
 * (https://github.com/msgpack/msgpack, spec.md): other fields are skipped by their length without
 * allocating. Repeated layouts get a compiled reader (msgpack-layout.ts); this one handles any map.
 * Requested values that are not plain are left to msgpackr.
 */

import { type LayoutReader, readByLayout } from './layout-reader.ts';
import {
  compileMap,
  type Name,
  nameBytesMost,
  namesMost,
  type ValueHelp,
} from './msgpack-layout.ts';

/** Limits: compiled readers, and unmatched maps that are examined for a new one. */
const [readersMost, looksMost] = [8, 256];

export class MsgpackFields {
  readonly #names: readonly string[];
  readonly #help: ValueHelp;
  /** Readers of known layouts; frequently used ones move to the front. */
  readonly #readers: LayoutReader[] = [];
  #looks = looksMost;
  // The current map.
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  /** @param decode decodes one whole value in bytes [start, end) */
  constructor(names: readonly string[], decode: ValueHelp['decode']) {
    this.#names = names;
    this.#help = { skip: this.#skipFrom, decode };
  }

  /**
   * Returns the requested fields, in the order of the request; missing and undefined fields are
   * absent.
   * @throws RangeError if the bytes end too early or too late, TypeError if the value is not an
   * object
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
      // If code generation is not allowed, this reader reads everything.
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

  /** Skips the head of a map; returns its size, or -1 for anything else. */
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

  /** Skips one value without its members; returns the number of members. */
  #skipOne(): number {
    const head = this.#byte();
    if (head < 0x80 || head >= 0xe0) return 0;
    if (head <= 0x8f) return 2 * (head - 0x80);
    if (head <= 0x9f) return head - 0x90;
    if (head <= 0xbf) return this.#pass(head - 0xa0);
    if (head <= 0xc3) return 0;
    // Bytes, then extensions (with a type), with an explicit length.
    if (head <= 0xc6) return this.#pass(this.#uint(2 ** (head - 0xc4)));
    if (head <= 0xc9) return this.#pass(this.#uint(2 ** (head - 0xc7)) + 1);
    // float32, float64, then integers of 1, 2, 4 and 8 bytes, unsigned and signed.
    if (head <= 0xcb) return this.#pass(head === 0xca ? 4 : 8);
    if (head <= 0xd3) return this.#pass(2 ** ((head - 0xcc) % 4));
    // Extensions of 1, 2, 4, 8 and 16 bytes, then strings.
    if (head <= 0xd8) return this.#pass(2 ** (head - 0xd4) + 1);
    if (head <= 0xdb) return this.#pass(this.#uint(2 ** (head - 0xd9)));
    if (head <= 0xdd) return this.#uint(2 ** (head - 0xdc + 1));
    return 2 * this.#uint(2 ** (head - 0xde + 1));
  }

  #byte(): number {
    this.#pass(1);
    return this.#bytes[this.#at - 1] as number;
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
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
