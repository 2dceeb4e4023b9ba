/**
 * `millrace/personalisation` as a user of the package writes it: the example of docs/SEGMENTS.md
 * runs.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  count,
  definitions,
  events,
  personalisation,
  segmentChanges,
} from 'millrace/personalisation';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const day = 86_400_000;

test('the example of docs/SEGMENTS.md tells when a subject enters', async () => {
  const page = await readFile(join(root, 'docs/SEGMENTS.md'), 'utf8');
  const [, source = ''] = /```ts\n\/\/ engagement\.ts\n([\s\S]*?)```/.exec(page) ?? [];
  const file = join(import.meta.dirname, `.engagement-${process.pid}.ts`);
  await writeFile(file, source);
  try {
    const module = await import(file);
    const driver = await testDriver(module.default);
    for (const [i, at] of [day, 2 * day].entries()) {
      await driver.pipe(events, 'ann', { id: `e${i}`, class: 'purchase' }, at);
    }
    await driver.advanceTo(200 * day);
    const changes = await driver.read(segmentChanges);
    expect(changes.map(({ value }) => [value?.segment, value?.type, value?.effectiveAt])).toEqual([
      ['win-back', 'entered', 92 * day],
    ]);
    await driver.close();
  } finally {
    await rm(file, { force: true });
  }
});

test('a configuration that makes no sense is refused before anything runs', () => {
  expect(() => personalisation({ segment: [] } as never)).toThrow(/segment/);
  const wrong = definitions([
    { id: 'x', version: 1, when: count({ event: 'open', op: 'ge', n: -1, within: 'ever' }) },
  ]);
  expect(() => personalisation({ segments: wrong })).toThrow(/segments/);
});
