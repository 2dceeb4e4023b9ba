/** The smallest change of the past that would change an answer. */

/**
 * Ids whose removal together turns the answer, none of which could be left out; undefined when no
 * removal tried does. One id is looked for first; else all are removed and put back as far as
 * possible.
 * @param turns whether the answer is another one without these
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

/** Puts back one after the other until none can be put back any more. */
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
