/**
 * `npm run time-widths`: history in order on the embedded log, at every width, or at those that are
 * given as partitions,threads,records-a-cycle.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkWidth, type Width } from './widths.ts';

const all = [1, 4, 16].flatMap((partitions) =>
  [0, 1, 4].flatMap((threads) =>
    [50, 1_000, 65_536].map((recordsPerCycle) => ({ partitions, threads, recordsPerCycle })),
  ),
);
const given = process.argv.slice(2).map((text): Width => {
  const [partitions = 1, threads = 0, recordsPerCycle = 1_000] = text.split(',').map(Number);
  return { partitions, threads, recordsPerCycle };
});
const widths = given.length === 0 ? all : given;
let differing = 0;
for (const width of widths) {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-widths-'));
  const found = await checkWidth(folder, width).catch((error: unknown) => String(error));
  if (found !== undefined) differing++;
  console.log(found ?? `${JSON.stringify(width)}: as defined`);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
console.log(`${differing} of ${widths.length} widths differ`);
if (differing > 0) process.exitCode = 1;
