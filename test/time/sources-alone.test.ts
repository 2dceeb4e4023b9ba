/**
 * Results are a function of what each source partition holds: random pipelines, interleavings and
 * restarts against definitions that know nothing else. `npm run time-rule -- 10000` runs more of
 * them.
 */
import { expect, test } from 'vitest';
import { checkSeed } from './random-pipelines.ts';

const only = process.env['MILLRACE_SEED'];
const seeds = only === undefined ? Array.from({ length: 300 }, (_, i) => i + 1) : [Number(only)];

test(`${seeds.length} random pipelines equal their definitions`, { timeout: 600_000 }, async () => {
  for (const seed of seeds) expect(await checkSeed(seed), `MILLRACE_SEED=${seed}`).toBeUndefined();
});
