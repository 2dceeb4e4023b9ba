/**
 * Rows of dead letters go through a mapping again: that of the application which the engine is
 * given.
 */
import { json, topic, topology } from 'millrace';
import { BatchBuilder, encodeHeaders, MemoryLog, type RowMappings } from 'millrace/engine';
import { expect, test } from 'vitest';
import { answerReplay } from '../../engine/embed/answer-replay.ts';

interface Visit {
  readonly page: string;
}
const visits = topic<string, Visit>('visits', { value: json() });
const application = 'job';
const letters = `${application}-dead-letters`;
const question = { where: {}, afterFix: false, dryRun: false };

/** Knows one mapping, `visits`: a row's `who` is the key. */
const mappings: RowMappings = {
  topic: visits as never,
  read: async (name) => {
    if (name !== 'visits') throw new Error(`there is no ${name}`);
    return {
      ...{ name, reference: name, rows: { format: 'jsonl', needed: [] } },
      unpack: (value) => [value],
      map: ({ who, page }) => ({ key: who, value: { page }, timestamp: 7 }),
    };
  },
  ownInput: async () => undefined,
};

/** A log with one row that its mapping has refused. */
async function refused(): Promise<MemoryLog> {
  const log = new MemoryLog();
  const settings = {};
  const names = [letters, `${application}-cursors`, visits.name];
  await log.createTopics(names.map((name) => ({ name, partitions: 1, settings })));
  const builder = new BatchBuilder();
  const row = JSON.stringify({ who: 'ann', page: '/start' });
  const headers = { stage: 'source', step: 'visits', topic: 'day.jsonl', mapping: 'visits' };
  builder.append(null, Buffer.from(row), 0, encodeHeaders({ ...headers, to: visits.name }));
  const writer = await log.openWriter('feeder');
  const appends = [{ topic: letters, partition: 0, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId: 1 });
  return log;
}

test('a row becomes the records of its mapping, in the topic of the mappings', async () => {
  const log = await refused();
  const report = await answerReplay({ log, application, topology: undefined, mappings }, question);
  expect(report).toMatchObject({ letters: 1, replayed: 1, records: 1, skipped: {} });
  const batch = await log.read({ topic: visits.name, partition: 0 }, 0, { records: 10 });
  expect(batch?.count).toBe(1);
  expect([batch?.key(0)?.toString(), batch?.value(0)?.toString(), batch?.timestamps[0]]).toEqual([
    ...['ann', JSON.stringify({ page: '/start' }), 7],
  ]);
});

test('without mappings rows are left, and none can be named', async () => {
  const log = await refused();
  const built = topology(application, (t) => {
    t.stream(visits);
  });
  const of = { log, application, topology: built, mappings: undefined };
  expect(await answerReplay(of, question)).toMatchObject({
    ...{ letters: 1, replayed: 0, skipped: { 'no mapping': 1 } },
  });
  await expect(answerReplay(of, { ...question, mapping: 'visits' })).rejects.toMatchObject({
    ...{ code: 'CONFIG_INVALID', context: { field: 'mapping' } },
  });
});
