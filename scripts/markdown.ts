/**
 * Markdown of the repository: lines of at most 100 columns, and links whose targets exist.
 *
 *   npm run docs:check        lists what is wrong
 *   npm run docs:format       wraps paragraphs with a line that is too long; nothing else changes
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export const columns = 100;

/** Tables, headings, links and lines of one word cannot be broken. */
function isBreakable(line: string): boolean {
  return !/^\s*(\||#|\[[^\]]+\]:)/.test(line) && line.trim().includes(' ');
}

const marker = /^(\s*)([-*+]|\d+[.)])(\s+)/;

/** What a line must not begin with, because Markdown would read it as something else. */
const begins = /^([-+*>|#]+|\d+[.)]|={2,}|<.*)$/;

/** Words; a code span counts as one word, so that it is not broken. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/(?:`[^`]*`|[^\s`])+/g)) {
    if (words.length > 0 && begins.test(word)) words[words.length - 1] += ` ${word}`;
    else words.push(word);
  }
  return words;
}

function filled(words: readonly string[], first: string, rest: string): string[] {
  const lines: string[] = [];
  let line = first;
  let isEmpty = true;
  for (const word of words) {
    if (!isEmpty && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = rest;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  lines.push(line);
  return lines;
}

/** One paragraph or list item. */
function wrapped(lines: readonly string[]): readonly string[] {
  if (lines.every((line) => line.length <= columns || !isBreakable(line))) return lines;
  // A line that ends in two spaces or a backslash is a line break by the author.
  if (lines.slice(0, -1).some((line) => /( {2}|\\)$/.test(line))) return lines;
  const first = lines[0] as string;
  const [, indent = '', bullet = '', gap = ''] = marker.exec(first) ?? [];
  const own = bullet === '' ? (/^\s*/.exec(first)?.[0] ?? '') : indent;
  const lead = own + bullet + gap;
  const text = [first.slice(lead.length), ...lines.slice(1).map((line) => line.trim())].join(' ');
  return filled(wordsOf(text), lead, bullet === '' ? own : ' '.repeat(lead.length));
}

/** The text with long paragraphs wrapped. */
export function wrap(text: string): string {
  const out: string[] = [];
  let block: string[] = [];
  let fence = '';
  let inList = false;
  const flush = () => {
    out.push(...wrapped(block));
    block = [];
  };
  for (const line of text.split('\n')) {
    const fenced = /^\s*(```+|~~~+)/.exec(line)?.[1];
    if (fence !== '' || fenced !== undefined) {
      flush();
      if (fence === '') fence = fenced as string;
      else if (fenced?.startsWith(fence) === true) fence = '';
      out.push(line);
      continue;
    }
    const isItem = marker.test(line);
    const isCode = /^( {4}|\t)/.test(line) && !inList;
    if (line.trim() === '' || isCode || !isBreakable(line) || line.startsWith('>')) {
      flush();
      out.push(line);
      if (/^\S/.test(line) && !isItem) inList = false;
      continue;
    }
    if (isItem) {
      flush();
      inList = true;
    } else if (/^\S/.test(line) && block.length === 0) inList = false;
    block.push(line);
  }
  flush();
  return out.join('\n');
}

/** The ids that GitHub gives the headings of a document. */
export function anchorsOf(text: string): Set<string> {
  const ids = new Set<string>();
  const outside = text.replace(/^\s*(```+)[\s\S]*?^\s*\1/gm, '');
  for (const [, heading = ''] of outside.matchAll(/^#{1,6} +(.*)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const id = plain.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
    let own = id;
    for (let n = 1; ids.has(own); n++) own = `${id}-${n}`;
    ids.add(own);
  }
  return ids;
}

/** Links of a document to files and headings that do not exist. */
export function brokenLinks(root: string, file: string, text: string): string[] {
  const outside = text.replace(/^\s*(```+)[\s\S]*?^\s*\1/gm, '').replace(/`[^`\n]*`/g, '');
  return [...outside.matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? join(root, file) : resolve(root, dirname(file), path);
    if (!existsSync(target)) return [`${file}: ${link} leads nowhere`];
    if (anchor === undefined || anchor === '' || !target.endsWith('.md')) return [];
    const known = anchorsOf(readFileSync(target, 'utf8')).has(anchor);
    return known ? [] : [`${file}: ${link} names no heading`];
  });
}

/** Lines that are too long and can be wrapped. */
export function longLines(file: string, text: string): string[] {
  const [before, after] = [text.split('\n'), wrap(text).split('\n')];
  return before.join('\n') === after.join('\n') ? [] : [`${file}: run npm run docs:format`];
}

/** The Markdown files that are part of the repository. */
export function documents(root: string): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '*.md'], { cwd: root, encoding: 'utf8' });
  return listed.split('\0').filter((file) => file !== '' && existsSync(join(root, file)));
}

if (process.argv[1] === import.meta.filename) {
  const root = resolve(import.meta.dirname, '..');
  const [mode, ...named] = process.argv.slice(2);
  const files = named.length > 0 ? named : documents(root);
  const problems: string[] = [];
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    if (mode === '--write') writeFileSync(join(root, file), wrap(text));
    else problems.push(...longLines(file, text));
    problems.push(...brokenLinks(root, file, text));
  }
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
  else console.log(`${files.length} documents are in order`);
}
