/**
 * Questions while the application runs, and where it cannot be asked: an answer, or what to do;
 * never a wrong remedy.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { emptyFolder, launch, millrace } from './millrace.ts';

const job = 'test/process/rows-job.ts';
const rows = ['x', 'y', 'x'].map((word, i) => JSON.stringify({ id: `k${i}`, at: i, word }));

async function ran(): Promise<string> {
  const data = await emptyFolder();
  const input = join(data, 'rows.jsonl');
  await writeFile(input, `${rows.join('\n')}\n`);
  const args = ['--input', input, '--topic', 'rows', '--key', 'id', '--time', 'at'];
  args.push('--time-format', 'epoch-ms');
  const run = await millrace('run', job, ...args, ...runFlags(data), '--until-caught-up');
  expect(run).toMatchObject({ code: 0 });
  return data;
}

function runFlags(data: string): string[] {
  return ['--threads', '0', '--partitions', '1', '--data', data];
}

it('query, topics, listings and plan ask the process that runs', { timeout: 240_000 }, async () => {
  const data = await ran();
  const on = ['--data', data];
  const questions: string[][] = [
    ['query', 'totals', '--json', ...on],
    ['topics', '--json', ...on],
    ['topics', 'read', 'copies', '--json', ...on],
    ['dead-letters', ...on],
  ];
  const answers = async () => {
    const all = [];
    for (const question of questions) all.push(await millrace(...question));
    return all.map(({ code, stdout }) => ({ code, stdout }));
  };
  const before = await answers();
  expect(before[0]?.stdout).toContain('k0');
  const running = launch('topologies/app/main.ts', [
    'run',
    job,
    ...runFlags(data),
    '--log-level',
    'info',
  ]);
  onTestFinished(() => void running.child.kill('SIGKILL'));
  await running.says('"msg":"running"');
  expect(await answers()).toEqual(before);
  const live = await millrace('describe', '--live', '--json', ...on);
  expect(live.code).toBe(0);
  expect(JSON.parse(live.stdout)).toMatchObject({
    application: 'rows',
    newest: 2,
    sources: [{ topic: 'rows', partition: 0, state: 'silent', sourceTime: 2, records: 0 }],
    tasks: [{ task: '0_0', by: 'records', watermark: 2, heldBackBy: [] }],
  });
  const shown = await millrace('describe', '--live', ...on);
  expect(shown.stdout).toMatch(/rows +0 +silent +1970-01-01T00:00:00.002Z/);
  running.child.kill('SIGKILL');
  await running.ended;
  const over = await millrace('describe', '--live', ...on);
  expect([over.code, over.stderr]).toEqual([2, expect.stringContaining('does not run in')]);
  // What it left of its socket is no process.
  expect(await answers()).toEqual(before);
});

it('a folder is moved together with the module that ran in it', { timeout: 120_000 }, async () => {
  const parent = await emptyFolder();
  const [here, there] = [join(parent, 'here'), join(parent, 'there')];
  await mkdir(here);
  await writeFile(
    join(here, 'job.ts'),
    `import { topic, topology, utf8 } from '${pathToFileURL(resolve('operators/index.ts'))}';
     export default topology('moved', (t) => {
       t.stream(topic<string, string>('words', { value: utf8 })).count('totals');
     });`,
  );
  await writeFile(join(here, 'package.json'), '{"type":"module"}');
  const data = join(here, 'data');
  const flags = ['--until-caught-up', '--threads', '0', '--partitions', '1', '--data', data];
  const run = await millrace('run', join(here, 'job.ts'), ...flags);
  expect(run).toMatchObject({ code: 0 });
  const file = JSON.parse(await readFile(join(data, 'application.json'), 'utf8'));
  expect(file.topology.module).toBe(join('..', 'job.ts'));
  await rename(here, there);
  const asked = await millrace('query', 'totals', '--data', join(there, 'data'));
  expect(asked).toMatchObject({ code: 0, stdout: 'no rows\n' });
});

it('where no log lies, it is said that Kafka may have it; nothing is made', async () => {
  const data = await emptyFolder();
  const file = { application: 'elsewhere', topology: { module: '/nowhere/job.ts' } };
  await writeFile(join(data, 'application.json'), JSON.stringify(file));
  await mkdir(join(data, 'state'));
  for (const question of [['query', 'totals'], ['topics'], ['dead-letters']]) {
    const { code, stderr } = await millrace(...question, '--data', data);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/no log in .*--brokers/)]);
    expect(stderr).not.toMatch(/delete/);
  }
});
