/**
 * Files as a source: known by their content, taken once whatever restarts there are, counted whole.
 */
import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { emptyFolder } from '../process/millrace.ts';
import oldCursors from './fixtures/cursors-1.json' with { type: 'json' };
import { type Options, take } from './take.ts';

const head = 'who,at\n';

async function filesOf(contents: Record<string, string | Buffer>): Promise<string[]> {
  const folder = await emptyFolder();
  const files: string[] = [];
  for (const [name, content] of Object.entries(contents)) {
    files.push(join(folder, name));
    await writeFile(files.at(-1) as string, content);
  }
  return files;
}

async function fileOf(content: string | Buffer, name = 'log.csv'): Promise<string> {
  return (await filesOf({ [name]: content }))[0] as string;
}

describe('a file that was read', () => {
  test('has nothing new, whatever it is called by now', async () => {
    const file = await fileOf(`${head}ann,1\nbob,2\n`);
    const first = await take({ files: [file] });
    expect(first.records).toEqual(['ann 1', 'bob 2']);
    expect((await take({ files: [file] }, first.cursor)).read).toBe(0);
    const renamed = file.replace('log', 'old');
    await rename(file, renamed);
    expect((await take({ files: [renamed] }, first.cursor)).read).toBe(0);
  });

  test('has grown: the new rows', async () => {
    const file = await fileOf(`${head}ann,1\nbob,2`);
    const first = await take({ files: [file] });
    await appendFile(file, '\ncy,3\ndan,4\n');
    const second = await take({ files: [file] }, first.cursor);
    expect(second.records).toEqual(['cy 3', 'dan 4']);
    await appendFile(file, 'eve,5\n');
    expect((await take({ files: [file] }, second.cursor)).records).toEqual(['eve 5']);
  });

  test('was rotated: a new one has its name, the old one has grown under another', async () => {
    const file = await fileOf(`${head}ann,1\nbob,2\n`);
    const first = await take({ files: [file] });
    await rename(file, `${file}.1`);
    await appendFile(`${file}.1`, 'late,3\n');
    await writeFile(file, `${head}cy,4\n`);
    const second = await take({ files: [`${file}.1`, file] }, first.cursor);
    expect(second.records).toEqual(['late 3', 'cy 4']);
    const files = [`${file}.1`, file];
    expect((await take({ files }, second.cursor)).read).toBe(0);
  });

  test('is followed by that of the next day, alone or beside it', async () => {
    const [one = '', two = ''] = await filesOf({
      'a.csv': `${head}ann,1\n`,
      'b.csv': `${head}bob,2\n`,
    });
    const first = await take({ files: [one] });
    const second = await take({ files: [two] }, first.cursor);
    expect(second.records).toEqual(['bob 2']);
    expect((await take({ files: [one, two] }, second.cursor)).read).toBe(0);
  });

  test('is given twice, or zipped: one reading', async () => {
    const text = `${head}ann,1\nbob,2\n`;
    const files = await filesOf({ 'a.csv': text, 'copy.csv': text, 'c.csv.gz': gzipSync(text) });
    expect((await take({ files })).records).toEqual(['ann 1', 'bob 2']);
  });

  test('broke off and was mended behind that place: the rest of it', async () => {
    const bytes = Buffer.from(`${head}ann,1\nj\xf6rg,2\ncy,3\n`, 'latin1');
    const file = await fileOf(bytes);
    const broken = { chunks: 1 };
    const first = await take({ files: [file] }, undefined, broken);
    expect(first.records).toEqual(['ann 1']);
    await expect(take({ files: [file] }, first.cursor)).rejects.toThrow('not UTF-8');
    await writeFile(file, `${head}ann,1\njörg,2\ncy,3\n`);
    const second = await take({ files: [file] }, first.cursor);
    expect(second.records).toEqual(['jörg 2', 'cy 3']);
  });

  test.each([
    ['its first row', 'anna,1\nbob,2\ncy,3\n'],
    ['a row in the middle', 'ann,1\nbo,2\ncy,3\n'],
    ['the last row', 'ann,1\nbob,2\ncyn,3\n'],
    ['one row less', 'ann,1\ncy,3\n'],
    ['the order of the rows', 'cy,3\nbob,2\nann,1\n'],
    ['it is shorter', 'ann,1\nbob,2\n'],
    ['a row in front', 'zoe,0\nann,1\nbob,2\ncy,3\n'],
  ])('was changed before that place: %s', async (_, text) => {
    const file = await fileOf(`${head}ann,1\nbob,2\ncy,3\n`);
    const { cursor } = await take({ files: [file] });
    await writeFile(file, head + text);
    const changed = expect.objectContaining({
      code: 'INPUT_CHANGED',
      message: expect.stringMatching(
        /before the place up to which it was read, byte 23 \(3 rows\)/,
      ),
    });
    await expect(take({ files: [file] }, cursor)).rejects.toThrow(changed);
  });

  test('had a last line that was not whole: a dead letter, and then the row; never half of it', async () => {
    const options: Partial<Options> = { format: 'jsonl', needed: [] };
    const file = await fileOf('{"who":"ann","at":1}\n{"who":"bo', 'log.jsonl');
    const first = await take({ ...options, files: [file] });
    expect(first.deadLetters).toEqual([
      { text: '{"who":"bo', reason: expect.stringContaining('line 2 is not JSON'), line: '2' },
    ]);
    await appendFile(file, 'b","at":2}\n{"who":"cy","at":3}\n');
    const second = await take({ ...options, files: [file] }, first.cursor);
    expect(second.records).toEqual(['bob 2', 'cy 3']);
    // As a row it was good already; that it was half of one is known too late, so it is said.
    const table = await fileOf(`${head}ann,1\nbob,2`);
    const { cursor } = await take({ files: [table] });
    await appendFile(table, '5\n');
    await expect(take({ files: [table] }, cursor)).rejects.toThrow(
      'line 3 was taken when it was not whole, and now it goes on',
    );
  });

  test('is a JSON list that has grown, and is laid out anew', async () => {
    const rows = [
      { who: 'ann', at: 1 },
      { who: 'bob', at: 2 },
      { who: 'cy', at: 3 },
    ];
    const unpack = (value: unknown) => value as unknown[];
    const options = { format: 'json', needed: [], unpack } as const;
    const file = await fileOf(JSON.stringify(rows.slice(0, 2)), 'log.json');
    const first = await take({ ...options, files: [file] });
    await writeFile(file, JSON.stringify(rows, undefined, 2));
    const second = await take({ ...options, files: [file] }, first.cursor);
    expect(second.records).toEqual(['cy 3']);
    await writeFile(file, JSON.stringify([{ who: 'ann', at: 7 }, ...rows.slice(1)]));
    await expect(take({ ...options, files: [file] }, second.cursor)).rejects.toThrow(
      'its content differs before the place',
    );
  });
});

describe('ids of rows', () => {
  test('equal rows are told apart in a file and among files, by whichever start they come', async () => {
    const text = `${head}ann,1\nann,1\n`;
    const files = await filesOf({
      'a.csv': text,
      'b.csv': `${head}bob,2\nann,1\nann,1\n`,
      'c.csv': `${head}ann,1\nx,3\n`,
    });
    const whole = await take({ files });
    expect(new Set(whole.ids).size).toBe(whole.ids.length);
    const ids: string[] = [];
    let cursor: unknown;
    for (const file of files) {
      const some = await take({ files: [file] }, cursor);
      ids.push(...some.ids);
      cursor = some.cursor;
    }
    expect(ids).toEqual(whole.ids);
  });
});

describe('order: time', () => {
  const order = { order: 'time' } as const;

  test('sorted by time; what has none stays with the row before it', async () => {
    const text = 'x,\ny,\nann,5\nz,\nbob,2\ncy,5\n';
    const files = [await fileOf(head + text)];
    const one = { limits: [1] };
    const { records, deadLetters, cursor } = await take({ ...order, files }, undefined, one);
    expect(records).toEqual(['bob 2', 'ann 5', 'cy 5']);
    expect(deadLetters.map(({ text: row }) => row)).toEqual(['x,', 'y,', 'z,']);
    expect((await take({ ...order, files }, cursor)).read).toBe(0);
  });

  test('nine rows of ten do not fit: the tenth does, the others are dead letters', async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `who${i},${i % 10 === 9 ? i : ''}`);
    const files = [await fileOf(`${head}${rows.join('\n')}\n`)];
    const { records, deadLetters } = await take({ ...order, files });
    expect([records.length, deadLetters.length]).toEqual([2_000, 18_000]);
    const inOrder = await take({ files });
    expect([inOrder.records.length, inOrder.deadLetters.length]).toEqual([2_000, 18_000]);
  });

  test('many rows in front that do not fit: the good ones behind them are taken', async () => {
    const bad = Array.from({ length: 20_000 }, (_, i) => `who${i},`);
    const files = [await fileOf(`${head}${bad.join('\n')}\nann,1\n`)];
    for (const options of [{ files }, { ...order, files }]) {
      const { records, deadLetters } = await take(options);
      expect([records, deadLetters.length]).toEqual([['ann 1'], 20_000]);
    }
    const allBad = [await fileOf(`${head}${bad.join('\n')}\n`)];
    for (const options of [{ files: allBad }, { ...order, files: allBad }]) {
      await expect(take(options)).rejects.toThrow('all of the first 20000 rows are refused');
    }
  });

  test('left half way, it goes on with the same files, also when they have grown; else it says so', async () => {
    const files = await filesOf({
      'a.csv': `${head}ann,5\nbob,1\n`,
      'b.csv': `${head}cy,3\ndan,2\n`,
    });
    const half = await take({ ...order, files }, undefined, { chunks: 1, limits: [3] });
    expect(half.records).toEqual(['bob 1', 'dan 2', 'cy 3']);
    await appendFile(files[0] as string, 'eve,0\n');
    const rest = await take({ ...order, files }, half.cursor);
    expect(rest.records).toEqual(['ann 5', 'eve 0']);
    await expect(take({ ...order, files: files.slice(0, 1) }, half.cursor)).rejects.toThrow(
      'give these files again',
    );
  });
});

test('rows read = records + dead letters + skipped, by reason', async () => {
  const text = `${head}ann,1\nskip,2\n,3\nbob\nskip,4\n"x,5\ncy,6\n`;
  const { read, records, deadLetters, skipped } = await take({ files: [await fileOf(text)] });
  expect(skipped).toEqual({ 'who equals skip': 2 });
  expect([records.length, deadLetters.map(({ line }) => line)]).toEqual([2, ['4', '5', '7']]);
  expect(read).toBe(7);
});

/**
 * Files that grow, are rotated, renamed and given anew, stopped and started at random: each row
 * once.
 */
test('random histories of files: every row is taken once, in its order', async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = new SeededRandom(seed);
    const draw = (n: number) => randomBelow(random, n);
    const order = draw(3) === 0 ? ({ order: 'time' } as const) : {};
    const folder = await emptyFolder();
    const written = new Map<string, string[]>();
    const taken: string[] = [];
    let [n, made, cursor]: [number, number, unknown] = [0, 0, undefined];
    const unfinished = new Set<string>();
    for (let step = 0; step < 12; step++) {
      const names = [...written.keys()];
      const grows = names.length > 0 && draw(3) > 0;
      const name = grows ? (names[draw(names.length)] as string) : `f${made++}.csv`;
      const rows = Array.from({ length: draw(6) }, () => `r${n++},${draw(9)}`);
      const eol = draw(2) === 0 ? '\n' : '\r\n';
      const known = written.get(name);
      const text = rows.map((row) => row + eol).join('');
      if (known === undefined) await writeFile(join(folder, name), `who,at${eol}${text}`);
      else await appendFile(join(folder, name), text);
      written.set(name, [...(known ?? []), ...rows]);
      if (draw(4) === 0 && unfinished.size === 0) {
        const moved = `moved${step}-${name}`;
        await rename(join(folder, name), join(folder, moved));
        written.set(moved, written.get(name) ?? []);
        written.delete(name);
      }
      // Half of the starts are broken off; those sorted by time must be finished with the same
      // files.
      const all = [...written.keys()].sort();
      const files = unfinished.size > 0 || draw(2) === 0 ? all : all.filter(() => draw(2) === 0);
      const chunks = draw(2) === 0 ? draw(4) : Number.POSITIVE_INFINITY;
      const limits = [1 + draw(3), 1 + draw(4)];
      const given = { ...order, files: files.map((one) => join(folder, one)) };
      const took = await take(given, cursor, { chunks, limits });
      taken.push(...took.records.map((one) => one.replace(' ', ',')));
      cursor = took.cursor;
      if (chunks === Number.POSITIVE_INFINITY) unfinished.clear();
      else for (const one of all) unfinished.add(one);
    }
    const files = [...written.keys()].map((one) => join(folder, one));
    const rest = await take({ ...order, files }, cursor);
    taken.push(...rest.records.map((one) => one.replace(' ', ',')));
    const all = [...written.values()].flat();
    expect({ seed, rows: taken.toSorted() }).toEqual({ seed, rows: all.toSorted() });
    await rm(folder, { recursive: true, force: true });
  }
});

describe('a cursor of the format before', () => {
  const contents = { 'a.csv': `${head}ann,5\n,\nbob,1\n`, 'b.csv': `${head}cy,3\ndan,2\n` };

  test.each(oldCursors)('$name', async ({ order, cursor, left }) => {
    const files = await filesOf(contents);
    const options = order === 'time' ? ({ files, order: 'time' } as const) : { files };
    const took = await take(options, cursor);
    expect([...took.records, ...took.deadLetters.map(({ text }) => text)]).toEqual(left);
    // From here on the files are known by their content.
    await appendFile(files[1] as string, 'eve,9\n');
    const more = await take(options, took.cursor);
    expect(more.records).toEqual(['eve 9']);
  });

  test('of other files is refused', async () => {
    const files = await filesOf({ ...contents, 'b.csv': `${head}cy,3\n` });
    await expect(take({ files }, oldCursors[0]?.cursor)).rejects.toThrow(
      'committed by an earlier version, which knew files by name and size',
    );
  });
});

test('a reason is short, however long the text is that does not fit', async () => {
  const file = await fileOf(`${head}${'x'.repeat(50_000)},never\n`);
  const map = (fields: object) => ({ reject: `it holds ${JSON.stringify(fields)}` });
  const { deadLetters } = await take({ files: [file], map });
  expect(deadLetters[0]?.text.length).toBe(50_006);
  expect(deadLetters[0]?.reason.length).toBeLessThan(1_100);
});
