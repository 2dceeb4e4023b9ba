/**
 * Figures of the house, of one source tree or several side by side:
 *
 *     node --import=tsx scripts/figures.ts . ../other-tree
 *
 * What the tests bound (lengths, circles, names) is counted the same way in old trees.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { importsIn } from './imports.ts';

interface Source {
  readonly file: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function sourcesOf(root: string): Source[] {
  return ['engine', 'operators'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({ file: relative(root, path), text: readFileSync(path, 'utf8') }))
      .map(({ file, text }) => ({ file, text, lines: text.trimEnd().split('\n') })),
  );
}

/** Lengths of what begins at `begins`, without comments, by the indentation of its end. */
function lengthsOf({ lines }: Source, begins: RegExp): number[] {
  return lines.flatMap((line, from) => {
    if (!begins.test(line) || /;$|=> \{$/.test(line)) return [];
    const end = `${/^ */.exec(line)?.[0] ?? ''}}`;
    const to = lines.findIndex((one, i) => i > from && one === end);
    const body = lines.slice(from, to + 1).filter((one) => !/^\s*(\/\/|\/?\*)/.test(one));
    return to < 0 ? [] : [body.length];
  });
}

/** Files that can be reached from themselves by imports of more than types. */
function circular(sources: readonly Source[]): number {
  const known = new Set(sources.map(({ file }) => file));
  const imports = new Map(
    sources.map(({ file, text }) => [file, importsIn(text, file).filter((to) => known.has(to))]),
  );
  const reaches = (from: string): boolean => {
    const seen = new Set<string>();
    const left = [...(imports.get(from) ?? [])];
    for (let at = left.pop(); at !== undefined; at = left.pop()) {
      if (at === from) return true;
      if (!seen.has(at)) left.push(...(imports.get(at) ?? []));
      seen.add(at);
    }
    return false;
  };
  return sources.filter(({ file }) => reaches(file)).length;
}

function figuresOf(root: string): Record<string, number> {
  const sources = sourcesOf(root);
  const matches = (pattern: RegExp, among = sources) =>
    among.reduce((sum, { text }) => sum + (text.match(pattern)?.length ?? 0), 0);
  const without = (...files: string[]) =>
    sources.filter(({ file }) => !files.some((one) => file.endsWith(one)));
  const sizes = sources.map(({ lines }) => lines.length).sort((a, b) => a - b);
  const names = sources.map(({ file }) => basename(file)).filter((name) => name !== 'index.ts');
  const long = (begins: RegExp, most: number) =>
    sources.flatMap((source) => lengthsOf(source, begins)).filter((length) => length > most).length;
  return {
    'files of engine and operators': sources.length,
    'lines of the median file': sizes[sizes.length >> 1] as number,
    'lines of the longest file': sizes.at(-1) as number,
    'files over 400 lines': sizes.filter((length) => length > 400).length,
    'classes over 250 lines of code': long(/^(?:export )?(?:abstract )?class \w+/, 250),
    'functions and methods over 70': long(
      /^(?:export )?(?:async )?function\*? \w+|^ {2}(?:(?:static|async|get|set) )*\*?#?\w+(?:<.*>)?\(.*\{$/,
      70,
    ),
    'files in circles of imports': circular(sources),
    'names that several files have': new Set(names.filter((name, i) => names.indexOf(name) < i))
      .size,
    "casts 'as StoreSpec<never, never>'": matches(/as StoreSpec<never, never>/g),
    "guards 'null_key' written by hand": matches(/'null_key'/g, without('define-step.ts')),
    "'topic/partition' written inline": matches(
      /\$\{(?:\w+\.)?topic\}\/\$\{(?:\w+\.)?partition\}`/g,
      without('partition-key.ts'),
    ),
    'days and hours as digits': matches(/\b(?:86_400_000|3_600_000)\b/g, without('duration.ts')),
    'places that ask whether the log is ours alone': matches(
      /\b(?:member|options\.member)\.sole\b/g,
    ),
    'remedies that name a flag': matches(/remedy:[^,]*?--[a-z]/g),
    "'keyId'": matches(/\bkeyIds?\b/g),
    'comments of the product that say answer(s)': matches(/^\s*\/?\*.*\banswers?\b/gim),
  };
}

const roots = process.argv.slice(2);
const all = (roots.length === 0 ? ['.'] : roots).map((root) => figuresOf(resolve(root)));
for (const name of Object.keys(all[0] ?? {})) {
  console.log(`| ${[name, ...all.map((figures) => figures[name])].join(' | ')} |`);
}
