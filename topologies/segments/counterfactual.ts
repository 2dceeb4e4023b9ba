/** The smallest change of the past that would change an answer. */

/**
 * A minimal set of ids whose removal changes the answer; undefined when no removal that was tried
 * does. Single ids are tried first; then all are removed and put back as far as possible.
 * @param turns whether the answer changes without these ids
 */
export function turningSet(
  ids: readonly string[],
  turns: (removed: ReadonlySet<string>) => boolean,
): readonly string[] | undefined {
  const single = ids.slice(0, singlesTried).find((id) => turns(new Set([id])));
  if (single !== undefined) return [single];
  if (!turns(new Set(ids))) return undefined;
  let removed = [...ids];
  for (let size = Math.ceil(removed.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < removed.length; ) {
      const fewer = [...removed.slice(0, from), ...removed.slice(from + size)];
      if (turns(new Set(fewer))) removed = fewer;
      else from += size;
    }
  }
  return smallest(removed, turns);
}

const singlesTried = 200;

/** Puts ids back one by one until none can be put back any more. */
function smallest(
  ids: readonly string[],
  turns: (removed: ReadonlySet<string>) => boolean,
): readonly string[] {
  let removed = ids;
  for (;;) {
    const id = removed.find((one) => turns(new Set(removed.filter((other) => other !== one))));
    if (id === undefined) return removed;
    removed = removed.filter((other) => other !== id);
  }
}
