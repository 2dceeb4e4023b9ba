/**
 * The structure as a ratchet: sizes of files, classes and functions, circles of imports, names.
 * What is beyond the measure stands in a list, which only gets shorter: a line that is not needed
 * is a failure.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sources, wrapComments } from '../scripts/comments.ts';
import { importsIn } from '../scripts/imports.ts';

const root = resolve(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const product = ['engine', 'operators', 'topologies'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort(),
);

/** Lines, at most; of classes and functions without those of comments. */
const lengthMost = { file: 400, class: 250, function: 70 } as const;

interface Block {
  readonly kind: keyof typeof lengthMost;
  readonly name: string;
  readonly length: number;
}

const isComment = /^\s*(\/\/|\/\*|\*)/;
const classBegins = /^(?:export )?(?:abstract )?class (\w+)/;
const methodBegins = /^ {2}(?:(?:static|async|get|set) )*\*?(#?\w+)(?:<.*>)?\(/;
const functionBegins = /^(?:export )?(?:async )?function\*? (\w+)/;

/**
 * The file, its classes, methods and functions; by the indentation that the formatter gives them.
 */
function blocksOf(file: string): Block[] {
  const lines = read(file).trimEnd().split('\n');
  const blocks: Block[] = [{ kind: 'file', name: '', length: lines.length }];
  for (const [from, line] of lines.entries()) {
    const ofClass = classBegins.exec(line)?.[1];
    const name = ofClass ?? (functionBegins.exec(line) ?? methodBegins.exec(line))?.[1];
    if (name === undefined || /;$|=> \{$/.test(line)) continue;
    const indent = /^ */.exec(line)?.[0] ?? '';
    // The parameters may take several lines; those of a call do not end in a brace.
    const close = lines.find((one, i) => i > from && one.startsWith(`${indent})`));
    if (line.endsWith('(') && close?.endsWith('{') !== true) continue;
    const end = `${indent}}`;
    const to = lines.findIndex((one, i) => i > from && one === end);
    const length = lines.slice(from, to + 1).filter((one) => !isComment.test(one)).length;
    if (to > 0) blocks.push({ kind: ofClass === undefined ? 'function' : 'class', name, length });
  }
  return blocks;
}

/** What a file imports for more than its types. */
function importsOf(file: string): string[] {
  return importsIn(read(file), file).filter((to) => product.includes(to));
}

/** Groups of files of which each can be reached from each (Tarjan), each sorted. */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const path: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): void => {
    const own = index.size;
    index.set(file, own);
    low.set(file, own);
    path.push(file);
    for (const to of imports.get(file) ?? []) {
      if (!index.has(to)) visit(to);
      if (path.includes(to)) low.set(file, Math.min(low.get(file) ?? 0, low.get(to) ?? 0));
    }
    if (low.get(file) !== own) return;
    const circle = path.splice(path.indexOf(file));
    if (circle.length > 1) circles.push(circle.sort());
  };
  for (const file of imports.keys()) if (!index.has(file)) visit(file);
  return circles.sort((a, b) => ((a[0] ?? '') < (b[0] ?? '') ? -1 : 1));
}

const longAlready: readonly string[] = [];
const circlesAlready: readonly (readonly string[])[] = [];
const namedTwiceAlready: readonly string[] = [];

describe('structure', () => {
  it('files, classes and functions are short', () => {
    const long = product.flatMap((file) =>
      blocksOf(file)
        .filter(({ kind, length }) => length > lengthMost[kind])
        .map(({ kind, name }) => (kind === 'file' ? file : `${file} ${name}`)),
    );
    expect(long).toEqual(longAlready);
  });

  it('no file imports itself through others', () => {
    expect(circlesIn(new Map(product.map((file) => [file, importsOf(file)])))).toEqual(
      circlesAlready,
    );
  });

  it('comments have lines of at most 100 columns; else: node --import=tsx scripts/comments.ts --write', () => {
    const all = sources(root).filter((file) => wrapComments(read(file)) !== read(file));
    expect(all).toEqual([]);
  });

  it('no two files have one name', () => {
    const names = product.map((file) => basename(file)).filter((name) => name !== 'index.ts');
    const twice = names.filter((name, i) => names.indexOf(name) < i);
    expect([...new Set(twice)].sort()).toEqual(namedTwiceAlready);
  });
});
