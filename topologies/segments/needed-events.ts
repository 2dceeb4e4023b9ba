/** Which events of a subject are kept when its history is shortened. */
import type { Leaf } from './definition.ts';
import type { Kept } from './history.ts';
import { markNeeded } from './matches.ts';
import type { Program } from './segment-program.ts';

/**
 * By name of event: picks, of its events in order of time, those after `from` (ms UTC) and those
 * before that a leaf still needs for some instant after `from`.
 */
export function neededEvents(
  program: Program,
): ReadonlyMap<string, (events: readonly Kept[], from: number) => Kept[]> {
  const keeps = new Map<string, (events: readonly Kept[], from: number) => Kept[]>();
  for (const name of program.wanted.events.keys()) {
    const leaves = program
      .concerned(`event ${name}`)
      .map((place) => program.nodeAt(place).node as Leaf);
    keeps.set(name, (events, from) => {
      const needed = new Set(events.filter(([at]) => at > from));
      for (const leaf of leaves) markNeeded(leaf, name, events, from, needed);
      return events.filter((event) => needed.has(event));
    });
  }
  return keeps;
}
