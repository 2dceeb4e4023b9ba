/** The same bytes in every partition of every topic, whatever runs the tasks. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { defaultSample, sampleLines } from '../../topologies/ingest/sample.ts';
import { contentOf, writeInput } from '../simulation/job.ts';
import { emptyFolder, launch, millrace } from './millrace.ts';

const module = 'test/process/job-module.ts';

function logIn(folder: string) {
  const directory = join(folder, 'log');
  return openEmbeddedLog({ directory, application: 'test', backends: rocksBackends });
}

async function withInput(): Promise<string> {
  const folder = await emptyFolder();
  const log = await logIn(folder);
  await writeInput(log, new SeededRandom(7), 4_000);
  await log.close();
  return folder;
}

async function contentIn(folder: string): Promise<string> {
  const log = await logIn(folder);
  const content = await contentOf(log);
  await log.close();
  return content;
}

async function runIn(folder: string, threads: number) {
  const args = ['--until-caught-up', '--data', folder, '--threads', String(threads), '--json'];
  const { code, stdout, stderr } = await millrace('run', module, ...args);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return JSON.parse(stdout) as { readonly restored: number };
}

test('0, 1, 2 and 4 threads write the same', async () => {
  const contents = await Promise.all(
    [0, 1, 2, 4].map(async (threads) => {
      const folder = await withInput();
      await runIn(folder, threads);
      return contentIn(folder);
    }),
  );
  expect(contents[0]?.split('\n').length).toBeGreaterThan(8_000);
  for (const content of contents.slice(1)) expect(content === contents[0]).toBe(true);
});

test('the ready topology, too: scores, labels and memberships on 0, 1 and 4 threads', async () => {
  const contents = await Promise.all(
    [0, 1, 4].map(async (threads) => {
      const folder = await emptyFolder();
      const input = join(folder, 'sample.jsonl');
      const sample = sampleLines({ ...defaultSample, seed: 5, subjects: 30, days: 40 });
      await writeFile(input, `${sample.join('\n')}\n`);
      const data = join(folder, 'data');
      const args = ['--input', input, '--mapping', 'sample', '--threads', String(threads)];
      const { code, stderr } = await millrace('start', '--data', data, ...args);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      // The others name the input's folder.
      const lines = (await contentIn(data)).split('\n');
      return lines.filter((line) => /^(scores|segment-|activity-labels|profiles)/.test(line));
    }),
  );
  expect(contents[0]?.length).toBeGreaterThan(500);
  for (const content of contents.slice(1)) expect(content).toEqual(contents[0]);
});

/** Runs a job whose worker dies so often, two threads, and answers how it ended. */
async function runDying(folder: string, deaths: number) {
  const file = join(folder, 'deaths');
  await writeFile(file, String(deaths));
  const args = ['test/process/dying-module.ts', '--until-caught-up', '--data', folder];
  return launch('topologies/app/main.ts', ['run', ...args], { DIE_FILE: file }).ended;
}

test('a worker that dies is replaced, and its tasks go on from the last commit', async () => {
  const [whole, folder] = [await withInput(), await withInput()];
  expect(await runDying(whole, 0)).toMatchObject({ code: 0 });
  const { code, stderr } = await runDying(folder, 3);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect((await contentIn(folder)) === (await contentIn(whole))).toBe(true);
});

test('a worker that dies again and again stops the run; the next start goes on', async () => {
  const [whole, folder] = [await withInput(), await withInput()];
  await runDying(whole, 0);
  const { code, stderr } = await runDying(folder, 100);
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/error WORKER_FAILED: worker thread failed 4 times.*\nremedy: /),
  });
  expect(await runDying(folder, 0)).toMatchObject({ code: 0 });
  expect((await contentIn(folder)) === (await contentIn(whole))).toBe(true);
});

test('a deleted state folder is rebuilt from the changelogs: same rows, nothing written', async () => {
  const folder = await withInput();
  expect(await runIn(folder, 2)).toMatchObject({ restored: 0 });
  const query = () => millrace('query', 'totals', '--data', folder, '--json');
  const before = await query();
  // The initials a to d, and that of empty texts.
  expect(JSON.parse(before.stdout)).toHaveLength(5);
  await rm(join(folder, 'state'), { recursive: true });
  const content = await contentIn(folder);
  const { restored } = await runIn(folder, 2);
  expect(restored).toBeGreaterThan(0);
  expect((await query()).stdout).toBe(before.stdout);
  expect((await contentIn(folder)) === content).toBe(true);
});
