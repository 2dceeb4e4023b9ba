/**
 * A hole in the write-ahead log of an embedded log: whatever the database makes of it, what is
 * missing is LOG_CORRUPT with topic, partition and offset, and to open changes nothing.
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isMillraceError } from '../../engine/base/errors.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { append, rowsOf } from '../../engine/laws/index.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import type { Log } from '../../engine/log/log.ts';
import type { BackendFactory } from '../../engine/storage/backend.ts';
import { onDisk } from '../storage/adapters.ts';

const seed = Number(process.env['MILLRACE_SEED'] ?? 7);
const compact = { cleanup: 'compact' as const };
const topics = [
  { name: 'a', partitions: 2, settings: {} },
  { name: 'b', partitions: 1, settings: {} },
  { name: 'c', partitions: 1, settings: compact },
];

/** Everything that is in a log. */
async function contentOf(log: Log): Promise<string> {
  const found: unknown[] = [await log.topics()];
  for (const { name, partitions } of topics) {
    for (let partition = 0; partition < partitions; partition++) {
      const at = { topic: name, partition };
      const [start, end] = [await log.startOffset(at), await log.endOffset(at)];
      const rows: string[] = [];
      for (let next = start; next < end; ) {
        const batch = await log.read(at, next, { records: 1_000 });
        if (batch === undefined) break;
        rows.push(...rowsOf(batch));
        next = batch.nextOffset;
      }
      found.push([name, partition, start, end, rows, await log.committed('w', at)]);
    }
  }
  found.push((await log.openWriter('w')).lastCommitId);
  return JSON.stringify(found);
}

async function write(backends: BackendFactory, folder: string): Promise<void> {
  const open = () => openEmbeddedLog({ directory: folder, application: 'holes', backends });
  const random = new SeededRandom(seed);
  const text = () => Array.from({ length: 12 }, () => random.next().toString(36)).join('');
  let log = await open();
  await log.createTopics(topics);
  let id = 0;
  const commits = async (count: number) => {
    const writer = await log.openWriter('w');
    for (let i = 0; i < count; i++) {
      id++;
      const topic = topics[randomBelow(random, 3)] as (typeof topics)[number];
      const partition = randomBelow(random, topic.partitions);
      const rows = Array.from(
        { length: 1 + randomBelow(random, 30) },
        (_, k) => [`k${k}`, text()] as const,
      );
      await writer.commit({
        appends: id % 5 === 0 ? [] : [append(topic.name, partition, rows)],
        offsets: [{ topic: 'b', partition: 0, offset: id, metadata: `m${id}` }],
        commitId: id,
      });
    }
  };
  await commits(20);
  await log.maintain(0);
  await log.close();
  // The database has made tables of that; what follows stays in the write-ahead log.
  log = await open();
  await commits(40);
  await log.close();
}

describe.each(onDisk)('over %s', (_, backends) => {
  let folder = '';
  let intact = '';
  const open = (directory: string) =>
    openEmbeddedLog({ directory, application: 'holes', backends: backends() });

  beforeAll(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'millrace-holes-')), 'log');
    await write(backends(), folder);
    const copy = `${folder}-intact`;
    await cp(folder, copy, { recursive: true });
    const log = await open(copy);
    intact = await contentOf(log);
    await log.close();
  });
  afterAll(() => rm(join(folder, '..'), { recursive: true }));

  /**
   * What comes of a log after damage: its content is right, or it is refused twice and not changed.
   */
  async function outcome(damage: (copy: string) => Promise<void>): Promise<string> {
    const copy = `${folder}-copy`;
    await rm(copy, { recursive: true, force: true });
    await cp(folder, copy, { recursive: true });
    await damage(copy);
    const before = await filesIn(copy);
    let log: Log;
    try {
      log = await open(copy);
    } catch (error) {
      if (!isMillraceError(error)) return `unknown: ${String(error)}`;
      if (error.code !== 'LOG_CORRUPT') return `${error.code}: ${error.message}`;
      const after = await filesIn(copy);
      const changed = Object.keys({ ...before, ...after }).filter((f) => before[f] !== after[f]);
      if (changed.length > 0) return `to open has changed ${changed.join(', ')}`;
      const again = await open(copy).catch((second: unknown) => second);
      return isMillraceError(again, 'LOG_CORRUPT') ? 'LOG_CORRUPT' : 'opens at the second attempt';
    }
    const content = await contentOf(log).catch((error: unknown) => error);
    await log.close();
    if (isMillraceError(content, 'LOG_CORRUPT')) return 'LOG_CORRUPT';
    return content === intact ? 'unharmed' : `silently changed: ${String(content).slice(0, 300)}`;
  }

  const wal = async (copy: string) => {
    const names = (await readdir(join(copy, 'db'))).filter((name) => name.endsWith('.log'));
    return join(copy, 'db', names.sort().at(-1) as string);
  };
  const change = (by: (bytes: Buffer) => Buffer) => async (copy: string) => {
    const file = await wal(copy);
    await writeFile(file, by(await readFile(file)));
  };

  test(`bits flipped all over the write-ahead log, seed ${seed}`, async () => {
    const size = (await readFile(await wal(folder))).byteLength;
    expect(size).toBeGreaterThan(20_000);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 40; i++) {
      const at = Math.floor(((i + 0.5) * size) / 40);
      const found = await outcome(
        change((bytes) => {
          bytes[at] = (bytes[at] as number) ^ (1 << (i % 8));
          return bytes;
        }),
      );
      outcomes.set(found, (outcomes.get(found) ?? 0) + 1);
    }
    expect([...outcomes.keys()].filter((found) => !/^(LOG_CORRUPT|unharmed)$/.test(found))).toEqual(
      [],
    );
    expect(outcomes.get('LOG_CORRUPT')).toBeGreaterThan(35);
  });

  test('zeroed pages, and a write-ahead log that is shorter, empty or gone', async () => {
    const size = (await readFile(await wal(folder))).byteLength;
    for (let at = 0; at < size; at += 4_096) {
      const found = await outcome(change((bytes) => bytes.fill(0, at, Math.min(size, at + 4_096))));
      expect([at, found]).toEqual([at, 'LOG_CORRUPT']);
    }
    for (const to of [0, 100, size >> 1, size - 1_500]) {
      const found = await outcome(change((bytes) => bytes.subarray(0, to)));
      expect([to, found]).toEqual([to, 'LOG_CORRUPT']);
    }
    expect(await outcome(async (copy) => rm(await wal(copy)))).toBe('LOG_CORRUPT');
  });

  test('the place of what is missing is told', async () => {
    const directory = `${folder}-place`;
    let log = await open(directory);
    await log.createTopics(topics);
    await log.close();
    log = await open(directory);
    const writer = await log.openWriter('w');
    await writer.commit({
      appends: [append('a', 1, [['k', 'unmistakable']])],
      offsets: [],
      commitId: 1,
    });
    for (let id = 2; id < 6; id++) {
      await writer.commit({
        appends: [append('b', 0, [['k', 'x'.repeat(40_000)]])],
        offsets: [],
        commitId: id,
      });
    }
    await log.close();
    const file = await wal(directory);
    const bytes = await readFile(file);
    const at = bytes.indexOf('unmistakable');
    bytes[at] = (bytes[at] as number) ^ 1;
    await writeFile(file, bytes);
    await expect(open(directory)).rejects.toMatchObject({
      code: 'LOG_CORRUPT',
      context: { topic: 'a', partition: 1, offset: 0 },
    });
  });

  test.each(['CURRENT', 'MANIFEST', '.sst', 'all'])(
    'a database without %s is not begun anew',
    async (what) => {
      const found = await outcome(async (copy) => {
        for (const name of await readdir(join(copy, 'db'))) {
          if (what === 'all' || name.includes(what)) await rm(join(copy, 'db', name));
        }
      });
      expect(found).toBe('LOG_CORRUPT');
    },
  );

  test('the journal stays short, and a hole is found in what is left of it', async () => {
    const directory = `${folder}-long`;
    const journal = { rows: 20, bytes: 1_000_000 };
    const openLong = (kept = journal) =>
      openEmbeddedLog({ directory, application: 'holes', backends: backends(), journal: kept });
    const commits = async (log: Awaited<ReturnType<typeof openLong>>, from: number, to: number) => {
      const writer = await log.openWriter('w');
      for (let commitId = from; commitId <= to; commitId++) {
        const appends = [append('a', commitId % 2, [['k', `v${commitId}`]])];
        await writer.commit({ appends, offsets: [], commitId });
      }
      await log.close();
    };
    const log = await openLong();
    await log.createTopics(topics);
    await commits(log, 1, 200);
    // Ten commits after which no anchor is set: when one is depends on how fast tables are written.
    await commits(await openLong({ rows: 1_000, bytes: 1_000_000 }), 201, 210);
    const backend = await backends().open(join(directory, 'db'));
    const [from, to] = [Buffer.from([6]), Buffer.from([7])];
    const rows = await backend.range({ from, to });
    expect(rows.length).toBeLessThan(100);
    // One of the last ten goes.
    await backend.write([{ key: rows[rows.length - 4]?.[0] as Buffer, value: undefined }]);
    await backend.close();
    await expect(openLong()).rejects.toMatchObject({ code: 'LOG_CORRUPT' });
  });

  test('without HEAD, or with an old one, the log is refused; without one slot it opens', async () => {
    const both = async (copy: string) => {
      for (const slot of [0, 1]) await rm(join(copy, `HEAD.${slot}`));
    };
    expect(await outcome(both)).toBe('LOG_CORRUPT');
    for (const slot of [0, 1]) {
      expect(await outcome((copy) => rm(join(copy, `HEAD.${slot}`)))).toBe('unharmed');
      const torn = async (copy: string) => writeFile(join(copy, `HEAD.${slot}`), 'torn');
      expect(await outcome(torn)).toBe('unharmed');
    }
  });
});

async function filesIn(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    // The database's diary and lock; they hold no data.
    if (!entry.isFile() || /^LO(G|CK)/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    found[path] = (await readFile(path)).toString('latin1');
  }
  return found;
}
