/** Any flipped bit on disk is reported, or changes nothing; never is something reset in silence. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { RocksBackend } from '../../engine/storage/rocksdb.ts';
import { emptyFolder, launch } from '../process/millrace.ts';
import { look, write } from './damage-job.ts';

type Flip = readonly [file: string, at: number, bit: number];

/** Two bits of every file that holds data. */
async function flipsFor(folder: string): Promise<Flip[]> {
  const random = new SeededRandom(5);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile() && !/LOG(\.old.*)?$|OPTIONS|IDENT/.test(entry.name))
    .map(({ parentPath, name }) => relative(folder, join(parentPath, name)))
    .sort();
  const flips: Flip[] = [];
  for (const file of files) {
    const { size } = await stat(join(folder, file));
    for (let i = 0; i < Math.min(size, 2); i++) {
      flips.push([file, randomBelow(random, size), randomBelow(random, 8)]);
    }
  }
  return flips;
}

test('bits flipped all over the files of log and state', async () => {
  const folder = await emptyFolder();
  await write(folder);
  const copy = join(await emptyFolder(), 'copy');
  const outcomes: string[] = [];
  for (let left = await flipsFor(folder); left.length > 0; ) {
    const child = launch('test/log/damage-child.ts', [folder, copy, JSON.stringify(left)]);
    const { code, signal, stdout, stderr } = await child.ended;
    const said = stdout.split('\n').slice(0, -1);
    outcomes.push(...said);
    left = left.slice(said.length);
    if (code === 0) break;
    // The database checks some of its own numbers by assertion: loud, and nothing is changed.
    expect({ signal, stderr }).toMatchObject({
      signal: 'SIGABRT',
      stderr: expect.stringMatching(/rocksdb.*Assertion/),
    });
    outcomes.push('aborted by the database');
    left = left.slice(1);
  }
  const good = /^(unharmed|aborted by the database|(LOG|STORE|STATE)_(CORRUPT|UNAVAILABLE))$/;
  expect(outcomes.filter((outcome) => !good.test(outcome))).toEqual([]);
  expect(outcomes).toContain('STORE_CORRUPT');
  expect(outcomes.length).toBeGreaterThan(40);
});

test('a damaged cell is STATE_CORRUPT with task and store, and deleting the state mends it', async () => {
  const folder = await emptyFolder();
  await write(folder);
  const intact = await look(folder);
  const backend = await RocksBackend.open(join(folder, 'state', '1_0'));
  const cells = await backend.range({ from: Buffer.from([0]) });
  const [key, value] = cells.find(([, bytes]) => bytes.byteLength > 30) as [Buffer, Buffer];
  value[8] = (value[8] as number) ^ 4;
  await backend.write([{ key, value }]);
  await backend.close();
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(look(folder)).rejects.toMatchObject({
      code: 'STATE_CORRUPT',
      message: expect.stringMatching(/task 1_0 store \S+: CRC-32C does not match/),
    });
  }
  await rm(join(folder, 'state'), { recursive: true });
  expect((await look(folder)) === intact).toBe(true);
});
