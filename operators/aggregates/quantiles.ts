/**
 * Quantiles of a number by DDSketch (Masson, Rim, Lee, 2019): the width of bins grows with the
 * value, so every quantile has a relative `accuracy`. Sketches are added bin by bin, so the order
 * of records and merges does not matter. The library defines the mapping between values and bins.
 */
import type { DDSketch } from '@datadog/sketches-js';
import { onDemand } from '../../engine/base/on-demand.ts';
import { refusePromise } from '../../engine/base/promises.ts';
import {
  aFunction,
  share as aShare,
  between,
  checkSetting,
  checkSettings,
  optional,
} from '../../engine/base/settings.ts';
import type { MergeableAggregate } from '../aggregate-value.ts';

const sketches = onDemand<typeof import('@datadog/sketches-js')>('@datadog/sketches-js');

/** Bins of one sign in use, ascending by key. */
interface Bins {
  readonly keys: readonly number[];
  readonly counts: readonly number[];
}

/** Read with `quantileOf`. */
export interface Quantiles {
  readonly accuracy: number;
  readonly zeroes: number;
  readonly positive: Bins;
  readonly negative: Bins;
  /** null before the first record. */
  readonly min: number | null;
  readonly max: number | null;
}

/**
 * Maximal range of bin keys; beyond it, values near 0 share a bin: 17 orders of magnitude at 1 %.
 */
const binRange = 2_048;

/**
 * A sketch of a number taken from each record. A record whose number is not finite becomes a dead
 * letter.
 * @param options `accuracy` is the relative error of a quantile, above 0 and below 0.5, default
 * 0.01
 * @throws CONFIG_INVALID for an invalid accuracy
 */
export function quantiles<V>(
  of: (value: V) => number,
  options: { readonly accuracy?: number } = {},
): MergeableAggregate<V, Quantiles> {
  checkSettings('quantiles', options, { accuracy: optional(between(0, 0.5)) });
  checkSetting('quantiles.of', of, aFunction);
  const { accuracy = 0.01 } = options;
  const { mapping } = new (sketches().DDSketch)({ relativeAccuracy: accuracy });
  const none: Bins = { keys: [], counts: [] };
  const empty: Quantiles = {
    accuracy,
    zeroes: 0,
    positive: none,
    negative: none,
    min: null,
    max: null,
  };
  const one = (value: number): Quantiles => {
    if (typeof value === 'object') refusePromise(value, "quantiles' function");
    if (!Number.isFinite(value)) throw new RangeError(`${value} has no quantile`);
    const [min, max] = [value, value];
    if (Math.abs(value) <= mapping.minPossible) return { ...empty, zeroes: 1, min, max };
    const bins: Bins = { keys: [mapping.key(Math.abs(value))], counts: [1] };
    return { ...empty, [value > 0 ? 'positive' : 'negative']: bins, min, max };
  };
  return {
    name: `quantiles(${accuracy})`,
    init: () => empty,
    add: (sketch, value) => merged(sketch, one(of(value))),
    merge: merged,
  };
}

/**
 * The value at a share of the ranked records, 0 to 1 (0.5 is the median), within the accuracy of
 * the value at rank floor(share * (n - 1)). Undefined for an empty sketch.
 * @throws CONFIG_INVALID for a share that is not from 0 to 1
 */
export function quantileOf(sketch: Quantiles, share: number): number | undefined {
  checkSetting('quantileOf.share', share, aShare);
  const { min, max } = sketch;
  if (min === null || max === null) return undefined;
  const full = new (sketches().DDSketch)({ relativeAccuracy: sketch.accuracy });
  const fill = (store: DDSketch['store'], { keys, counts }: Bins) => {
    for (const [i, key] of keys.entries()) store.add(key, counts[i] as number);
  };
  fill(full.store, sketch.positive);
  fill(full.negativeStore, sketch.negative);
  full.zeroCount = sketch.zeroes;
  full.count = full.store.count + full.negativeStore.count + sketch.zeroes;
  return Math.min(max, Math.max(min, full.getValueAtQuantile(share)));
}

function merged(a: Quantiles, b: Quantiles): Quantiles {
  if (a.min === null || a.max === null) return b;
  if (b.min === null || b.max === null) return a;
  return {
    accuracy: a.accuracy,
    zeroes: a.zeroes + b.zeroes,
    positive: mergedBins(a.positive, b.positive),
    negative: mergedBins(a.negative, b.negative),
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}

function mergedBins(a: Bins, b: Bins): Bins {
  if (a.keys.length === 0) return b;
  if (b.keys.length === 0) return a;
  const least = Math.max(a.keys.at(-1) as number, b.keys.at(-1) as number) - binRange + 1;
  const keys: number[] = [];
  const counts: number[] = [];
  const push = (key: number, count: number) => {
    const bin = Math.max(key, least);
    if (keys.at(-1) === bin) counts[counts.length - 1] = (counts.at(-1) as number) + count;
    else {
      keys.push(bin);
      counts.push(count);
    }
  };
  let [i, j] = [0, 0];
  while (i < a.keys.length || j < b.keys.length) {
    const [x = Number.POSITIVE_INFINITY, y = Number.POSITIVE_INFINITY] = [a.keys[i], b.keys[j]];
    if (x <= y) push(x, a.counts[i++] as number);
    else push(y, b.counts[j++] as number);
  }
  return { keys, counts };
}
