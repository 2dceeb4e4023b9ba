/** The nearest valid spelling of a word, for errors. */

/** Of `known`, the one with the fewest slips (at most a third of the word, or two); else undefined. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const one of known) {
    const distance = slips(word.toLowerCase(), one.toLowerCase());
    if (distance < least) [best, least] = [one, distance];
  }
  return best;
}

/** Levenshtein distance. */
function slips(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const [left, above, diagonal] = [next[j - 1], row[j], row[j - 1]] as [number, number, number];
      next.push(Math.min(above + 1, left + 1, diagonal + same));
    }
    row = next;
  }
  return row[b.length] as number;
}
