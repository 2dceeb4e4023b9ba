/**
 * Lines of files: characters and line ends across the borders of chunks, and what is kept of a file
 * that breaks.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { linesOf } from '../../engine/connect/lines.ts';
import { emptyFolder } from '../process/millrace.ts';

/** All lines up to the end, or to the error. */
async function read(file: string): Promise<{ lines: string[]; problem?: string }> {
  const lines: string[] = [];
  try {
    for await (const block of linesOf(file)) lines.push(...block.map(({ text }) => text));
    return { lines };
  } catch (error) {
    return { lines, problem: String(error) };
  }
}

async function fileOf(content: string | Buffer, name = 'input.txt'): Promise<string> {
  const file = join(await emptyFolder(), name);
  await writeFile(file, content);
  return file;
}

test.each(['a', 'é', '€', '😀'])('characters like %s, over many chunks', async (character) => {
  const good = `x${character.repeat(7)}\n`.repeat(60_011);
  const lines = good.trimEnd().split('\n');
  expect((await read(await fileOf(good))).lines).toEqual(lines);
  const bad = Buffer.concat([Buffer.from(good), Buffer.from([0x78, 0xff, 0x0a, 0x79])]);
  const found = await read(await fileOf(bad));
  // Every line before the broken one, and no more.
  expect(found.lines).toEqual(lines);
  expect(found.problem).toContain(
    `not UTF-8 text, after byte ${Buffer.byteLength(good)} of its content, in line 60012`,
  );
});

test.each([
  ['LF', 'a\nb\n\nc', ['a', 'b', '', 'c']],
  ['CRLF', 'a\r\nb\r\n\r\nc\r\n', ['a', 'b', '', 'c']],
  ['CR', 'a\rb\r\rc', ['a', 'b', '', 'c']],
  ['all three', 'a\r\nb\nc\rd\r\r\n', ['a', 'b', 'c', 'd', '']],
  ['a mark of the byte order', '\uFEFFa\nb\uFEFF\n', ['a', 'b\uFEFF']],
  ['nothing', '', []],
])('line ends: %s', async (_, content, lines) => {
  expect(await read(await fileOf(content))).toEqual({ lines });
});

test('line ends of every kind at the borders of chunks, and places in bytes', async () => {
  // Chunks have 256 KiB: each kind of line end is moved across a border by one byte after another.
  for (let shift = 0; shift < 6; shift++) {
    const content = `${'é'.repeat(shift)}${`${'y'.repeat(28)}\r\nz\ré\r\n`.repeat(16_000)}`;
    const bytes = Buffer.from(content);
    const file = await fileOf(bytes);
    let last = 0;
    for await (const block of linesOf(file)) {
      for (const { text, eol, start, end } of block) {
        if (start !== last || bytes.toString('utf8', start, end) !== text) {
          expect.fail(`${start} to ${end}`);
        }
        last = end + eol.length;
      }
    }
    expect(last).toBe(bytes.byteLength);
  }
});

test('UTF-16 is called by its name', async () => {
  const file = await fileOf(Buffer.from('\uFEFFwho,when\n', 'utf16le'));
  expect((await read(file)).problem).toContain('it is UTF-16 text: convert it to UTF-8');
});

test('gzip is known by its content; data of several members; what follows it is not lost in silence', async () => {
  const two = Buffer.concat([gzipSync('a\n'), gzipSync('b\n')]);
  expect(await read(await fileOf(two))).toEqual({ lines: ['a', 'b'] });
  expect(await read(await fileOf('a\nb\n', 'plain.gz'))).toEqual({ lines: ['a', 'b'] });
  const trailing = await read(await fileOf(Buffer.concat([two, Buffer.from('c\n')])));
  expect(trailing.problem).toContain('its gzip data is damaged or cut off');
  const padded = Buffer.concat([two, Buffer.alloc(512)]);
  expect(await read(await fileOf(padded))).toEqual({ lines: ['a', 'b'] });
  const cut = await read(await fileOf(gzipSync('a\n'.repeat(1_000)).subarray(0, -4)));
  expect(cut.lines.length).toBe(1_000);
  expect(cut.problem).toContain('cut off after 2000 bytes');
  expect((await read(await fileOf('', 'empty.gz'))).problem).toContain('cut off after 0 bytes');
});
