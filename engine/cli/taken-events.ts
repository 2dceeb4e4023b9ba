/** The events of the log that the application has taken: all but those that became dead letters. */
import { type Event, events } from '../../topologies/event.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';
import { decodeHeaders } from '../record/headers.ts';
import { recordsOf, type TopicRecord } from './verify/topic-reader.ts';

/** What the ready topology is called, where nothing else is said. */
const application = 'personalisation';

/** Where events were refused, as `placeOf` names it: dead letters say where they came from. */
export async function refusedPlaces(log: Log): Promise<ReadonlySet<string>> {
  const places = new Set<string>();
  const name = deadLetterTopic(application);
  const partitions = (await log.topics()).find((known) => known.name === name)?.partitions ?? 0;
  for (let partition = 0; partition < partitions; partition++) {
    const at = { topic: name, partition };
    for (let from = await log.startOffset(at); ; ) {
      const batch = await log.read(at, from, { records: 10_000 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const origin = decodeHeaders(batch.headerBytes(i));
        if (origin['topic'] !== events.name) continue;
        places.add(placeOf(Number(origin['partition']), Number(origin['offset'])));
      }
      from = batch.nextOffset;
    }
  }
  return places;
}

export function placeOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
}

export async function* takenEvents(log: Log): AsyncGenerator<TopicRecord<string, Event>> {
  const refused = await refusedPlaces(log);
  for await (const record of recordsOf(log, events)) {
    if (!refused.has(placeOf(record.partition, record.offset))) yield record;
  }
}
