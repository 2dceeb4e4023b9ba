/** A short torture; `npm run torture -- --kills 200 --seed N` is the long one. */
import { describe, expect, test } from 'vitest';
import { torture } from '../torture/torture.ts';
import { kafkaAvailable } from './shared.ts';

const minutes = 60_000;
const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe.skipIf(!(await kafkaAvailable()))('torture', () => {
  test(
    'two processes killed twenty times, held still, the broker killed: every result once',
    async () => {
      const report = await torture({ kills: 20, seed, pauseMs: [500, 2_500] });
      const { lost, doubled, problems, faults } = report;
      expect({ seed, lost, doubled, problems, faults }).toMatchObject({
        lost: 0,
        doubled: 0,
        problems: [],
      });
      expect(report.expected).toBeGreaterThan(10_000);
    },
    10 * minutes,
  );
});
