/** The trials of the repository: what a user sees of each kind of fault. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { builtCommandLine } from '../built.ts';
import { difference } from '../trials/match.ts';
import { runTrial } from '../trials/run-trial.ts';
import { trialsIn } from '../trials/trial.ts';

const trials = trialsIn(join(import.meta.dirname, '../trials/cases'));

describe('trials', () => {
  test.each(trials.map((trial) => [trial.name, trial] as const))(
    '%s',
    async (_, trial) => {
      expect(await runTrial(trial, [builtCommandLine])).toBeUndefined();
    },
    300_000,
  );

  test('a trial that does not hold fails, and says at which step', async () => {
    const [any] = trials;
    const steps = [
      { write: { file: 'x', text: '' } },
      { run: 'lint nowhere.json', expect: { exit: 0 } },
    ];
    expect(await runTrial({ ...(any as NonNullable<typeof any>), steps })).toMatch(
      /^step 2: ended with 2, not 0/,
    );
  });
});

describe('patterns', () => {
  const rows = [
    { key: 'b', value: 2 },
    { key: 'a', value: { n: 1 } },
  ];
  test.each([
    ['a part of an object', { a: 1, b: 2 }, { a: 1 }, undefined],
    ['another value', { a: 1 }, { a: '1' }, 'the output.a is 1, not "1"'],
    ['a field too many', { a: 1 }, { a: { $absent: true } }, 'the output.a is there'],
    ['a list of another length', [1, 2], [1], /has 2 entries, not 1/],
    ['rows in any order', rows, { $rows: [{ key: 'a' }, { key: 'b' }] }, undefined],
    ['a row too many', rows, { $rows: [{ key: 'a' }] }, /1 entries too many/],
    ['one of several rows', rows, { $has: [{ value: { n: 1 } }] }, undefined],
    ['no such row', rows, { $has: [{ key: 'c' }] }, /has no entry {"key":"c"}/],
    ['a count', rows, { $count: 3 }, /has 2 entries, not 3/],
    ['a text inside', { why: 'too late' }, { why: { $text: 'late' } }, undefined],
    ['a regular expression', 'abc', { $matches: '^b' }, /does not match \^b/],
  ])('%s', (_, value, pattern, problem) => {
    const found = difference(value, pattern);
    if (problem instanceof RegExp) expect(found).toMatch(problem);
    else expect(found).toBe(problem);
  });
});
