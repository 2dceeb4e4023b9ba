/** Topics of a measurement: created, filled with events, and read. */

import type { TopicSettings } from '../../engine/graph/topic.ts';
import type { Log } from '../../engine/log/log.ts';
import type { PackedBatch } from '../../engine/record/batch.ts';
import { type Events, partitions } from './events.ts';

/** Batches of one transaction: small enough for the brokers, large enough to be fast. */
const perCommit = 50;

export async function createTopics(
  log: Log,
  names: readonly string[],
  settings: TopicSettings = {},
): Promise<void> {
  await log.createTopics(names.map((name) => ({ name, partitions, settings })));
}

/** All of a topic, partition after partition. */
export async function* batchesOf(
  log: Log,
  topic: string,
  partitionCount: number,
): AsyncGenerator<PackedBatch> {
  for (let partition = 0; partition < partitionCount; partition++) {
    for (let from = await log.startOffset({ topic, partition }); ; ) {
      const batch = await log.read({ topic, partition }, from, { records: 50_000 });
      if (batch === undefined) break;
      from = batch.nextOffset;
      yield batch;
    }
  }
}

/** Appends events to a topic; each topic is filled by a writer of its own name. */
export async function fill(log: Log, topic: string, batches: Events['batches']): Promise<void> {
  const writer = await log.openWriter(`loader-${topic}`);
  for (let from = 0; from < batches.length; from += perCommit) {
    const some = batches.slice(from, from + perCommit);
    const appends = some.map(({ partition, batch }) => ({ topic, partition, batch }));
    await writer.commit({ appends, offsets: [], commitId: from + 1 });
  }
  await writer.close();
}
