/**
 * CRC-32C (Castagnoli), the checksum of every batch in the log. Uses @node-rs/crc32, whose binary
 * is an optional package; without it, a JavaScript implementation is used, about five times slower.
 */
import { asBuffer } from './bytes.ts';
import { onDemand } from './on-demand.ts';

type Checksum = (bytes: Buffer, before?: number) => number;

const library = onDemand<{ readonly crc32c: Checksum }>('@node-rs/crc32');
let chosen: Checksum | undefined;

/** @param before the checksum of the bytes before `bytes` */
export function crc32c(bytes: Uint8Array, before?: number): number {
  chosen ??= nativeOr(crc32cOfScript);
  return chosen(asBuffer(bytes), before);
}

function nativeOr(script: Checksum): Checksum {
  try {
    return library().crc32c;
  } catch {
    return script;
  }
}

const polynomial = 0x82f63b78;
/** Bytes processed at once, each with its own table. */
const slices = 8;
let tables: Int32Array | undefined;

function makeTables(): Int32Array {
  const made = new Int32Array(256 * slices);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    made[byte] = crc;
  }
  for (let i = 256; i < made.length; i++) {
    const before = made[i - 256] as number;
    made[i] = (before >>> 8) ^ (made[before & 0xff] as number);
  }
  return made;
}

/** The same in JavaScript: slicing by eight (Kounavis and Berry, 2005). */
export function crc32cOfScript(bytes: Buffer, before = 0): number {
  tables ??= makeTables();
  const t = tables;
  let crc = ~before;
  let i = 0;
  for (; i + slices <= bytes.length; i += slices) {
    const low = crc ^ bytes.readInt32LE(i);
    const high = bytes.readInt32LE(i + 4);
    crc =
      (t[0x700 | (low & 0xff)] as number) ^
      (t[0x600 | ((low >>> 8) & 0xff)] as number) ^
      (t[0x500 | ((low >>> 16) & 0xff)] as number) ^
      (t[0x400 | (low >>> 24)] as number) ^
      (t[0x300 | (high & 0xff)] as number) ^
      (t[0x200 | ((high >>> 8) & 0xff)] as number) ^
      (t[0x100 | ((high >>> 16) & 0xff)] as number) ^
      (t[high >>> 24] as number);
  }
  for (; i < bytes.length; i++) {
    crc = (crc >>> 8) ^ (t[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}
