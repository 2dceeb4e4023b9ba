/** Every adapter of the Log port keeps the port's laws; damage of the embedded log is found. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { append, logLaws, memberLaws, rowsOf } from '../../engine/laws/index.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';

describe('memory log', () => {
  const open = async () => {
    const log = new MemoryLog();
    return { log, dispose: () => log.close() };
  };
  for (const { name, check } of [...logLaws({ open }), ...memberLaws({ open })]) test(name, check);
});

const open = (directory: string) =>
  openEmbeddedLog({ directory, application: 'test', backends: rocksBackends });

describe('embedded log', () => {
  const opened = async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
    let log = await open(directory);
    return {
      log,
      reopen: async () => {
        await log.close();
        log = await open(directory);
        return log;
      },
      dispose: async () => {
        await log.close();
        await rm(directory, { recursive: true });
      },
    };
  };
  const laws = [...logLaws({ open: opened }), ...memberLaws({ open: opened })];
  for (const { name, check } of laws) test(name, check);

  test('a second owner is refused and told who the first is', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
    const log = await open(directory);
    await expect(open(directory)).rejects.toMatchObject({
      code: 'LOG_LOCKED',
      context: { pid: process.pid },
    });
    await log.close();
    await rm(directory, { recursive: true });
  });
});

describe('a flipped byte', () => {
  /** Flips one bit of the first place where `pattern` stands in a file of the folder. */
  async function flip(directory: string, pattern: string): Promise<number> {
    let flipped = 0;
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    for (const { name, parentPath } of entries.filter((entry) => entry.isFile())) {
      const file = join(parentPath, name);
      const bytes = await readFile(file);
      const at = bytes.indexOf(pattern);
      if (at < 0 || name.startsWith('HEAD')) continue;
      bytes[at] = (bytes[at] as number) ^ 1;
      await writeFile(file, bytes);
      flipped++;
    }
    return flipped;
  }

  test('in a record is LOG_CORRUPT with topic, partition and offset; nothing is reset', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-log-'));
    const log = await open(directory);
    await log.createTopics([{ name: 'one', partitions: 1, settings: {} }]);
    const writer = await log.openWriter('w');
    for (const [i, value] of ['first', 'unmistakable', 'third'].entries()) {
      await writer.commit({
        appends: [append('one', 0, [['k', value]])],
        offsets: [],
        commitId: i + 1,
      });
    }
    await log.close();
    expect(await flip(directory, 'unmistakable')).toBeGreaterThan(0);
    const readAll = async () => {
      const damaged = await open(directory);
      try {
        return rowsOf(await damaged.read({ topic: 'one', partition: 0 }, 0, { records: 10 }));
      } finally {
        await damaged.close();
      }
    };
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(readAll()).rejects.toMatchObject({
        code: expect.stringMatching(/^(LOG|STORE)_CORRUPT$/),
      });
    }
    const error = await readAll().catch((e: unknown) => e);
    expect(String(error)).toMatch(/one|damaged/);
    await rm(directory, { recursive: true });
  });
});
