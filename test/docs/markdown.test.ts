/** The documents: columns, links, and the script that checks and wraps them. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { anchorsOf, brokenLinks, documents, longLines, wrap } from '../../scripts/markdown.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

test('lines of documents have at most 100 columns', () => {
  expect(documents(root).flatMap((file) => longLines(file, read(file)))).toEqual([]);
});

test('links of documents lead to files and headings that are there', () => {
  expect(documents(root).flatMap((file) => brokenLinks(root, file, read(file)))).toEqual([]);
});

describe('a broken link is found', () => {
  test.each([
    ['to a file', '[x](nowhere/none.md)', 'leads nowhere'],
    ['to a heading', '[x](README.md#nowhere)', 'names no heading'],
    ['to a heading of its own', '# One\n[x](#two)', 'names no heading'],
  ])('%s', (_, text, problem) => {
    expect(brokenLinks(root, 'README.md', text).join()).toContain(problem);
  });

  test('and what is none, is not', () => {
    const text =
      '[a](https://example.org) `[b](nowhere.md)`\n```\n[c](nowhere.md)\n```\n[d](LICENSE)';
    expect(brokenLinks(root, 'README.md', text)).toEqual([]);
  });
});

test('headings have the ids of GitHub', () => {
  expect([...anchorsOf('# Over HTTP\n## `a` & b\n## Over HTTP\n```\n# no\n```\n')]).toEqual([
    'over-http',
    'a--b',
    'over-http-1',
  ]);
});

describe('wrapping', () => {
  const long = (n: number) => Array.from({ length: n }, (_, i) => `word${i}`).join(' ');

  test('keeps every word, and every line within the columns', () => {
    for (const lead of ['', '- ', '12. ', '  - ']) {
      const wrapped = wrap(lead + long(60));
      expect(wrapped.split(/\s+/).filter(Boolean)).toEqual(
        (lead + long(60)).split(/\s+/).filter(Boolean),
      );
      expect(Math.max(...wrapped.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
      const indent = ' '.repeat(lead.length);
      for (const line of wrapped.split('\n').slice(1)) expect(line.startsWith(indent)).toBe(true);
    }
  });

  test('leaves code, tables, headings, and short paragraphs alone', () => {
    for (const text of [
      `\`\`\`ts\n${long(40)}\n\`\`\``,
      `text\n\n    ${long(40)}`,
      `| ${long(40)} |`,
      `# ${long(40)}`,
      'two\nlines',
    ]) {
      expect(wrap(text)).toBe(text);
    }
  });

  test('no line begins with what would mean something else, and code spans stay whole', () => {
    const text = `${long(13)} ${'x'.repeat(10)} - one 2. two # three ${'y'.repeat(60)} \`a b c d e f\` ${long(8)}`;
    for (const line of wrap(text).split('\n')) {
      expect(line).not.toMatch(/^([-+*>#]|\d+\.)(\s|$)/);
      expect((line.match(/`/g) ?? []).length % 2).toBe(0);
    }
  });
});
