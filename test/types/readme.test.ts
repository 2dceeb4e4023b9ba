/** The snippets of README.md compile, as a newcomer copies them. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

test('snippets of README.md compile together', { timeout: 300_000 }, async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8');
  const snippets = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, source = '']) => source);
  expect(snippets.length).toBeGreaterThan(1);
  // Inside the package, so that its name is known; no other run shares the folder.
  const folder = join(root, 'test/types', `.snippets-${process.pid}`);
  await mkdir(folder, { recursive: true });
  try {
    const files = await Promise.all(
      snippets.map(async (source, i) => {
        const [, name = `snippet-${i}.ts`] = /^\/\/ (\S+\.ts)\n/.exec(source) ?? [];
        await writeFile(join(folder, name), source);
        return name;
      }),
    );
    const config = {
      extends: '../../../tsconfig.json',
      include: files,
      compilerOptions: { noEmit: true },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const compiler = join(root, 'node_modules/typescript/lib/tsc.js');
    const compiled = promisify(execFile)(process.execPath, [compiler, '-p', folder]);
    await expect(compiled.catch((error) => error.stdout)).resolves.toMatchObject({ stdout: '' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
