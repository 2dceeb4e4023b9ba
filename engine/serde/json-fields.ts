/**
 * Reads selected fields of JSON objects directly from their bytes: other fields are skipped without
 * allocating. Repeated layouts get a compiled reader (json-layout.ts); this one handles any layout.
 * Unusual content (an escape, a nested value, an exponent) is left to JSON.parse.
 */
import { latin1 } from '../base/bytes.ts';
import { compileLayout, exactDigits, layoutOf, powersOfTen } from './json-layout.ts';
import { type LayoutReader, readByLayout } from './layout-reader.ts';

const [quote, backslash, comma, colon] = [0x22, 0x5c, 0x2c, 0x3a];
const [openObject, closeObject, openArray, closeArray] = [0x7b, 0x7d, 0x5b, 0x5d];
const [minus, dot, zero, nine, space] = [0x2d, 0x2e, 0x30, 0x39, 0x20];
/** Limits: compiled readers, and layouts that are remembered. */
const [readersMost, layoutsMost] = [8, 64];

export class JsonFields {
  readonly #names: readonly string[];
  readonly #bytesOf: readonly Buffer[];
  /** Readers of repeated layouts; frequently used ones move to the front. */
  readonly #readers: LayoutReader[] = [];
  /** Layouts seen once. */
  readonly #layouts = new Set<string>();
  #isLearning = true;
  // The current object.
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #end = 0;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#bytesOf = names.map((name) => Buffer.from(JSON.stringify(name).slice(1, -1)));
  }

  /**
   * Returns the requested fields, in the order of the request; missing fields are absent.
   * @throws SyntaxError
   */
  decode(bytes: Buffer, start: number, end: number): Record<string, unknown> {
    const known = readByLayout(this.#readers, bytes, start, end);
    if (known !== undefined) return known;
    const found = this.#read(bytes, start, end);
    if (this.#isLearning) this.#learn(bytes, start, end);
    return found;
  }

  #learn(bytes: Buffer, start: number, end: number): void {
    const layout = layoutOf(bytes.toString('utf8', start, end));
    if (layout === undefined) return;
    const id = JSON.stringify(layout);
    if (this.#layouts.has(id)) {
      try {
        this.#readers.push(compileLayout(layout, this.#names, { skip: this.#skip }));
      } catch (error) {
        // If code generation is not allowed, this reader reads everything.
        if (!(error instanceof EvalError)) throw error;
        this.#isLearning = false;
      }
      this.#layouts.delete(id);
    } else this.#layouts.add(id);
    if (this.#readers.length === readersMost || this.#layouts.size === layoutsMost) {
      this.#isLearning = false;
      this.#layouts.clear();
    }
  }

  readonly #skip = (bytes: Buffer, at: number, end: number): number => {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#skipValue();
    return this.#at;
  };

  #read(bytes: Buffer, start: number, end: number): Record<string, unknown> {
    const values: unknown[] = [];
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#expect(openObject);
    if (this.#next() !== closeObject) {
      for (;;) {
        const field = this.#field();
        this.#expect(colon);
        if (field < 0) this.#skipValue();
        else values[field] = this.#value();
        if (this.#next() !== comma) break;
        this.#at++;
      }
    }
    this.#expect(closeObject);
    if (this.#next() !== -1) throw this.#wrong();
    const found: Record<string, unknown> = {};
    this.#names.forEach((name, i) => {
      if (values[i] !== undefined) found[name] = values[i];
    });
    return found;
  }

  /** Returns the next byte that is not white space; -1 at the end. */
  #next(): number {
    while (this.#at < this.#end) {
      const byte = this.#bytes[this.#at] as number;
      if (byte > space) return byte;
      this.#at++;
    }
    return -1;
  }

  #expect(byte: number): void {
    if (this.#next() !== byte) throw this.#wrong();
    this.#at++;
  }

  /** Skips a name; returns its index among the requested names, or -1. */
  #field(): number {
    if (this.#next() !== quote) throw this.#wrong();
    const start = this.#at + 1;
    const plain = this.#skipText();
    const end = this.#at - 1;
    if (!plain) {
      // It may be a requested name in another spelling.
      return this.#names.indexOf(JSON.parse(this.#bytes.toString('utf8', start - 1, end + 1)));
    }
    for (let i = 0; i < this.#bytesOf.length; i++) {
      const name = this.#bytesOf[i] as Buffer;
      if (name.byteLength !== end - start) continue;
      let same = 0;
      while (same < name.byteLength && name[same] === this.#bytes[start + same]) same++;
      if (same === name.byteLength) return i;
    }
    return -1;
  }

  #value(): unknown {
    const first = this.#next();
    const start = this.#at;
    if (first === quote) {
      if (this.#skipText()) return latin1(this.#bytes, start + 1, this.#at - 1);
    } else if (first === minus || (first >= zero && first <= nine)) {
      return this.#number();
    } else this.#skipValue();
    return JSON.parse(this.#bytes.toString('utf8', start, this.#at));
  }

  #number(): number {
    const start = this.#at;
    const negative = this.#bytes[start] === minus;
    if (negative) this.#at++;
    const first = this.#at;
    let [value, digits, point] = [0, 0, -1];
    for (; this.#at < this.#end; this.#at++) {
      const byte = this.#bytes[this.#at] as number;
      if (byte >= zero && byte <= nine) {
        value = value * 10 + (byte - zero);
        digits++;
      } else if (byte === dot && point < 0) point = digits;
      else break;
    }
    const stop = this.#at;
    this.#skipScalar();
    const whole = point < 0 ? digits : point;
    const isPlain =
      this.#at === stop &&
      digits <= exactDigits &&
      whole > 0 &&
      (whole === 1 || this.#bytes[first] !== zero) &&
      point !== digits;
    if (!isPlain) return JSON.parse(this.#bytes.toString('latin1', start, this.#at)) as number;
    const size = point < 0 ? value : value / (powersOfTen[digits - point] as number);
    return negative ? -size : size;
  }

  #skipValue(): void {
    const first = this.#next();
    if (first === quote) {
      this.#skipText();
      return;
    }
    if (first !== openObject && first !== openArray) {
      const start = this.#at;
      this.#skipScalar();
      if (this.#at === start) throw this.#wrong();
      return;
    }
    for (let depth = 0; ; ) {
      const byte = this.#next();
      if (byte < 0) throw this.#wrong();
      if (byte === quote) {
        this.#skipText();
        continue;
      }
      this.#at++;
      if (byte === openObject || byte === openArray) depth++;
      else if ((byte === closeObject || byte === closeArray) && --depth === 0) return;
    }
  }

  /** Skips to the end of a number or a word. */
  #skipScalar(): void {
    for (; this.#at < this.#end; this.#at++) {
      const byte = this.#bytes[this.#at] as number;
      if (byte <= space || byte === comma || byte === closeObject || byte === closeArray) return;
    }
  }

  /** Skips a quoted string; returns true if its bytes are its characters: ASCII without escapes. */
  #skipText(): boolean {
    let plain = true;
    for (this.#at++; this.#at < this.#end; this.#at++) {
      const byte = this.#bytes[this.#at] as number;
      if (byte === quote) {
        this.#at++;
        return plain;
      }
      if (byte === backslash) this.#at++;
      if (byte === backslash || byte >= 0x80 || byte < space) plain = false;
    }
    throw this.#wrong();
  }

  #wrong(): SyntaxError {
    return new SyntaxError(`not JSON of an object: unexpected at byte ${this.#at}`);
  }
}
