/**
 * A crash anywhere changes nothing: after any number of stops, at any port call, with state lost or
 * deleted, the log ends as that of a run which was never stopped, byte by byte.
 */
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { simulate } from './simulate.ts';

/** MILLRACE_SEED=n runs that seed alone. */
const only = process.env['MILLRACE_SEED'];
const seeds = only === undefined ? Array.from({ length: 1000 }, (_, i) => i + 1) : [Number(only)];

/** The input of a seed is one of fifty, so that the undisturbed run is not repeated for each. */
const references = new Map<number, ReturnType<typeof simulate>>();

function reference(input: number): ReturnType<typeof simulate> {
  const known = references.get(input) ?? simulate(input, []);
  references.set(input, known);
  return known;
}

test('the job has work for every part', async () => {
  const { content, calls } = await reference(1);
  for (const part of [
    'timed',
    'counts',
    'by-value',
    'hops',
    'slides',
    'sessions',
    'final-sessions',
  ])
    expect(content).toMatch(new RegExp(`^\\S*${part}`, 'm'));
  expect(calls).toBeGreaterThan(100);
});

test('stopped at every port call in turn', { timeout: 300_000 }, async () => {
  const { content, calls } = await reference(1);
  for (let stop = 1; stop <= calls; stop++) {
    expect((await simulate(1, [stop])).content, `stopped at call ${stop}`).toBe(content);
  }
});

test(`${seeds.length} seeds: stopped up to four times`, { timeout: 300_000 }, async () => {
  for (const seed of seeds) {
    const input = (seed % 50) + 1;
    const { content, calls } = await reference(input);
    const random = new SeededRandom(seed * 7919);
    const stops = Array.from(
      { length: 1 + randomBelow(random, 4) },
      () => 1 + randomBelow(random, calls),
    );
    const name = `MILLRACE_SEED=${seed}, input ${input}, stops ${stops.join(' ')}`;
    const run = await simulate(input, stops);
    expect(run.content, name).toBe(content);
    if (seed % 20 === 0)
      expect((await simulate(input, stops)).trace, `again ${name}`).toEqual(run.trace);
  }
});
