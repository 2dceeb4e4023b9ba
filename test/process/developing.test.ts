/** The examples of docs/DEVELOPING.md do what the page says, beside the topology of the README. */
import { readFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, launch } from './millrace.ts';

const root = resolve(import.meta.dirname, '../..');

/** What an own project resolves by the package's name. */
const entries: Record<string, string> = {
  millrace: 'operators/index.ts',
  'millrace/testing': 'engine/testing/driver.ts',
};

/** Writes a file of the page's, and answers its path in the source tree. */
async function written(page: string, name: string, folder: string): Promise<string> {
  const text = await readFile(join(root, page), 'utf8');
  const found = new RegExp(
    `\`\`\`ts\\n// ${name.replaceAll('.', '\\.')}\\n([\\s\\S]*?)\`\`\``,
  ).exec(text);
  const source = (found?.[1] ?? expect.fail(`${page} has no ${name}`)).replace(
    /from '(millrace[^']*)'/g,
    (_, entry: string) => `from ${JSON.stringify(join(root, entries[entry] ?? entry))}`,
  );
  const path = join(folder, name);
  await writeFile(path, source.replace("'orders.golden.jsonl'", JSON.stringify(golden(folder))));
  return relative(root, path);
}

function golden(folder: string): string {
  return join(folder, 'orders.golden.jsonl');
}

test('its tests pass, and its golden file is the one shown', async () => {
  const folder = await emptyFolder();
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await written('README.md', 'orders.ts', folder);
  const plain = await written('docs/DEVELOPING.md', 'orders.test.ts', folder);
  const compared = await written('docs/DEVELOPING.md', 'golden.test.ts', folder);
  expect(await launch(plain, []).ended).toMatchObject({ code: 0, stderr: '' });
  expect(await launch(compared, []).ended).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('there is no such file'),
  });
  const update = { MILLRACE_UPDATE_GOLDEN: '1' };
  expect(await launch(compared, [], update).ended).toMatchObject({ code: 0, stderr: '' });
  const page = await readFile(join(root, 'docs/DEVELOPING.md'), 'utf8');
  const [, shown = expect.fail('no example')] = /```json\n([\s\S]*?)```/.exec(page) ?? [];
  expect(await readFile(golden(folder), 'utf8')).toMatch(new RegExp(`^${escaped(shown)}`));
  expect(await launch(compared, []).ended).toMatchObject({ code: 0, stderr: '' });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
