/** The balance of a run: what became of every row and record. */
import { MillraceError } from '../base/errors.ts';
import type { Summary } from '../runtime/summary.ts';

/** Throws INPUT_REFUSED if rows were read and none of them was accepted or skipped on purpose. */
export function checkTaken({ sources, counters }: Summary): void {
  const read = sources.reduce((sum, { records }) => sum + records, 0);
  const refused = sources.reduce((sum, { deadLettered }) => sum + deadLettered, 0);
  const noneProcessed = counters.in > 0 && counters.deadLettered === counters.in;
  if (read > 0 && (refused === read || noneProcessed)) {
    throw new MillraceError('INPUT_REFUSED', { rows: read });
  }
}

/** Where every record went; the numbers add up. */
export function balance(summary: Summary): string {
  const { counters, sources } = summary;
  const lines = sources.flatMap(({ name, records, deadLettered, skipped }) => {
    const reasons = Object.entries(skipped).sort();
    const left = reasons.reduce((sum, [, n]) => sum + n, 0);
    const taken = records - deadLettered - left;
    return [
      `source ${name}: ${records} rows read = taken ${taken} + dead-lettered ${deadLettered} + skipped ${left}`,
      ...reasons.map(([reason, n]) => `  skipped: ${reason} ${n}`),
    ];
  });
  lines.push(
    `in ${counters.in} = processed ${counters.processed} + dropped ${counters.dropped} + dead-lettered ${counters.deadLettered}; out ${counters.out}`,
  );
  const places = [...Object.entries(counters.drops), ...Object.entries(counters.failures)];
  for (const [place, n] of places.sort()) lines.push(`  ${place.replace('|', ': ')} ${n}`);
  return lines.join('\n');
}
