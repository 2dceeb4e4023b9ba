/** The tables of bench/README.md are those of the report that it names. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import type { Report } from '../../bench/compare/report-files.ts';
import { stagesTable, summaryTable } from '../../bench/compare/summary.ts';

const folder = resolve(import.meta.dirname, '../../bench');

test('rates, and where the time goes', () => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const [, results = ''] = /!\[[^\]]*\]\((results\/[^)]*)\/ratios\.svg\)/.exec(readme) ?? [];
  const text = readFileSync(join(folder, results, 'report.json'), 'utf8');
  const { lines } = JSON.parse(text) as Report;
  expect(readme).toContain(summaryTable(lines));
  expect(readme).toContain(stagesTable(lines));
});
