/** The rows of a log in another order. */

import { writeFile } from 'node:fs/promises';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { rowsOf } from '../../engine/connect/rows.ts';
import { rowOptions } from '../../topologies/app/mappings.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';

/**
 * Writes the rows that can be read to `to`, in an order drawn from the seed, under the same header.
 */
export async function shuffledFile(
  mapping: Mapping,
  files: readonly string[],
  seed: number,
  to: string,
): Promise<void> {
  const lines: string[] = [];
  let header: readonly string[] | undefined;
  for (const file of files) {
    const rows = rowsOf(file, rowOptions(mapping));
    for await (const { fields, raw } of rows) {
      if (fields === undefined) continue;
      header ??= mapping.columns === undefined ? Object.keys(fields) : [];
      lines.push(raw.trimEnd());
    }
  }
  const random = new SeededRandom(seed);
  for (let i = lines.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    [lines[i], lines[j]] = [lines[j] as string, lines[i] as string];
  }
  const isCsv = mapping.format === 'csv' && header !== undefined && header.length > 0;
  const head = isCsv ? [(header ?? []).map((name) => JSON.stringify(name)).join(',')] : [];
  await writeFile(to, `${[...head, ...lines].join('\n')}\n`);
}
