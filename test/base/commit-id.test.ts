import { expect, test } from 'vitest';
import { type CommitId, commitIdOf, nextCommit, noCommit } from '../../engine/base/commit-id.ts';

test('ids follow one another, from the first on', () => {
  const first = nextCommit(noCommit);
  expect([first, nextCommit(first)]).toEqual([1, 2]);
  expect(nextCommit(commitIdOf(41))).toBe(42);
});

test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('%d is no id', (stored) => {
  expect(() => commitIdOf(stored)).toThrow('is no id of a commit');
});

test('no arithmetic makes an id', () => {
  // @ts-expect-error a sum is a number
  const id: CommitId = noCommit + 1;
  expect(id).toBe(1);
});
