/** The laws of the Member port (engine/log/member.ts), for every adapter of the Log. */
import assert from 'node:assert/strict';
import { systemScheduler } from '../base/scheduler.ts';
import type { TopicPartition } from '../log/log.ts';
import type { Member } from '../log/member.ts';
import { type Law, mustReject } from './law.ts';
import { append, keyedRows, type Row } from './law-records.ts';
import { all, at, type LawLog, type LogUnderTest, lawsOver } from './log-laws.ts';

/** A member with both partitions of a topic, from offset 0 on. */
async function joined({ log, one, id }: LawLog): Promise<Member> {
  const partitions = [at(one, 0), at(one, 1)];
  const member = await log.join({ group: id, partitions, scheduler: systemScheduler });
  const assigned: TopicPartition[] = [];
  while (assigned.length < partitions.length) {
    const change = member.takeChange();
    if (change === undefined) {
      await member.wait(50);
      continue;
    }
    assert.equal(change.kind, 'assigned');
    await change.answer(change.partitions.map((one) => ({ ...one, offset: 0 })));
    assigned.push(...change.partitions);
  }
  assert.equal(member.hasChange(), false);
  return member;
}

/** `key=value` of all records from `from` to the end. */
async function fetched(member: Member, partition: TopicPartition, from: number): Promise<string[]> {
  const rows: string[] = [];
  let next = from;
  for (;;) {
    const { batches, end } = await member.fetch(partition, next, all);
    for (const batch of batches) {
      const wanted = batch.offsets.subarray(0, batch.count).filter((offset) => offset < next);
      rows.push(...keyedRows(batch).slice(wanted.length));
      next = batch.nextOffset;
    }
    if (end && batches.length === 0) return rows;
    if (batches.length === 0) await member.wait(20);
  }
}

/**
 * The laws of members and of committed offsets, over a log. A law waits as long as the log needs.
 */
export function memberLaws(under: LogUnderTest): readonly Law[] {
  const law = lawsOver(under, 'member');
  const { keepsMetadata = true, dense = true } = under;
  const rows: Row[] = [
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ];
  return [
    law(
      'all partitions are assigned; what is there is fetched, and again from before',
      async (given) => {
        const { log, one, id } = given;
        const member = await joined(given);
        const writer = await log.openWriter(id, () => member);
        assert.deepEqual((await member.fetch(at(one), 0, all)).batches, []);
        const appends = [append(one, 0, rows), append(one, 1, [['d', '4']])];
        await writer.commit({ appends, offsets: [], commitId: 1 });
        await waitFor(async () => (await member.lag([{ ...at(one), offset: 0 }]))[0] !== 0, member);
        assert.deepEqual(await untilRows(member, at(one), 0, 3), ['a=1', 'b=2', 'c=3']);
        assert.deepEqual(await untilRows(member, at(one), 1, 2), ['b=2', 'c=3']);
        assert.deepEqual(await untilRows(member, at(one, 1), 0, 1), ['d=4']);
        await writer.close();
        await member.leave();
      },
    ),

    law('offsets are committed with what is written, or not at all', async (given) => {
      const { log, one, id } = given;
      const member = await joined(given);
      const writer = await log.openWriter(id, () => member);
      assert.equal(await log.committed(id, at(one)), undefined);
      const offsets = [{ ...at(one), offset: 2, metadata: 'beside' }];
      // On a log where a missing topic may still appear, the commit would wait for it.
      if (dense) {
        const missing = append(`${id}-missing`, 0, [['b', '2']]);
        await mustReject(writer.commit({ appends: [missing], offsets, commitId: 1 }));
        assert.equal(await log.committed(id, at(one)), undefined);
      }
      await writer.commit({ appends: [append(one, 0, rows)], offsets, commitId: 2 });
      const committed = keepsMetadata ? { offset: 2, metadata: 'beside' } : { offset: 2 };
      assert.deepEqual(await log.committed(id, at(one)), committed);
      assert.equal(await log.committed(`${id}-other`, at(one)), undefined);
      await writer.close();
      await member.leave();
    }),

    law('committed offsets are there after the log is opened again', async (given) => {
      const { log, one, id, opened } = given;
      if (opened.reopen === undefined) return;
      const member = await joined(given);
      const writer = await log.openWriter(id, () => member);
      const offsets = [{ ...at(one), offset: 1, metadata: 'm' }];
      await writer.commit({ appends: [append(one, 0, rows)], offsets, commitId: 1 });
      await writer.close();
      await member.leave();
      const again = await opened.reopen();
      const committed = keepsMetadata ? { offset: 1, metadata: 'm' } : { offset: 1 };
      assert.deepEqual(await again.committed(id, at(one)), committed);
    }),

    law('a wait ends when it is aborted', async (given) => {
      const member = await joined(given);
      const stop = new AbortController();
      const waiting = member.wait(3_600_000, stop.signal).catch(() => {});
      stop.abort();
      await waiting;
      await member.leave();
    }),
  ];
}

/** The first `count` records from `from` on; a log may take a while to return them. */
async function untilRows(
  member: Member,
  partition: TopicPartition,
  from: number,
  count: number,
): Promise<string[]> {
  let rows: string[] = [];
  await waitFor(async () => {
    rows = await fetched(member, partition, from);
    return rows.length >= count;
  }, member);
  return rows;
}

async function waitFor(holds: () => Promise<boolean>, member: Member): Promise<void> {
  while (!(await holds())) await member.wait(20);
}
