/**
 * `npm run time-rule -- RUNS [FIRST SEED]`: random pipelines against definitions over the source
 * partitions alone.
 */
import { checkSeed } from './random-pipelines.ts';

const [runs = 1_000, first = 1] = process.argv.slice(2).map(Number);
let differing = 0;
for (let seed = first; seed < first + runs; seed++) {
  const difference = await checkSeed(seed).catch((error: unknown) => `seed ${seed}: ${error}`);
  if (difference === undefined) continue;
  differing++;
  console.log(difference);
}
console.log(`seeds ${first} to ${first + runs - 1}: ${differing} of ${runs} runs differ`);
if (differing > 0) process.exitCode = 1;
