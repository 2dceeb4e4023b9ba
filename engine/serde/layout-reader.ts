/**
 * What compiled readers of one layout have in common, whatever the format (json-layout.ts,
 * msgpack-layout.ts).
 */
import { moveForward } from '../base/move-forward.ts';

/** The wanted fields of the object in bytes [start, end); undefined when it has another layout. */
export type LayoutReader = (
  bytes: Buffer,
  start: number,
  end: number,
) => Record<string, unknown> | undefined;

/**
 * What the first reader that fits answers; undefined when none does. Those that fit oftener come to
 * the front.
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
