/** Lateness in sliding windows. */
import { isClosed } from '../engine/time/closed.ts';
import type { SlidingWindow } from '../engine/time/windows/window-spec.ts';

/**
 * A record is late if its last window is closed. It is also late if its source has closed its first
 * window but the watermark has not: the windows of a key share their content, so whether it counted
 * in the closed one would depend on the watermark.
 * @param judged the record's stand, ms UTC
 * @param passed how far the watermark has passed, ms UTC
 */
export function isLateForSome(
  { bySource }: { readonly bySource: boolean },
  spec: SlidingWindow,
  at: number,
  judged: number,
  passed: number,
): boolean {
  if (isClosed(spec, at + spec.sizeMs, judged)) return true;
  return bySource && passed < judged && isClosed(spec, at, judged);
}
