/**
 * The common interface of compiled readers (json-layout.ts, msgpack-layout.ts).
 */
import { moveForward } from '../base/move-forward.ts';

/**
 * Returns the wanted fields of the object in bytes [start, end); undefined if it has another
 * layout.
 */
export type LayoutReader = (
  bytes: Buffer,
  start: number,
  end: number,
) => Record<string, unknown> | undefined;

/**
 * Returns the result of the first matching reader; undefined if none matches. Frequently used
 * readers move to the front.
 */
export function readByLayout(
  readers: LayoutReader[],
  bytes: Buffer,
  start: number,
  end: number,
): Record<string, unknown> | undefined {
  for (let i = 0; i < readers.length; i++) {
    const found = (readers[i] as LayoutReader)(bytes, start, end);
    if (found === undefined) continue;
    moveForward(readers, i);
    return found;
  }
  return undefined;
}
