/**
 * Phrases that the docs of the field do not use, in the documents and in the comments of `engine`
 * and `operators`. docs/GLOSSARY.md has the words to use.
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

const files = execFileSync('git', ['ls-files', '*.md', 'engine', 'operators'], {
  cwd: root,
  encoding: 'utf8',
}).split('\n');

const comments = (text: string) => (text.match(/\/\*[\s\S]*?\*\/|\/\/.*/g) ?? []).join('\n');

function usesIn(text: string): string[] {
  return phrases.flatMap(([phrase, better]) =>
    [...text.matchAll(phrase)].map(({ 0: found }) => `"${found}": ${better}`),
  );
}

const uses = files
  .filter((file) => /\.(?:md|ts|cc|h)$/.test(file) && !file.startsWith('bench/results/'))
  .flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const found = usesIn(file.endsWith('.md') ? text : comments(text));
    return found.map((use) => `${file}: ${use}`);
  });

test('phrases of the list are found', () => {
  expect(usesIn('It begins anew, and nobody is told.')).toHaveLength(3);
  expect(comments('const anew = 1; // nobody\n/* so many */')).toBe('// nobody\n/* so many */');
});

test('documents and comments do without them', () => {
  expect(uses).toEqual([]);
});
