/**
 * Phrases that the docs of the field do not use, in the documents and in the comments of `engine`
 * and `operators`. docs/GLOSSARY.md has the words to use. What is older is a debt that only
 * shrinks.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** A phrase, and what to write in its place. */
const phrases: readonly (readonly [phrase: RegExp, better: string])[] = [
  [/\banew\b/gi, 'again, or a verb such as restart, rebuild, recompute'],
  [/\bso many\b/gi, 'the number itself: this many, at most n'],
  [/\bwhoever\b/gi, 'the one who acts: the caller, the reader, a process'],
  [/\bnobody\b/gi, 'no reader, no member; or say what is unknown'],
  [/\blets? go (?:of|on)\b/gi, 'drop, release, remove, forward'],
  [/\b(?:is|are) told\b/gi, 'receives, is called, is reported'],
  [/\bthe (?:record|key|unit|cycle|batch) at hand\b/gi, 'the current one'],
];

/** Uses that older documents may have, at most: a number is only ever lowered. */
const debts: Readonly<Record<string, number>> = {
  'CHANGELOG.md': 5,
  'bench/README.md': 0,
  'docs/decisions': 5,
  engine: 10,
  operators: 5,
};

const files = execFileSync('git', ['ls-files', '*.md', 'engine', 'operators'], {
  cwd: root,
  encoding: 'utf8',
}).split('\n');

const comments = (text: string) => (text.match(/\/\*[\s\S]*?\*\/|\/\/.*/g) ?? []).join('\n');

/** The debt that a file belongs to; '' for a file without one. */
const debtOf = (file: string) =>
  Object.keys(debts).find((debt) => file === debt || file.startsWith(`${debt}/`)) ?? '';

function usesIn(text: string): string[] {
  return phrases.flatMap(([phrase, better]) =>
    [...text.matchAll(phrase)].map(({ 0: found }) => `"${found}": ${better}`),
  );
}

const uses = new Map<string, string[]>();
for (const file of files) {
  if (!/\.(?:md|ts|cc|h)$/.test(file) || file.startsWith('bench/results/')) continue;
  const text = readFileSync(join(root, file), 'utf8');
  const found = usesIn(file.endsWith('.md') ? text : comments(text));
  const debt = debtOf(file);
  uses.set(debt, [...(uses.get(debt) ?? []), ...found.map((use) => `${file}: ${use}`)]);
}

test('phrases of the list are found', () => {
  expect(usesIn('It begins anew, and nobody is told.')).toHaveLength(3);
  expect(comments('const anew = 1; // nobody\n/* so many */')).toBe('// nobody\n/* so many */');
});

test('documents and comments do without them', () => {
  expect(uses.get('')).toEqual([]);
});

test.each(Object.entries(debts))('%s: the debt does not grow', (debt, most) => {
  expect((uses.get(debt) ?? []).length).toBeLessThanOrEqual(most);
});
