/**
 * The power goes: files are what was synced of them, and what was acknowledged is there. A backend
 * that does not sync turns this red, which the second test shows.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import { type BackendName, backendsOf } from '../../engine/storage/backends.ts';
import { launch } from '../process/millrace.ts';
import { onDisk } from '../storage/adapters.ts';

function compiled(folder: string): string | undefined {
  const library = join(folder, 'power.so');
  try {
    const source = join(import.meta.dirname, 'power.c');
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    return library;
  } catch {
    return undefined;
  }
}

const canPreload = process.platform === 'linux';

/**
 * Commits until the power goes; answers the last acknowledged commit and the folder as it is then.
 */
async function powerCut(backend: BackendName, sync: 'synced' | 'unsynced') {
  const work = await mkdtemp(join(tmpdir(), 'millrace-power-'));
  const [folder, disk] = [join(work, 'log'), await mkdtemp(join(work, 'disk-'))];
  const library = compiled(work);
  if (library === undefined) return undefined;
  const env = { LD_PRELOAD: library, MILLRACE_POWER: disk, UV_USE_IO_URING: '0' };
  const child = launch('test/damage/power-child.ts', [folder, backend, sync], env);
  await child.says('done');
  child.child.kill('SIGKILL');
  await child.ended;
  const acknowledged = Number(/acknowledged (\d+)\n(?!acknow)/.exec(child.said())?.[1]);
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { ino } = await stat(path);
    await writeFile(path, await readFile(join(disk, String(ino))).catch(() => ''));
  }
  return { work, folder, acknowledged };
}

async function lastCommit(folder: string, backend: BackendName): Promise<number> {
  const log = await openEmbeddedLog({
    ...{ directory: folder, application: 'power', backends: backendsOf(backend) },
  });
  try {
    const { lastCommitId } = await log.openWriter('w');
    const at = { topic: 'a', partition: 0 };
    const batch = await log.read(at, 0, { records: 1_000 });
    expect(batch?.count).toBe(lastCommitId);
    for (let i = 0; i < lastCommitId; i++) {
      expect(batch?.value(i)?.toString().split(' ')[0]).toBe(String(i + 1));
    }
    return lastCommitId;
  } finally {
    await log.close();
  }
}

test.runIf(canPreload).each(onDisk)('commits are synced over %s', async (name) => {
  const cut = await powerCut(name as BackendName, 'synced');
  if (cut === undefined) return console.warn('no C compiler: not tested');
  expect(cut.acknowledged).toBe(40);
  expect(await lastCommit(cut.folder, name as BackendName)).toBe(40);
  await rm(cut.work, { recursive: true });
});

test.runIf(canPreload).each(onDisk)('a mutant of %s that does not sync is found', async (name) => {
  const cut = await powerCut(name as BackendName, 'unsynced');
  if (cut === undefined) return console.warn('no C compiler: not tested');
  await expect(lastCommit(cut.folder, name as BackendName)).rejects.toMatchObject({
    code: 'LOG_CORRUPT',
  });
  await rm(cut.work, { recursive: true });
});
