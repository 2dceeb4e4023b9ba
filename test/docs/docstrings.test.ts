/** Public functions, classes' methods and fields of the entries have docstrings. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

const entries = [
  'operators/index.ts',
  'operators/kit/index.ts',
  'engine/laws/index.ts',
  'engine/testing/driver.ts',
];

/** Names that an entry exports, with the file that defines them. */
function exported(entry: string): readonly (readonly [file: string, name: string])[] {
  const text = read(entry);
  const found: [string, string][] = [];
  for (const [, names = '', from = ''] of text.matchAll(
    /export (?:type )?\{([^}]*)\} from '([^']+)'/g,
  )) {
    const file = relative(root, resolve(root, dirname(entry), from));
    for (const name of names.split(',')) {
      const [own = ''] = name
        .replace(/\/\*.*?\*\//gs, '')
        .trim()
        .replace(/^type /, '')
        .split(' as ');
      if (own !== '') found.push([file, own]);
    }
  }
  if (found.length > 0) return found;
  return [...text.matchAll(/^export (?:abstract )?(?:function|class) (\w+)/gm)].map(
    ([, name = '']) => [entry, name] as const,
  );
}

const isDocumented = (lines: readonly string[], at: number) => /\*\/\s*$/.test(lines[at - 1] ?? '');

/** Public functions and methods of a definition that have no docstring. */
function undocumented(file: string, name: string): string[] {
  const lines = read(file).split('\n');
  const at = lines.findIndex((line) =>
    new RegExp(`^export (?:abstract )?(?:async )?(?:function|class) ${name}\\b`).test(line),
  );
  if (at < 0) return [];
  const missing: string[] = [];
  const isClass = /\bclass\b/.test(lines[at] as string);
  if (!isClass && !isDocumented(lines, at)) missing.push(`${file}: ${name}`);
  if (!isClass) return missing;
  const documented = new Set<string>();
  for (let i = at + 1; i < lines.length && lines[i] !== '}'; i++) {
    const [, method] = /^ {2}(?:async |static |get )*([a-z]\w*)[<(]/.exec(lines[i] as string) ?? [];
    if (method === undefined || method === 'constructor') continue;
    // The first of several signatures speaks for all of them.
    if (isDocumented(lines, i)) documented.add(method);
    else if (!documented.has(method)) missing.push(`${file}: ${name}.${method}`);
  }
  return missing;
}

/** Of before; the list only gets shorter. */
const notYet: ReadonlySet<string> = new Set([]);

test('public functions and methods have docstrings', () => {
  const missing = entries.flatMap((entry) =>
    exported(entry).flatMap(([file, name]) => undocumented(file, name)),
  );
  expect([...new Set(missing)].filter((one) => !notYet.has(one))).toEqual([]);
});

test('the list of those without is needed', () => {
  const missing = new Set(
    entries.flatMap((entry) => exported(entry).flatMap(([file, name]) => undocumented(file, name))),
  );
  expect([...notYet].filter((one) => !missing.has(one))).toEqual([]);
});
