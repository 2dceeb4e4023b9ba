/**
 * Record headers: a few name -> text pairs, kept as bytes until they are read. Format: for each
 * pair u16 length, UTF-8 name, u32 length, UTF-8 value (little-endian).
 */
import { asBuffer, emptyBytes } from '../base/bytes.ts';

export type Headers = Readonly<Record<string, string>>;

export function encodeHeaders(headers: Headers): Buffer {
  return encodePairs(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]));
}

/** A longer name is refused, not cut; bytes. */
export const nameBytesMax = 0xffff;

/** Encodes pairs in order; names may repeat; values may be any bytes. */
export function encodePairs(pairs: readonly (readonly [name: string, value: Buffer])[]): Buffer {
  if (pairs.length === 0) return emptyBytes;
  const parts: Buffer[] = [];
  for (const [name, value] of pairs) {
    const nameBytes = Buffer.from(name);
    if (nameBytes.byteLength > nameBytesMax) {
      throw new RangeError(
        `a header's name has ${nameBytes.byteLength} bytes, ${nameBytesMax} at most`,
      );
    }
    const lengths = Buffer.alloc(6);
    lengths.writeUInt16LE(nameBytes.byteLength, 0);
    lengths.writeUInt32LE(value.byteLength, 2);
    parts.push(lengths.subarray(0, 2), nameBytes, lengths.subarray(2), value);
  }
  return Buffer.concat(parts);
}

export function decodeHeaders(bytes: Uint8Array): Headers {
  // Defined, not assigned, because a header may be called `__proto__`.
  return Object.fromEntries(decodePairs(bytes).map(([name, value]) => [name, value.toString()]));
}

/** Decodes all pairs in order; values are views. */
export function decodePairs(bytes: Uint8Array): [name: string, value: Buffer][] {
  const source = asBuffer(bytes);
  const pairs: [name: string, value: Buffer][] = [];
  let at = 0;
  while (at < source.byteLength) {
    const nameEnd = at + 2 + source.readUInt16LE(at);
    const valueEnd = nameEnd + 4 + source.readUInt32LE(nameEnd);
    const name = source.toString('utf8', at + 2, nameEnd);
    pairs.push([name, source.subarray(nameEnd + 4, valueEnd)]);
    at = valueEnd;
  }
  return pairs;
}
