/** Every recorded case, in the variants that must not change a result. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type CaseFile, runCase, supportedKinds, type Variant } from './case.ts';

const folder = new URL('./fixtures/', import.meta.url);
const cases = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as CaseFile)
  .filter(({ pipeline }) => supportedKinds.includes(pipeline.kind));

const variants: Record<string, Variant> = {
  'as they are': {},
  'hopping windows without merge': { merge: false },
  'nothing cached between batches': { cacheBytes: 0 },
  'restarted after every step, state rebuilt from changelogs': { restart: true },
};

test('there are cases', () => {
  expect(cases.length).toBeGreaterThan(90);
});

describe.each(Object.entries(variants))('%s', (_, variant) => {
  test.each(cases)('$name', async (file) => {
    expect(await runCase(file, variant)).toBeUndefined();
  });
});
