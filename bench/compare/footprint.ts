/** What a run left behind: records and bytes of its changelogs, and of its state on disk. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../engine/log/log.ts';
import { batchesOf } from './topics.ts';

export interface Changelogs {
  readonly records: number;
  /** Keys and values, before the client compresses them. */
  readonly bytes: number;
}

/** Over the changelogs of an application, all its commits. */
export async function changelogsOf(log: Log, application: string): Promise<Changelogs> {
  let [records, bytes] = [0, 0];
  for (const { name: topic, partitions } of await log.topics()) {
    if (!topic.startsWith(`${application}-`) || !topic.endsWith('-changelog')) continue;
    for await (const batch of batchesOf(log, topic, partitions)) {
      records += batch.count;
      bytes += batch.starts[batch.count] ?? 0;
    }
  }
  return { records, bytes };
}

/** Bytes of all files under a folder. */
export async function bytesUnder(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(
    files.map(async (file) => (await lstat(join(folder, file))).size),
  );
  return sizes.reduce((a, b) => a + b, 0);
}
