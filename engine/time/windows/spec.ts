/**
 * Windows as values. All sizes are milliseconds. Grace is required: how long after a window's end
 * late records are still taken in is the author's decision, not a default.
 */
import { MillraceError } from '../../base/errors.ts';

/** `[start, start + sizeMs)`, a start every `advanceMs`; tumbling when the two are equal. */
export interface HoppingWindow {
  readonly type: 'hopping';
  readonly sizeMs: number;
  readonly advanceMs: number;
  readonly graceMs: number;
}

/** `[end - sizeMs, end]`, both ends inclusive, one for every set of records that fits. */
export interface SlidingWindow {
  readonly type: 'sliding';
  readonly sizeMs: number;
  readonly graceMs: number;
}

/** `[first, last]`, both inclusive, of records no more than `gapMs` apart. */
export interface SessionWindow {
  readonly type: 'session';
  readonly gapMs: number;
  readonly graceMs: number;
}

export type WindowSpec = HoppingWindow | SlidingWindow | SessionWindow;

/** `[start, start + size)` side by side, aligned to the epoch. */
export function tumbling(options: {
  readonly size: number;
  readonly grace: number;
}): HoppingWindow {
  return hopping({ ...options, advance: options.size });
}

/** `[start, start + size)`, one every `advance`, aligned to the epoch. `advance` ≤ `size`. */
export function hopping(options: {
  readonly size: number;
  readonly advance: number;
  readonly grace: number;
}): HoppingWindow {
  positive('size', options.size);
  positive('advance', options.advance);
  notNegative('grace', options.grace);
  if (options.advance > options.size) fail('advance', 'must not be greater than size');
  return Object.freeze({
    type: 'hopping',
    sizeMs: options.size,
    advanceMs: options.advance,
    graceMs: options.grace,
  });
}

/** Windows of `size` that slide with the records; both ends inclusive. */
export function sliding(options: { readonly size: number; readonly grace: number }): SlidingWindow {
  positive('size', options.size);
  notNegative('grace', options.grace);
  return Object.freeze({ type: 'sliding', sizeMs: options.size, graceMs: options.grace });
}

/** Sessions that end after `gap` without a record; a gap of exactly `gap` still joins. */
export function session(options: { readonly gap: number; readonly grace: number }): SessionWindow {
  positive('gap', options.gap);
  notNegative('grace', options.grace);
  return Object.freeze({ type: 'session', gapMs: options.gap, graceMs: options.grace });
}

function positive(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value <= 0) fail(field, 'must be a positive integer (ms)');
}

function notNegative(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) fail(field, 'must be an integer (ms), 0 or more');
}

function fail(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field: `window.${field}`, problem });
}
