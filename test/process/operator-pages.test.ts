/** The example of every page about operators says what the page says that it says. */
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, launch } from './millrace.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = join(root, 'docs/operators');
const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));

/** What an own project resolves by the package's name. */
const entries: Record<string, string> = {
  millrace: 'operators/index.ts',
  'millrace/testing': 'engine/testing/driver.ts',
};

test('there are pages', () => {
  expect(pages.length).toBeGreaterThanOrEqual(3);
});

test.each(pages)('%s', async (page) => {
  const text = readFileSync(join(folder, page), 'utf8');
  for (const part of ['What it does', 'Timing', 'Example', 'Cost', 'In Kafka Streams']) {
    expect(text).toContain(`\n## ${part}\n`);
  }
  const [, source = '', said] = /```ts\n([\s\S]*?)```\n+```text\n([\s\S]*?)```/.exec(text) ?? [];
  const module = join(await emptyFolder(), 'example.mts');
  const resolved = source.replace(/from '(millrace[^']*)'/g, (_, name: string) => {
    return `from ${JSON.stringify(join(root, entries[name] ?? name))}`;
  });
  await writeFile(module, resolved);
  const { code, stdout, stderr } = await launch(relative(root, module), []).ended;
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: said, stderr: '' });
});
