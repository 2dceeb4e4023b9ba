/**
 * Bytes: comparison, order-preserving numbers and key texts.
 *
 * A key text is the Latin-1 string of a key's bytes: one character a byte, so it is a Map key,
 * keeps the order of the bytes (JavaScript compares strings by code unit) and turns back into the
 * bytes.
 */

export const emptyBytes: Buffer = Buffer.alloc(0);

/** A Buffer over the same memory as `bytes`, never a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function keyTextOf(keyBytes: Uint8Array): string {
  return asBuffer(keyBytes).toString('latin1');
}

export function bytesOfKeyText(keyText: string): Buffer {
  return Buffer.from(keyText, 'latin1');
}

/** Largest byte length that `writeOrderedTime` writes. */
export const orderedTimeBytes = 8;

/** Added to the high half, so that negative times sort first. */
const highBias = 2 ** 21;

/**
 * Writes an integer in [-2^53, 2^53] as 8 bytes whose byte order is the numeric order.
 * Returns the position after it.
 */
export function writeOrderedTime(target: Buffer, at: number, time: number): number {
  const high = Math.floor(time / 2 ** 32);
  target.writeUInt32BE(high + highBias, at);
  target.writeUInt32BE(time - high * 2 ** 32, at + 4);
  return at + orderedTimeBytes;
}

export function readOrderedTime(source: Buffer, at: number): number {
  return (source.readUInt32BE(at) - highBias) * 2 ** 32 + source.readUInt32BE(at + 4);
}

/** The smallest byte string greater than every string with this prefix; null: no bound. */
export function prefixEnd(prefix: Uint8Array): Buffer | null {
  const end = Buffer.from(prefix);
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] as number;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1);
    }
  }
  return null;
}

/** Up to this many bytes, a loop copies faster than a call. */
export const copiedByLoop = 80;

/** Up to this many bytes, a loop over views copies faster than a call. */
const copiedByWords = 256;

/** Copies bytes [start, start + length) of a view into another view. */
export function copyView(
  to: DataView,
  at: number,
  from: DataView,
  start: number,
  length: number,
): void {
  if (length > copiedByWords) {
    const target = new Uint8Array(to.buffer, to.byteOffset + at, length);
    target.set(new Uint8Array(from.buffer, from.byteOffset + start, length));
    return;
  }
  let i = 0;
  for (; i < length - 3; i += 4) to.setInt32(at + i, from.getInt32(start + i));
  for (; i < length; i++) to.setInt8(at + i, from.getInt8(start + i));
}

/** Maximal UTF-8 bytes of a UTF-16 unit. */
export const utf8Most = 3;

/** Writes text as UTF-8; there must be room. Returns the number of bytes. */
export function writeText(target: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > copiedByLoop) return target.write(text, at);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return target.write(text, at);
    target[at + i] = unit;
  }
  return length;
}

/** Writes text with one byte per character, like key texts; there must be room. */
export function writeLatin1(target: Buffer, text: string, at: number): void {
  const { length } = text;
  if (length > copiedByLoop) target.write(text, at, 'latin1');
  else for (let i = 0; i < length; i++) target[at + i] = text.charCodeAt(i);
}

type Latin1Slice = (this: Uint8Array, from: number, to: number) => string;
/** The function behind `toString`; calling it directly saves half the time for a short string. */
const latin1Slice: Latin1Slice =
  (Buffer.prototype as { latin1Slice?: Latin1Slice }).latin1Slice ??
  function (from, to) {
    return (this as Buffer).toString('latin1', from, to);
  };

/** Up to this length, building a string from character codes is faster than a call into C++. */
const speltMost = 16;

type Spell = (bytes: Uint8Array, from: number, length: number) => string;

/**
 * Builds a string of up to `speltMost` characters from their codes in one call. The code is
 * generated for each length, because collecting the codes in an array costs more than the saved
 * call. Undefined if code generation is not allowed.
 */
function speller(): Spell | undefined {
  const cases = Array.from({ length: speltMost + 1 }, (_, length) => {
    const codes = Array.from({ length }, (_, i) => `b[at + ${i}]`);
    return `case ${length}: return text(${codes.join(', ')});`;
  });
  try {
    const body = `return (b, at, length) => { switch (length) { ${cases.join('\n')} } };`;
    return new Function('text', body)(String.fromCharCode) as Spell;
  } catch (error) {
    if (error instanceof EvalError) return undefined;
    throw error;
  }
}

const spell = speller();

/** Bytes [from, to) as text, one character per byte. */
export function latin1(bytes: Buffer, from: number, to: number): string {
  const length = to - from;
  if (spell === undefined || length > speltMost) return latin1Slice.call(bytes, from, to);
  return spell(bytes, from, length);
}
