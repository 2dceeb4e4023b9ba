/** The release script: which version may come next, and what it makes of the changelog. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { changelogOf, checkNext } from '../../scripts/release.ts';

const root = resolve(import.meta.dirname, '../..');

test('a version follows the one before by one step', () => {
  for (const next of ['1.2.4', '1.3.0', '2.0.0']) checkNext('1.2.3', next);
  for (const next of [
    '1.2.3',
    '1.2.5',
    '1.3.1',
    '0.9.0',
    '2.0.1',
    'v1.2.4',
    '1.2',
    '1.2.4-rc',
    '',
  ]) {
    expect(() => checkNext('1.2.3', next), next).toThrow(/follow|no version/);
  }
});

describe('changelog', () => {
  test('what is unreleased stands under the version, and the rest stays', () => {
    const text = '# Changelog\n\n## Unreleased\n\n### Added\n- x\n\n## 0.1.0\n\n- y\n';
    expect(changelogOf(text, '0.2.0', '2026-01-31')).toBe(
      '# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-01-31)\n\n### Added\n- x\n\n## 0.1.0\n\n- y\n',
    );
  });

  test('nothing unreleased is no release', () => {
    expect(() => changelogOf('# Changelog\n\n## Unreleased\n\n## 0.1.0\n', '0.2.0', '')).toThrow(
      /nothing/,
    );
    expect(() => changelogOf('# Changelog\n\n## 0.1.0\n', '0.2.0', '')).toThrow(/no heading/);
  });

  test('that of the repository has what a release needs', () => {
    const text = readFileSync(join(root, 'CHANGELOG.md'), 'utf8');
    const after = changelogOf(text, '0.2.0', '2026-01-31');
    expect(after.split(/\s+/).length).toBe(text.split(/\s+/).length + 3);
  });
});
