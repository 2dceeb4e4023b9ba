/** The laws of the Log port (engine/log/log.ts), for every adapter. */
import { expect, test } from 'vitest';
import type { Append, Log } from '../../engine/log/log.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';
import { decodeHeaders, encodeHeaders } from '../../engine/record/headers.ts';

export interface OpenedLog {
  readonly log: Log;
  /** Closes the log and opens it again; absent for a log that lives only as long as its process. */
  reopen?(): Promise<Log>;
  dispose(): Promise<void>;
}

type Row = readonly [key: string | null, value: string | null, timestamp?: number];

export function append(topic: string, partition: number, rows: readonly Row[]): Append {
  const builder = new BatchBuilder();
  for (const [key, value, timestamp = 0] of rows) {
    builder.append(
      key === null ? null : Buffer.from(key),
      value === null ? null : Buffer.from(value),
      timestamp,
    );
  }
  return { topic, partition, batch: builder.finishAt(0) };
}

export function rowsOf(batch: PackedBatch | undefined): string[] {
  if (batch === undefined) return [];
  return Array.from(
    { length: batch.count },
    (_, i) =>
      `${batch.offsets[i]}:${batch.key(i)?.toString() ?? null}=${batch.value(i)?.toString() ?? null}`,
  );
}

const one = { topic: 'one', partition: 0 };
const all = { records: 1000 };
const topics = [
  { name: 'one', partitions: 2, settings: {} },
  { name: 'two', partitions: 1, settings: {} },
];

export function logLaws(open: () => Promise<OpenedLog>): void {
  const law = (name: string, check: (log: Log, opened: OpenedLog) => Promise<void>) =>
    test(name, async () => {
      const opened = await open();
      try {
        await opened.log.createTopics(topics);
        await check(opened.log, opened);
      } finally {
        await opened.dispose();
      }
    });

  law(
    'records come back in order, with offsets, null keys, tombstones, times and headers',
    async (log) => {
      const writer = await log.openWriter('w');
      const builder = new BatchBuilder();
      builder.append(Buffer.from('k'), null, -5, encodeHeaders({ why: 'x' }));
      const appends = [
        append('one', 0, [
          ['a', '1', 7],
          [null, '2'],
        ]),
        { ...one, batch: builder.finishAt(9) },
      ];
      const { ends } = await writer.commit({ appends, offsets: [], commitId: 1 });
      expect(ends.at(-1)).toEqual({ ...one, offset: 3 });
      const batch = await log.read(one, 0, all);
      expect(rowsOf(batch)).toEqual(['0:a=1', '1:null=2', '2:k=null']);
      expect([...(batch?.timestamps ?? [])]).toEqual([7, 0, -5]);
      expect(decodeHeaders((batch as PackedBatch).headerBytes(2))['why']).toBe('x');
      expect(await log.endOffset({ topic: 'one', partition: 1 })).toBe(0);
    },
  );

  law('a read begins anywhere, keeps its limit, and is empty at the end', async (log) => {
    const writer = await log.openWriter('w');
    for (let i = 0; i < 4; i++) {
      const rows: Row[] = [
        [`k${i}`, 'x'],
        [`l${i}`, 'y'],
        [`m${i}`, 'z'],
      ];
      await writer.commit({ appends: [append('one', 0, rows)], offsets: [], commitId: i + 1 });
    }
    for (let from = 0; from < 12; from++) {
      const batch = await log.read(one, from, { records: 4 });
      expect(batch?.baseOffset, `from ${from}`).toBe(from);
      expect(batch?.count).toBeLessThanOrEqual(4);
    }
    let from = 0;
    for (
      let batch = await log.read(one, 0, { records: 5 });
      batch;
      batch = await log.read(one, from, { records: 5 })
    )
      from = batch.nextOffset;
    expect(from).toBe(12);
    expect(await log.read(one, 12, all)).toBeUndefined();
    await expect(log.read(one, 13, all)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
  });

  law('who reads owns the batch: changing it does not change the log', async (log) => {
    const writer = await log.openWriter('w');
    await writer.commit({ appends: [append('one', 0, [['a', '1']])], offsets: [], commitId: 1 });
    (await log.read(one, 0, all))?.bytes.fill(0);
    expect(rowsOf(await log.read(one, 0, all))).toEqual(['0:a=1']);
  });

  law('a commit happens wholly or not at all', async (log) => {
    const writer = await log.openWriter('w');
    const appends = [append('one', 0, [['a', '1']]), append('missing', 0, [['b', '2']])];
    const commit = { appends, offsets: [{ ...one, offset: 4 }], commitId: 1 };
    await expect(writer.commit(commit)).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' });
    expect(await log.endOffset(one)).toBe(0);
    expect(await log.committed('w', one)).toBeUndefined();
    await writer.commit({
      ...commit,
      appends: [append('one', 0, [['a', '1']]), append('two', 0, [['b', '2']])],
    });
    expect([await log.endOffset(one), await log.endOffset({ topic: 'two', partition: 0 })]).toEqual(
      [1, 1],
    );
    expect(await log.committed('w', one)).toEqual({ offset: 4 });
    expect(await log.committed('other', one)).toBeUndefined();
  });

  law('a newer writer of the same id fences the older; others go on', async (log) => {
    const [old, other] = [await log.openWriter('w'), await log.openWriter('v')];
    await old.commit({ appends: [], offsets: [], commitId: 41 });
    const fresh = await log.openWriter('w');
    expect(fresh.lastCommitId).toBe(41);
    const commit = { appends: [append('one', 0, [['a', '1']])], offsets: [], commitId: 42 };
    await expect(old.commit(commit)).rejects.toMatchObject({ code: 'LOG_FENCED' });
    await fresh.commit(commit);
    await other.commit(commit);
    expect(await log.endOffset(one)).toBe(2);
  });

  law('a topic is created once, and cannot change its partitions', async (log) => {
    await log.createTopics(topics);
    expect((await log.topics()).map(({ name }) => name).sort()).toEqual(['one', 'two']);
    const changed = [{ name: 'one', partitions: 3, settings: {} }];
    await expect(log.createTopics(changed)).rejects.toMatchObject({ code: 'TOPIC_MISMATCH' });
    await expect(log.endOffset({ topic: 'none', partition: 0 })).rejects.toMatchObject({
      code: 'TOPIC_UNKNOWN',
    });
  });

  law(
    'compaction keeps the last value of a key at its offset; retention moves the start',
    async (log) => {
      await log.createTopics([
        { name: 'latest', partitions: 1, settings: { cleanup: 'compact' } },
        { name: 'recent', partitions: 1, settings: { cleanup: 'delete', retentionMs: 100 } },
      ]);
      const writer = await log.openWriter('w');
      for (let i = 0; i < 3; i++) {
        const appends = [
          append('latest', 0, [
            ['a', `${i}`],
            [`b${i}`, 'x'],
          ]),
          append('recent', 0, [['t', `${i}`, i * 100]]),
        ];
        await writer.commit({ appends, offsets: [], commitId: i + 1 });
      }
      await log.maintain(250);
      const latest = { topic: 'latest', partition: 0 };
      const kept = rowsOf(await log.read(latest, 0, all));
      expect(kept).toEqual(['1:b0=x', '3:b1=x', '4:a=2', '5:b2=x']);
      expect([await log.completeFrom(latest, 250), await log.startOffset(latest)]).toEqual([6, 0]);
      const recent = { topic: 'recent', partition: 0 };
      expect([await log.startOffset(recent), await log.endOffset(recent)]).toEqual([2, 3]);
      expect(rowsOf(await log.read(recent, 2, all))).toEqual(['2:t=2']);
      await expect(log.read(recent, 0, all)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
    },
  );

  law('what is committed is there after the log is opened again', async (log, { reopen }) => {
    if (reopen === undefined) return;
    const writer = await log.openWriter('w');
    await writer.commit({
      appends: [append('one', 1, [['a', '1']])],
      offsets: [{ ...one, offset: 3, metadata: 'm' }],
      commitId: 7,
    });
    const again = await reopen();
    expect(rowsOf(await again.read({ topic: 'one', partition: 1 }, 0, all))).toEqual(['0:a=1']);
    expect(await again.committed('w', one)).toEqual({ offset: 3, metadata: 'm' });
    expect((await again.openWriter('w')).lastCommitId).toBe(7);
    expect((await again.topics()).length).toBe(2);
  });
}
