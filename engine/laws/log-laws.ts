/** The laws of the Log port (engine/log/log.ts), for every adapter. */
import assert from 'node:assert/strict';
import type { Commit, CommitPhase, Log, TopicPartition } from '../log/log.ts';
import { BatchBuilder, type PackedBatch } from '../record/batch.ts';
import { decodeHeaders, encodeHeaders } from '../record/headers.ts';
import { type Law, mustReject } from './law.ts';
import { append, keyedRows, type Row, rowsOf } from './law-records.ts';

/** An open log, and how to end it. */
export interface OpenedLog {
  readonly log: Log;
  /** Closes the log and opens it again; absent for a log that lives only as long as its process. */
  reopen?(): Promise<Log>;
  /** Closes the log and removes its data. */
  dispose(): Promise<void>;
}

/** How the laws reach a log, and what it cannot do. */
export interface LogUnderTest {
  /** Opens a log. It may be the same one each time, because every law creates its own topics. */
  open(): Promise<OpenedLog>;
  /** Prefix of the names of topics and writers, if the log has other users. Default 'law'. */
  readonly prefix?: string;
  /** False: offsets have gaps, such as those of transaction markers. Default true. */
  readonly dense?: boolean;
  /** False: retention and compaction are applied elsewhere. Default true. */
  readonly maintains?: boolean;
  /** False: a writer does not know the id of its last commit. Default true. */
  readonly tellsCommitId?: boolean;
  /** False: metadata of committed offsets is lost. Default true. */
  readonly keepsMetadata?: boolean;
}

/** The environment of a law: a log with two topics, one with two partitions and one with one. */
export interface LawLog {
  readonly log: Log;
  readonly opened: OpenedLog;
  readonly one: string;
  readonly two: string;
  /** Id of a writer or a group. */
  readonly id: string;
}

export const all = { records: 1_000 };

export function at(topic: string, partition = 0): TopicPartition {
  return { topic, partition };
}

/** Creates laws for a port: each law gets an open log with its own topics. */
export function lawsOver(under: LogUnderTest, port: string) {
  let made = 0;
  return (name: string, check: (given: LawLog) => Promise<void>): Law => ({
    name,
    async check() {
      made++;
      const opened = await under.open();
      const id = `${under.prefix ?? 'law'}-${port}-${made}`;
      const [one, two] = [`${id}-one`, `${id}-two`];
      try {
        await opened.log.createTopics([
          { name: one, partitions: 2, settings: {} },
          { name: two, partitions: 1, settings: {} },
        ]);
        await check({ log: opened.log, opened, one, two, id });
      } finally {
        await opened.dispose();
      }
    },
  });
}

/** Reads everything from `from` on, whatever the limit of one read. */
async function readAll(log: Log, from: TopicPartition, records: number): Promise<string[]> {
  const rows: string[] = [];
  let next = await log.startOffset(from);
  for (;;) {
    const batch = await log.read(from, next, { records });
    if (batch === undefined) return rows;
    assert.ok(batch.count <= records, `a read of at most ${records} answered ${batch.count}`);
    assert.ok(batch.nextOffset > next, 'a read that answers records goes on');
    rows.push(...keyedRows(batch));
    next = batch.nextOffset;
  }
}

type MakeLaw = ReturnType<typeof lawsOver>;

/** The laws of a log: order, atomic commits, stable reads, fencing, clean-up. */
export function logLaws(under: LogUnderTest): readonly Law[] {
  const law = lawsOver(under, 'log');
  return [...readingLaws(law, under), ...commitLaws(law, under), ...topicLaws(law, under)];
}

function readingLaws(law: MakeLaw, { dense = true }: LogUnderTest): readonly Law[] {
  return [
    law(
      'records come back in order, with offsets, null keys, tombstones, times and headers',
      async ({ log, one, id }) => {
        const writer = await log.openWriter(id);
        const builder = new BatchBuilder();
        builder.append(Buffer.from('k'), null, 5, encodeHeaders({ why: 'x' }));
        const first = append(one, 0, [
          ['a', '1', 7],
          [null, '2', 1],
          ['e', '', 3],
        ]);
        const appends = [first, { ...at(one), batch: builder.finishAt(9) }];
        const { ends } = await writer.commit({ appends, offsets: [], commitId: 1 });
        assert.deepEqual(ends.at(-1), { ...at(one), offset: 4 });
        const batch = await log.read(at(one), 0, all);
        assert.deepEqual(rowsOf(batch), ['0:a=1', '1:null=2', '2:e=', '3:k=null']);
        assert.deepEqual([...(batch?.timestamps ?? [])], [7, 1, 3, 5]);
        assert.equal(decodeHeaders((batch as PackedBatch).headerBytes(3))['why'], 'x');
        assert.equal(await log.endOffset(at(one, 1)), 0);
        await writer.close();
      },
    ),

    law('a read begins anywhere, keeps its limit, and is empty at the end', async (given) => {
      const { log, one, id } = given;
      const writer = await log.openWriter(id);
      const written: string[] = [];
      for (let i = 0; i < 4; i++) {
        const rows: Row[] = [
          [`k${i}`, 'x'],
          [`l${i}`, 'y'],
          [`m${i}`, 'z'],
        ];
        written.push(...rows.map(([key, value]) => `${key}=${value}`));
        await writer.commit({ appends: [append(one, 0, rows)], offsets: [], commitId: i + 1 });
      }
      for (const records of [1, 4, 5, 1_000]) {
        assert.deepEqual(await readAll(log, at(one), records), written);
      }
      const end = await log.endOffset(at(one));
      for (let from = 0; from < end; from++) {
        const batch = await log.read(at(one), from, all);
        if (dense) assert.equal(batch?.baseOffset, from);
        assert.ok(batch === undefined || (batch.offsets[0] as number) >= from, `from ${from}`);
      }
      if (dense) assert.equal(end, 12);
      assert.equal(await log.read(at(one), end, all), undefined);
      await mustReject(log.read(at(one), end + 1, all), 'OFFSET_OUT_OF_RANGE');
      await writer.close();
    }),

    law('who reads owns the batch: changing it does not change the log', async (given) => {
      const { log, one, id } = given;
      const writer = await log.openWriter(id);
      await writer.commit({ appends: [append(one, 0, [['a', '1']])], offsets: [], commitId: 1 });
      (await log.read(at(one), 0, all))?.bytes.fill(0);
      assert.deepEqual(keyedRows(await log.read(at(one), 0, all)), ['a=1']);
      await writer.close();
    }),
  ];
}

function commitLaws(
  law: MakeLaw,
  { dense = true, tellsCommitId = true }: LogUnderTest,
): readonly Law[] {
  return [
    law('a commit happens wholly or not at all', async ({ log, one, two, id }) => {
      const writer = await log.openWriter(id);
      const wrong = [append(one, 0, [['a', '1']]), append(`${id}-missing`, 0, [['b', '2']])];
      await mustReject(
        writer.commit({ appends: wrong, offsets: [], commitId: 1 }),
        dense ? 'TOPIC_UNKNOWN' : undefined,
      );
      if (dense) assert.equal(await log.endOffset(at(one)), 0);
      const appends = [append(one, 0, [['c', '3']]), append(two, 0, [['d', '4']])];
      await writer.commit({ appends, offsets: [], commitId: 2 });
      assert.deepEqual(await readAll(log, at(one), 10), ['c=3']);
      assert.deepEqual(await readAll(log, at(two), 10), ['d=4']);
      await writer.close();
    }),

    law(
      'the phase that commits is told once, and who throws there leaves nothing',
      async (given) => {
        const { log, one, id } = given;
        const writer = await log.openWriter(id);
        const phases: CommitPhase[] = [];
        const commit = (value: string, commitId: number, onPhase: Commit['onPhase']) => {
          const appends = [append(one, 0, [['a', value]])];
          return writer.commit({ appends, offsets: [], commitId, ...(onPhase && { onPhase }) });
        };
        await commit('1', 1, (phase) => {
          phases.push(phase);
        });
        assert.deepEqual(
          phases.filter((phase) => phase === 'commit'),
          ['commit'],
        );
        const failed = commit('2', 2, (phase) => {
          if (phase === 'commit') throw new Error('the process ends here');
        });
        const outcome = await failed.then(
          () => 'committed',
          () => 'failed',
        );
        assert.equal(outcome, 'failed');
        await commit('3', 3, undefined);
        assert.deepEqual(await readAll(log, at(one), 1_000), ['a=1', 'a=3']);
        await writer.close();
      },
    ),

    law('a newer writer of the same id fences the older; others go on', async (given) => {
      const { log, one, id } = given;
      const [old, other] = [await log.openWriter(id), await log.openWriter(`${id}-other`)];
      await old.commit({ appends: [append(one, 0, [['a', '1']])], offsets: [], commitId: 41 });
      const newer = await log.openWriter(id);
      if (tellsCommitId) assert.equal(newer.lastCommitId, 41);
      const commit = { appends: [append(one, 0, [['b', '1']])], offsets: [], commitId: 42 };
      await mustReject(old.commit(commit), 'LOG_FENCED');
      await newer.commit(commit);
      await other.commit(commit);
      assert.deepEqual(await readAll(log, at(one), 10), ['a=1', 'b=1', 'b=1']);
      await Promise.all([old, newer, other].map((writer) => writer.close()));
    }),
  ];
}

function topicLaws(
  law: MakeLaw,
  { maintains = true, tellsCommitId = true }: LogUnderTest,
): readonly Law[] {
  return [
    law('a topic is created once, and cannot change its partitions', async ({ log, one, id }) => {
      const topic = { name: one, partitions: 2, settings: {} };
      await log.createTopics([topic]);
      const described = (await log.topics()).filter(({ name }) => name === one);
      assert.deepEqual(
        described.map(({ partitions }) => partitions),
        [2],
      );
      await mustReject(log.createTopics([{ ...topic, partitions: 3 }]), 'TOPIC_MISMATCH');
      await mustReject(log.endOffset(at(`${id}-none`)), 'TOPIC_UNKNOWN');
    }),

    ...(maintains ? [cleaning(law)] : []),

    law('what is committed is there after the log is opened again', async (given) => {
      const { log, opened, one, id } = given;
      if (opened.reopen === undefined) return;
      const writer = await log.openWriter(id);
      await writer.commit({ appends: [append(one, 1, [['a', '1']])], offsets: [], commitId: 7 });
      await writer.close();
      const again = await opened.reopen();
      assert.deepEqual(keyedRows(await again.read(at(one, 1), 0, all)), ['a=1']);
      assert.ok((await again.topics()).some(({ name }) => name === one));
      const writerAgain = await again.openWriter(id);
      if (tellsCommitId) assert.equal(writerAgain.lastCommitId, 7);
      await writerAgain.close();
    }),
  ];
}

function cleaning(law: MakeLaw): Law {
  return law(
    'compaction keeps the last value of a key at its offset; retention moves the start',
    async ({ log, id }) => {
      const [latest, recent] = [at(`${id}-latest`), at(`${id}-recent`)];
      await log.createTopics([
        { name: latest.topic, partitions: 1, settings: { cleanup: 'compact' } },
        {
          name: recent.topic,
          partitions: 1,
          settings: { cleanup: 'delete', retentionMs: 100 },
        },
      ]);
      const writer = await log.openWriter(id);
      for (let i = 0; i < 3; i++) {
        const rows: Row[] = [
          ['a', `${i}`],
          [`b${i}`, 'x'],
        ];
        const appends = [
          append(latest.topic, 0, rows),
          append(recent.topic, 0, [['t', `${i}`, i * 100]]),
        ];
        await writer.commit({ appends, offsets: [], commitId: i + 1 });
      }
      await log.maintain(250);
      assert.deepEqual(rowsOf(await log.read(latest, 0, all)), [
        '1:b0=x',
        '3:b1=x',
        '4:a=2',
        '5:b2=x',
      ]);
      assert.equal(await log.completeFrom(latest, 250), 6);
      assert.equal(await log.startOffset(latest), 0);
      assert.deepEqual([await log.startOffset(recent), await log.endOffset(recent)], [2, 3]);
      assert.deepEqual(rowsOf(await log.read(recent, 2, all)), ['2:t=2']);
      await mustReject(log.read(recent, 0, all), 'OFFSET_OUT_OF_RANGE');
      await writer.close();
    },
  );
}
