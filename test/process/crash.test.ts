/**
 * Killed at fifty random moments and started again, half of the times without its state folder, the
 * run ends in the topics of a run that was never killed.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { sampleLines } from '../../topologies/ingest/sample.ts';
import { contentOf, writeInput } from '../simulation/job.ts';
import { emptyFolder, launch } from './millrace.ts';

const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const kills = 25;
const minutes = 60_000;

type Job = 'windows' | 'engagement';

function logIn(folder: string) {
  const directory = join(folder, 'log');
  return openEmbeddedLog({ directory, application: 'test', backends: rocksBackends });
}

async function folderFor(job: Job): Promise<string> {
  const folder = await emptyFolder();
  if (job === 'engagement') return folder;
  const log = await logIn(folder);
  await writeInput(log, new SeededRandom(3), 500);
  await log.close();
  return folder;
}

async function inputFile(): Promise<string> {
  const file = join(await emptyFolder(), 'input.jsonl');
  const lines = sampleLines({ seed: 3, subjects: 24, days: 40, start: Date.UTC(2026, 0, 1) });
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

async function contentIn(folder: string): Promise<string> {
  const log = await logIn(folder);
  const content = await contentOf(log);
  await log.close();
  return content;
}

/** The first line in which two contents differ; they are too long to be shown. */
function firstDifference(actual: string, expected: string) {
  if (actual === expected) return undefined;
  const [found, wanted] = [actual.split('\n'), expected.split('\n')];
  const i = wanted.findIndex((line, at) => line !== found[at]);
  return { lines: [found.length, wanted.length], found: found[i], wanted: wanted[i] };
}

test.each([
  ['windows', 0],
  ['engagement', 2],
] as const)(
  'the job %s on %i threads, killed at random moments',
  async (job, threads) => {
    const random = new SeededRandom(seed);
    const input = await inputFile();
    const start = (folder: string) =>
      launch('test/process/crash-child.ts', [job, folder, String(threads), input]);
    const reference = await folderFor(job);
    const whole = start(reference);
    await whole.says('started');
    const begin = performance.now();
    expect(await whole.ended).toMatchObject({ code: 0 });
    const wholeMs = performance.now() - begin;
    const expected = await contentIn(reference);
    for (let killed = 0; killed < kills; ) {
      const folder = await folderFor(job);
      for (let done = false; !done; ) {
        const { child, ended, says } = start(folder);
        await says('started');
        // Early moments are tried more often, so that some dozen kills fit into one run.
        const moment = setTimeout(() => child.kill('SIGKILL'), random.next() ** 2 * wholeMs);
        const { code, signal, stderr } = await ended;
        clearTimeout(moment);
        done = code === 0;
        if (done) break;
        expect({ seed, signal, stderr }).toMatchObject({ signal: 'SIGKILL' });
        killed++;
        if (killed % 2 === 0) await rm(join(folder, 'state'), { recursive: true, force: true });
      }
      const difference = firstDifference(await contentIn(folder), expected);
      expect({ seed, killed, difference }).toMatchObject({ difference: undefined });
    }
  },
  10 * minutes,
);
