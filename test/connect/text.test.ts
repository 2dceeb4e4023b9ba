/** Text of files: characters across the borders of chunks, and what is kept of a file that breaks. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { textOf } from '../../engine/connect/text.ts';
import { emptyFolder } from '../process/millrace.ts';

/** All text up to the end, or to the error. */
async function read(file: string): Promise<{ text: string; problem?: string }> {
  let text = '';
  try {
    for await (const chunk of textOf(file)) text += chunk;
    return { text };
  } catch (error) {
    return { text, problem: String(error) };
  }
}

test.each(['a', 'é', '€', '😀'])('characters like %s, over many chunks', async (character) => {
  const file = join(await emptyFolder(), 'input.txt');
  const good = `x${character.repeat(7)}\n`.repeat(20_011);
  await writeFile(file, good);
  expect((await read(file)).text === good).toBe(true);
  await writeFile(file, Buffer.concat([Buffer.from(good), Buffer.from([0x78, 0xff, 0x0a, 0x79])]));
  const { text, problem } = await read(file);
  // Every line before the broken one, and no more.
  expect(text === good).toBe(true);
  expect(problem).toContain(`not UTF-8 text, after byte ${Buffer.byteLength(good)} of its content`);
});
