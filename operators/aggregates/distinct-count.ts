/**
 * Approximate number of distinct strings by HyperLogLog, in a bounded number of bytes.
 *
 * The hash of a string selects a register (its first `precision` bits) and a rank (the number of
 * leading zeroes of the rest, plus 1); a register keeps the greatest rank. So the order of strings
 * and merges does not matter. While few registers are in use, only those are stored, as `index * 64
 * + rank` ascending; then one byte per register.
 *
 * Estimate: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017),
 * section 4: unbiased from nothing to 10^18 without tables. Its relative standard error is 1.04 /
 * sqrt(2^precision): 1.6 % at 12.
 */
import { createHash } from 'node:crypto';
import { refusePromise } from '../../engine/base/promises.ts';
import {
  aFunction,
  checkSetting,
  checkSettings,
  optional,
  shown,
  wholeNumber,
} from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

/** Registers in use, or all of them. Read with `distinctCountOf`. */
export type DistinctCount = readonly number[] | Uint8Array;

/**
 * Approximate number of distinct strings; at most 2^precision bytes per key. The accumulator needs
 * the default serde (MessagePack) or one that keeps bytes.
 * @param options `precision` is 4 to 16, default 12: a standard error of 1.6 %
 * @throws CONFIG_INVALID for an invalid precision
 */
export function distinctCount<V>(
  of: (value: V) => string,
  options: { readonly precision?: number } = {},
): MergeableAggregate<V, DistinctCount> {
  checkSettings('distinctCount', options, { precision: optional(wholeNumber(4, 16)) });
  checkSetting('distinctCount.of', of, aFunction);
  const { precision = 12 } = options;
  return {
    name: `distinctCount(${precision})`,
    init: () => [],
    add: (known, value) => {
      const found: unknown = of(value);
      if (typeof found !== 'string') {
        refusePromise(found, "distinctCount's function");
        throw new TypeError(`distinctCount: expected a text from the record, got ${shown(found)}`);
      }
      return union(known, [entryOf(found, precision)], precision);
    },
    merge: (a, b) => (a.length < b.length ? union(b, a, precision) : union(a, b, precision)),
  };
}

/** The estimate, an integer. @param precision that of the aggregate */
export function distinctCountOf(count: DistinctCount, precision = 12): number {
  checkSetting('distinctCountOf.precision', precision, wholeNumber(4, 16));
  const registers = 2 ** precision;
  const ranks = 64 - precision;
  const histogram = new Array<number>(ranks + 2).fill(0);
  const note = (rank: number) => {
    histogram[rank] = (histogram[rank] as number) + 1;
  };
  if (isDense(count)) for (const rank of count) note(rank);
  else {
    histogram[0] = registers - count.length;
    for (const entry of count) note(entry % 64);
  }
  let z = registers * tau(1 - (histogram[ranks + 1] as number) / registers);
  for (let rank = ranks; rank >= 1; rank--) z = 0.5 * (z + (histogram[rank] as number));
  z += registers * sigma((histogram[0] as number) / registers);
  return Math.round(registers ** 2 / (2 * Math.LN2 * z));
}

function isDense(count: DistinctCount): count is Uint8Array {
  return !Array.isArray(count);
}

/** index * 64 + rank */
function entryOf(text: string, precision: number): number {
  const hash = createHash('sha1').update(text).digest();
  const [high, low] = [hash.readUInt32BE(0), hash.readUInt32BE(4)];
  const rest = (high << precision) >>> 0;
  const zeroes = rest === 0 ? 32 - precision + Math.clz32(low) : Math.clz32(rest);
  return (high >>> (32 - precision)) * 64 + zeroes + 1;
}

/** The greater rank of each register; `a` is not changed. */
function union(a: DistinctCount, b: DistinctCount, precision: number): DistinctCount {
  if (isDense(a) || isDense(b)) {
    const registers = isDense(a) ? Uint8Array.from(a) : denseOf(a, precision);
    raise(registers, b);
    return registers;
  }
  const merged = mergeEntries(a, b);
  // An entry takes up to five bytes in MessagePack.
  return merged.length > 2 ** precision / 8 ? denseOf(merged, precision) : merged;
}

function denseOf(entries: readonly number[], precision: number): Uint8Array {
  const registers = new Uint8Array(2 ** precision);
  raise(registers, entries);
  return registers;
}

function raise(registers: Uint8Array, by: DistinctCount): void {
  const one = (index: number, rank: number) => {
    if (rank > (registers[index] as number)) registers[index] = rank;
  };
  if (isDense(by)) for (let i = 0; i < by.length; i++) one(i, by[i] as number);
  else for (const entry of by) one(Math.floor(entry / 64), entry % 64);
}

function mergeEntries(a: readonly number[], b: readonly number[]): number[] {
  const merged: number[] = [];
  const push = (entry: number) => {
    const last = merged.at(-1);
    // The greater rank of a register comes later.
    if (last !== undefined && Math.floor(last / 64) === Math.floor(entry / 64)) merged.pop();
    merged.push(entry);
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [x = Number.POSITIVE_INFINITY, y = Number.POSITIVE_INFINITY] = [a[i], b[j]];
    push(Math.min(x, y));
    if (x <= y) i++;
    else j++;
  }
  return merged;
}

/** x + sum over k of x^(2^k) 2^(k-1): Ertl's sigma, the share of empty registers. */
function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let [x, y, z] = [share, 1, share];
  for (let before = -1; z !== before; ) {
    before = z;
    x *= x;
    z += x * y;
    y += y;
  }
  return z;
}

/** Ertl's tau: the share of registers that are not at the end of the scale. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let [x, y, z] = [share, 1, 1 - share];
  for (let before = -1; z !== before; ) {
    before = z;
    x = Math.sqrt(x);
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
