/**
 * Draws which folders of a source tree import which, as a Mermaid graph:
 *
 *     node --import=tsx scripts/import-graph.ts . > graph.mmd
 *
 * Imports of types alone are left out. An edge that a longer path implies is left out as well.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { importsIn } from './imports.ts';

const root = resolve(process.argv[2] ?? '.');
const top = ['engine', 'operators', 'topologies'];

const files = top.flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name))),
);

/** Folders of the engine are nodes of their own; the other trees are one node each. */
function nodeOf(file: string): string | undefined {
  const [first = '', second = ''] = file.split('/');
  if (first !== 'engine') return first;
  return second.endsWith('.ts') ? undefined : `${first}/${second}`;
}

const edges = new Map<string, Set<string>>();
for (const file of files) {
  const from = nodeOf(file);
  if (from === undefined) continue;
  for (const to of importsIn(readFileSync(join(root, file), 'utf8'), file)) {
    const target = nodeOf(to);
    if (target === undefined || target === from || target.startsWith('..')) continue;
    edges.set(from, (edges.get(from) ?? new Set()).add(target));
  }
}

function reaches(from: string, to: string, without: string): boolean {
  const seen = new Set([from]);
  const left = [...(edges.get(from) ?? [])].filter((next) => next !== without);
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (at === to) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    left.push(...(edges.get(at) ?? []));
  }
  return false;
}

console.log('graph TD');
for (const [from, targets] of [...edges].sort()) {
  for (const to of [...targets].sort()) {
    const isCircle = reaches(to, from, '');
    if (isCircle) console.log(`  ${from} ==>|circle| ${to}`);
    else if (!reaches(from, to, to)) console.log(`  ${from} --> ${to}`);
  }
}
