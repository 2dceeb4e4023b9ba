/** The nearest valid spelling of a word, for errors. */

/** How other languages write an operator. */
const synonyms: ReadonlyMap<string, string> = new Map([
  ['=', 'eq'],
  ['==', 'eq'],
  ['===', 'eq'],
  ['is', 'eq'],
  ['equals', 'eq'],
  ['!=', 'ne'],
  ['!==', 'ne'],
  ['<>', 'ne'],
  ['neq', 'ne'],
  ['not', 'ne'],
  ['<', 'lt'],
  ['less', 'lt'],
  ['<=', 'le'],
  ['=<', 'le'],
  ['lte', 'le'],
  ['≤', 'le'],
  ['>', 'gt'],
  ['more', 'gt'],
  ['>=', 'ge'],
  ['=>', 'ge'],
  ['gte', 'ge'],
  ['≥', 'ge'],
  ['any', 'in'],
  ['oneof', 'in'],
  ['includes', 'contains'],
  ['like', 'contains'],
  ['starts', 'startsWith'],
  ['prefix', 'startsWith'],
  ['present', 'exists'],
  ['notnull', 'exists'],
]);

/**
 * The word of `known` that a word of another language stands for, or else the one with the fewest
 * slips: at most one for a word of up to three letters, otherwise two or a third of its length.
 * Undefined when none is near.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const meant = synonyms.get(lower.replaceAll(/[\s_-]/g, ''));
  if (meant !== undefined && known.includes(meant)) return meant;
  // Signs have no near spelling.
  if (!/[a-z0-9]/.test(lower)) return undefined;
  let best: string | undefined;
  let least = (word.length <= 3 ? 1 : Math.max(2, Math.floor(word.length / 3))) + 1;
  for (const one of known) {
    // The difference in length alone exceeds the best so far.
    if (Math.abs(one.length - word.length) >= least) continue;
    const distance = slips(lower, one.toLowerCase());
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
