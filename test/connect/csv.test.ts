/** CSV: every good row is taken, the bad one is named by the line where it begins. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CsvReader } from '../../engine/connect/csv.ts';
import { type Line, rowLengthMax } from '../../engine/connect/lines.ts';
import { rowsOf } from '../../engine/connect/rows.ts';
import { emptyFolder } from '../process/millrace.ts';

/** Cells of each good row, and the problem of each bad one. */
async function read(content: string | Buffer, more: object = {}) {
  const file = join(await emptyFolder(), 'input.csv');
  await writeFile(file, content);
  const good: string[][] = [];
  const bad: string[] = [];
  for await (const { fields, problem } of rowsOf(file, { format: 'csv', needed: [], ...more })) {
    if (fields === undefined) bad.push(problem ?? '');
    else good.push(Object.values(fields).map(String));
  }
  return { good, bad };
}

describe('good rows', () => {
  test('a CRLF header over LF rows, and any mixture of line ends', async () => {
    const text = 'who,note\r\nann,x\nbob,y\r\ncy,z\rdan,\n\r\neve,last';
    expect(await read(text)).toEqual({
      good: [
        ['ann', 'x'],
        ['bob', 'y'],
        ['cy', 'z'],
        ['dan', ''],
        ['eve', 'last'],
      ],
      bad: [],
    });
  });

  test('quoted cells with separators, doubled quotes and line ends, behind a byte order mark', async () => {
    const text = '\uFEFF"who","no""te"\n"a,n""n","line\r\nline"\n"",""\n"x" ,"y"  \n';
    expect(await read(text)).toEqual({
      good: [
        ['a,n"n', 'line\r\nline'],
        ['', ''],
        ['x', 'y'],
      ],
      bad: [],
    });
  });

  test('a quote inside a cell that is not quoted is a character', async () => {
    expect(await read('a,b\n5" disk",x\n')).toEqual({ good: [['5" disk"', 'x']], bad: [] });
  });

  test('columns with odd names, and without one', async () => {
    const file = join(await emptyFolder(), 'input.csv');
    await writeFile(file, '__proto__,constructor,,\n1,2,3,4\n');
    for await (const { fields = {} } of rowsOf(file, { format: 'csv', needed: ['__proto__'] })) {
      expect(Object.entries(fields)).toEqual([
        ['__proto__', '1'],
        ['constructor', '2'],
        ['column 3', '3'],
        ['column 4', '4'],
      ]);
    }
  });
});

describe('bad rows cost no others', () => {
  test.each([
    ['a stray quote that opens a cell', 'a,b\n1,"starts\n2,y\n3,"5" x"\n4,z', [2, 4], ['2', '4']],
    ['a quote that is never closed', 'a,b\n1,x\n2,"o2\n3,y\n4,z\n', [3], ['1', '3', '4']],
    ['one in each of two rows', 'a,b\n1,"x\n2,"y\n3,z\n', [2, 3], ['3']],
    ['one that another row closes', 'a,b,c\n1,x,"c\n2,y,c\n3,y",c\n', [2], ['2', '3']],
    ['in the last line', 'a,b\n1,x\n2,"', [3], ['1']],
    ['too few and too many cells', 'a,b\n1\n2,x,y\n3,z\n', [2, 3], ['3']],
    ['a NUL character', 'a,b\n1,\0\n2,"\0"\n3,z\n', [2, 3], ['3']],
    ['a NUL inside a quoted cell of several lines', 'a,b\n1,"x\n\0,y"\n3,z\n', [2, 3], ['3']],
  ])('%s', async (_, text, lines, first) => {
    const { good, bad } = await read(text);
    expect(bad.map((one) => Number(/^line (\d+): /.exec(one)?.[1]))).toEqual(lines);
    expect(good.map(([cell]) => cell)).toEqual(first);
  });

  test('a quote that is closed later than a row may be long', async () => {
    const filler = `${'x'.repeat(1_000)},y\n`.repeat(rowLengthMax / 1_000 + 10);
    const { good, bad } = await read(`a,b\n1,"open\n${filler}2,z"\n`);
    expect(bad).toEqual(['line 2: a quote that opens here is not closed']);
    expect(good.length).toBe(Math.floor(rowLengthMax / 1_000 + 10) + 1);
  });
});

test.each([
  ['two columns of one name', 'a,b,a\n1,2,3\n', /a: the file .* has two columns of this name/],
  ['a needed column is missing', 'a;b\n1;2\n', /has no such column; it has a;b; are they apart/],
  ['a header that is not closed', '"a,b\n1,2\n', /the header cannot be read: line 1/],
])('%s: refused', async (_, text, problem) => {
  await expect(read(text, { needed: ['b'] })).rejects.toThrow(problem);
});

/**
 * Of cells that a random writer wrote, the reader makes the same, however the lines are handed
 * over.
 */
describe('random tables', () => {
  const cell = fc.stringMatching(/^[ab"',;\r\n ]{0,6}$/);
  const eol = fc.constantFrom('\n', '\r\n', '\r');
  const rowOf = (width: number) =>
    fc.record({
      cells: fc.array(cell, { minLength: width, maxLength: width }),
      quoted: fc.array(fc.boolean(), { minLength: width, maxLength: width }),
      eol,
      fault: fc.constantFrom('none', 'none', 'none', 'open', 'stray', 'short', 'long'),
    });
  const table = fc
    .integer({ min: 2, max: 4 })
    .chain((width) => fc.record({ width: fc.constant(width), rows: fc.array(rowOf(width)) }));

  const written = (text: string, quoted: boolean) =>
    quoted || /["\r\n,]/.test(text) || text.trim() === ''
      ? `"${text.replaceAll('"', '""')}"`
      : text;

  test('what was written is read, what was damaged is named, and nothing else is lost', () => {
    fc.assert(
      fc.property(table, fc.array(fc.nat(3)), ({ width, rows }, splits) => {
        let text = '';
        const expected: (string[] | number)[] = [];
        for (const row of rows) {
          const line = linesIn(text).length + 1;
          const cells = row.cells.map((one, i) => written(one, row.quoted[i] === true));
          // Faults whose reach is one line: cells of letters alone, so that no quote is closed by
          // another.
          const plain = row.cells.map((one) => `k${one.replace(/[^ab]/g, '')}`);
          if (row.fault === 'none') {
            text += cells.join(',');
            expected.push([...row.cells]);
          } else {
            expected.push(line);
            if (row.fault === 'open') plain[width - 1] = `"${plain[width - 1]}`;
            if (row.fault === 'stray') plain[0] = `"k"${plain[0]}"`;
            if (row.fault === 'short') plain.pop();
            if (row.fault === 'long') plain.push('k');
            text += plain.join(',');
          }
          text += row.eol;
          // What would close the open quote, or be taken for its end, ends the row before: a quote
          // in front.
          if (row.fault === 'open') {
            text += `"q"${',k'.repeat(width - 1)}\n`;
            expected.push(['q', ...Array.from({ length: width - 1 }, () => 'k')]);
          }
        }
        const reader = new CsvReader(',');
        reader.width = width;
        const lines = linesIn(text);
        const found: (string[] | number)[] = [];
        const take = (some: Line[], final: boolean) => {
          for (const { cells, line } of reader.read(some, final)) {
            found.push(cells === undefined ? line : [...cells]);
          }
        };
        let at = 0;
        for (const size of splits) {
          take(lines.slice(at, at + size), false);
          at += size;
        }
        take(lines.slice(at), true);
        expect(found).toEqual(expected);
      }),
      { numRuns: 2_000, seed: 30 },
    );
  });
});

function linesIn(text: string): Line[] {
  const lines: Line[] = [];
  let start = 0;
  for (const [all, line = '', eol = ''] of text.matchAll(/([^\r\n]*)(\r\n|\r|\n|$)/g)) {
    if (all === '') continue;
    lines.push({ text: line, eol, start, end: start + line.length, number: lines.length + 1 });
    start += all.length;
  }
  return lines;
}
