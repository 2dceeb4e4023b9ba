import { checked } from './faithful.ts';
import type { Serde } from './serde.ts';

/**
 * Safe integers as 8 big-endian bytes, two's complement: Java's LongSerializer. Refuses -0, which
 * has no bytes of its own.
 */
export const int64: Serde<number> = checked({
  format: 'int64',
  encode: (value) => {
    // It would come back as 0.
    if (Object.is(value, -0)) throw new RangeError('int64: -0 has no bytes of its own: write 0');
    if (!Number.isSafeInteger(value)) throw new RangeError(`int64: ${value} is not a safe integer`);
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(BigInt(value));
    return bytes;
  },
  decode: (bytes, start, end) => {
    if (end - start !== 8) throw new RangeError(`int64: expected 8 bytes, got ${end - start}`);
    const value = Number(bytes.readBigInt64BE(start));
    if (!Number.isSafeInteger(value)) throw new RangeError(`int64: ${value} is not a safe integer`);
    return value;
  },
});
