/** Which records sliding windows refuse. */
import { isClosed } from '../engine/time/closed.ts';
import type { SlidingWindow } from '../engine/time/windows/window-spec.ts';

/**
 * A record is late when its last window is closed. Where its source has closed its first window and
 * the watermark has not, it is late as well: the windows of a key share what they hold, so that it
 * would count in a closed one or not by how far the watermark has come.
 * @param judged how far the record's source stood; @param passed how far the watermark has passed,
 * ms UTC
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
