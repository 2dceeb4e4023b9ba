/**
 * Wraps the comments of the sources at 100 columns.
 *
 *   node --import=tsx scripts/comments.ts --check    lists the files with longer lines
 *   node --import=tsx scripts/comments.ts --write    wraps those lines; nothing else changes
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

export const columns = 100;

const isProse = (text: string): boolean =>
  text.trim() !== '' && !/^ {2,}|^(?:biome-|@ts-)/.test(text);
/** Begins a paragraph. */
const begins = /^(@|- |\d+\. |\* )/;

/**
 * The lines of a comment, without stars, with its paragraphs wrapped; drawings and tables are left
 * alone.
 */
function wrapped(lines: readonly string[], width: number): string[] {
  const out: string[] = [];
  for (let i = 0; i < lines.length; ) {
    if (!isProse(lines[i] as string)) {
      out.push(lines[i++] as string);
      continue;
    }
    let to = i + 1;
    while (to < lines.length && isProse(lines[to] as string) && !begins.test(lines[to] as string))
      to++;
    const paragraph = lines.slice(i, to);
    out.push(
      ...(paragraph.some((line) => line.length > width) ? filled(paragraph, width) : paragraph),
    );
    i = to;
  }
  return out;
}

function filled(paragraph: readonly string[], width: number): string[] {
  const words = paragraph.join(' ').split(/ +/);
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length > width && line !== '') {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** The same text with its comments wrapped. */
export function wrapComments(text: string): string {
  const lines = text.split('\n');
  const out: string[] = [];
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    const [, indent = '', single] = /^(\s*)\/\*\* (.*) \*\/$/.exec(line) ?? [];
    if (single !== undefined) {
      if (line.length <= columns) out.push(line);
      else {
        const body = wrapped(
          single.split(/ (?=@(?:param|throws|returns) )/),
          columns - indent.length - 3,
        );
        out.push(`${indent}/**`, ...body.map((one) => `${indent} * ${one}`), `${indent} */`);
      }
      continue;
    }
    if (/^\s*\/\*\*?$/.test(line)) {
      const end = lines.findIndex((one, n) => n > i && /^\s*\*\/$/.test(one));
      const block = lines.slice(i + 1, end);
      const isStarred = end > 0 && block.every((one) => /^\s*\*( |$)/.test(one));
      if (isStarred && block.some((one) => one.length > columns)) {
        const [, space = ''] = /^(\s*)/.exec(line) ?? [];
        const texts = block.map((one) => one.replace(/^\s*\* ?/, ''));
        const body = wrapped(texts, columns - space.length - 3);
        out.push(line, ...body.map((one) => `${space} * ${one}`.trimEnd()), lines[end] as string);
        i = end;
        continue;
      }
    }
    const [, space, first] = /^(\s*)\/\/ (.*)$/.exec(line) ?? [];
    if (space !== undefined && first !== undefined) {
      let to = i + 1;
      while (to < lines.length && (lines[to] as string).startsWith(`${space}// `)) to++;
      const texts = lines.slice(i, to).map((one) => one.slice(space.length + 3));
      out.push(...wrapped(texts, columns - space.length - 3).map((one) => `${space}// ${one}`));
      i = to - 1;
      continue;
    }
    out.push(line);
  }
  return out.join('\n');
}

/** Source files of the repository, by path. */
export function sources(root: string): readonly string[] {
  return execFileSync('git', ['ls-files', '*.ts', '*.tsx'], { cwd: root, encoding: 'utf8' })
    .trim()
    .split('\n');
}

function main(): void {
  const write = process.argv.includes('--write');
  for (const file of sources('.')) {
    const text = readFileSync(file, 'utf8');
    const made = wrapComments(text);
    if (made === text) continue;
    if (write) writeFileSync(file, made);
    else {
      console.log(`${file}: a comment with a line of more than ${columns} columns`);
      process.exitCode = 1;
    }
  }
}

if (process.argv[1] === import.meta.filename) main();
