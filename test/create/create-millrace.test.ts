/**
 * `npm create millrace`: what it makes, what it refuses. The project itself is tried in .ci/create.
 */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { emptyFolder } from '../process/millrace.ts';

const root = resolve(import.meta.dirname, '../..');
const script = join(root, 'packages/create-millrace/create.mjs');

interface Made {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function create(
  cwd: string,
  args: readonly string[],
  agent = 'npm/10.8.2 node/v20',
): Promise<Made> {
  return new Promise((done) => {
    const env = { ...process.env, npm_config_user_agent: agent };
    const child = execFile(process.execPath, [script, ...args], { cwd, env }, (_, stdout, stderr) =>
      done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

async function json(...path: readonly string[]): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(...path), 'utf8'));
}

test('it makes a whole project, with names filled in', async () => {
  const folder = await emptyFolder();
  const made = await create(folder, ['Grüne Wiese!'], 'pnpm/10.1.0 npm/? node/v22');
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toContain('pnpm install');
  const project = join(folder, 'Grüne Wiese!');
  const files = await readdir(project, { recursive: true });
  expect(files.sort()).toEqual(
    [
      ...['.dockerignore', '.gitignore', 'Dockerfile', 'README.md', 'orders.jsonl', 'package.json'],
      ...['src', 'src/orders.ts', 'test', 'test/orders.test.ts', 'tsconfig.json'],
    ].sort(),
  );
  for (const file of files.filter((name) => name.includes('.'))) {
    expect(await readFile(join(project, file), 'utf8')).not.toMatch(/\{\{|\}\}/);
  }
  const { version } = await json(root, 'package.json');
  expect(await json(project, 'package.json')).toMatchObject({
    name: 'grune-wiese',
    dependencies: { millrace: version },
  });
});

test('its own version is that of millrace, and what it installs is what millrace is tested with', async () => {
  const own = await json(root, 'packages/create-millrace/package.json');
  const { version, dependencies, devDependencies } = await json(root, 'package.json');
  expect(own['version']).toBe(version);
  const template = await json(root, 'packages/create-millrace/template/_package.json');
  const known = { ...(dependencies as object), ...(devDependencies as object) };
  expect(known).toMatchObject(template['devDependencies'] as object);
});

test('a folder that is not empty, a file and a bad name are refused, and nothing is written', async () => {
  const folder = await emptyFolder();
  await mkdir(join(folder, 'full'));
  await writeFile(join(folder, 'full', 'mine.txt'), '');
  await writeFile(join(folder, 'file'), '');
  const refusals: [args: string[], told: RegExp][] = [
    [['full'], /full is not empty \(it has mine\.txt\): name another folder/],
    [['file'], /file is a file: name a folder/],
    [['new', '--name', 'Upper'], /--name: "Upper" may have a to z/],
    [['new', '--name', '.hidden'], /not begin with \./],
    [['new', '--name', 'fs'], /--name: "fs" is taken by Node/],
    [['new', '--name', 'x'.repeat(215)], /more than 214/],
    [['new', '--name', '@scope/'], /--name/],
    [['new', '--nmae', 'x'], /Unknown option '--nmae'/],
    [['new', '--millrace', './none.tgz'], /there is no file \.\/none\.tgz/],
    [[], /usage: npm create millrace/],
    [['one', 'two'], /usage: npm create millrace/],
  ];
  for (const [args, told] of refusals) {
    const { code, stderr } = await create(folder, args);
    expect([args, code, stderr]).toEqual([args, 2, expect.stringMatching(told)]);
  }
  expect((await readdir(folder)).sort()).toEqual(['file', 'full']);
  expect(await readdir(join(folder, 'full'))).toEqual(['mine.txt']);
});

test.each([
  ['My Stream', 'my-stream'],
  ['_private', 'private'],
  ['stream', 'stream-stream'],
  ['日本', 'my-stream'],
  ['a.b~c_d', 'a.b~c_d'],
  ['-x-', 'x'],
])('a folder %s makes a package %s', async (name, expected) => {
  const folder = await emptyFolder();
  expect(await create(folder, [`./${name}`])).toMatchObject({ code: 0 });
  expect(await json(folder, name, 'package.json')).toMatchObject({ name: expected });
});

test('an empty folder, a new repository and a tarball will do', async () => {
  const folder = await emptyFolder();
  const here = join(folder, 'here');
  await mkdir(join(here, '.git'), { recursive: true });
  await writeFile(join(folder, 'own.tgz'), '');
  const made = await create(here, ['.', '--name', '@scope/mine', '--millrace', '../own.tgz']);
  expect(made).toMatchObject({ code: 0 });
  expect(made.stdout).not.toContain('cd ');
  expect(await json(here, 'package.json')).toMatchObject({
    name: '@scope/mine',
    dependencies: { millrace: 'file:../own.tgz' },
  });
});
