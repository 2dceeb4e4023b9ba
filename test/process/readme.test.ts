/** What the README tells a newcomer to do, done. */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder, millrace } from './millrace.ts';

test('the first own topology runs as it is written there', async () => {
  const readme = await readFile(resolve(import.meta.dirname, '../../README.md'), 'utf8');
  const [, source = ''] = /```ts\n\/\/ orders\.ts\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(source.trim().split('\n').length).toBeLessThanOrEqual(20);
  const [, order = ''] = /echo '(.*)' > orders\.jsonl/.exec(readme) ?? [];
  const [, command = ''] = /npx millrace (run orders\.ts .*)/.exec(readme) ?? [];
  const folder = await emptyFolder();
  const [module, input] = [join(folder, 'orders.ts'), join(folder, 'orders.jsonl')];
  // In an own package the name resolves; here the file lies outside of any.
  const index = resolve(import.meta.dirname, '../../operators/index.ts');
  await writeFile(module, source.replace("'millrace'", JSON.stringify(index)));
  await writeFile(input, `${order}\n`);
  const data = ['--data', join(folder, 'data')];
  const args = command.replace('orders.ts', module).replace('orders.jsonl', input).split(' ');
  expect(await millrace(...args, ...data)).toMatchObject({ code: 0 });
  const { stdout: rows } = await millrace('query', 'orders-per-hour', 'ann', ...data);
  expect(rows.trim().split('\n')).toHaveLength(12);
  const { stdout: large } = await millrace('topics', 'read', 'large-orders', ...data);
  expect(large).toContain(`o1  ${order}`);
});

test('every command has help, and lists its options', async () => {
  const { stdout } = await millrace('--help');
  const commands = [...stdout.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name = '']) => name);
  expect(commands).toEqual(
    expect.arrayContaining(['start', 'run', 'describe', 'query', 'topics', 'dead-letters']),
  );
  for (const command of ['start', 'run', 'describe', 'query', 'topics', 'dead-letters']) {
    const help = await millrace(command, '--help');
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('--json') });
  }
});
