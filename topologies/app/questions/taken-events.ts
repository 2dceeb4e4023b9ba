/**
 * The events of the log that the application has taken in: without those that became dead letters,
 * and with corrections of the input applied (topologies/subject/correction.ts).
 */
import {
  deadLetterTopic,
  decodeHeaders,
  type Log,
  type TopicRecord,
  topicRecords,
} from 'millrace/engine';
import { cursorTopic, readCursors } from '../../../engine/cli/index.ts';
import { type Event, events } from '../../event.ts';
import { correctionOf } from '../../subject/correction.ts';
import { type AddedEvent, type LogEdits, placeOf } from './log-edits.ts';

/** The default name of the ready topology. */
const application = 'personalisation';

/** Where corrections are: first offset and number, by partition. A value of the cursor topic. */
export const correctionsCursor = 'corrections';

export type CorrectionPlaces = readonly {
  readonly partition: number;
  readonly from: number;
  readonly count: number;
}[];

export interface TakenEvent extends TopicRecord<string, Event> {
  /** For an event that a correction adds: `partition` and `offset` say where it counts. */
  readonly added?: AddedEvent;
}

/** Places of refused events, from the origin in their dead letters. */
async function refusedPlaces(log: Log): Promise<Set<string>> {
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

/** Where the corrections of a log are. */
export async function correctionPlaces(log: Log): Promise<CorrectionPlaces> {
  const topics = await log.topics();
  if (!topics.some(({ name }) => name === cursorTopic(application))) return [];
  return ((await readCursors(log, application)).get(correctionsCursor) ?? []) as CorrectionPlaces;
}

/** What to leave out and add when the events of a log are read. */
export async function logEdits(log: Log): Promise<LogEdits> {
  const gone = await refusedPlaces(log);
  const added = new Map<string, { readonly place: string; readonly all: AddedEvent[] }>();
  for (const { partition, from, count } of await correctionPlaces(log)) {
    for await (const { key, value, offset } of correctionsAt(log, partition, from, count)) {
      const { gone: without, rows, before, night, order } = correctionOf(value);
      for (const one of without) {
        gone.add(placeOf(partition, one));
        added.delete(placeOf(partition, one));
      }
      gone.add(placeOf(partition, offset));
      const all = rows.map(({ event, at }) => ({ key, event, at, night, order, by: offset }));
      added.set(placeOf(partition, offset), { place: placeOf(partition, before), all });
    }
  }
  const before = new Map<string, AddedEvent[]>();
  for (const { place, all } of added.values()) {
    before.set(place, [...(before.get(place) ?? []), ...all]);
  }
  // The sort is stable: events of one correction keep their order.
  for (const all of before.values()) all.sort((a, b) => a.order - b.order);
  return { gone, before };
}

async function* correctionsAt(log: Log, partition: number, from: number, count: number) {
  const at = { topic: events.name, partition };
  for (let next = from, left = count; left > 0; ) {
    const batch = await log.read(at, next, { records: left });
    if (batch === undefined) return;
    for (let i = 0; i < batch.count && left > 0; i++, left--) {
      const [key, value] = [batch.key(i) as Buffer, batch.value(i) as Buffer];
      yield {
        key: events.key.decode(key, 0, key.byteLength),
        value: events.value.decode(value, 0, value.byteLength),
        offset: batch.offsets[i] as number,
      };
    }
    next = batch.nextOffset;
  }
}

/** @param edits of the log as it is now; default: they are read from the log */
export async function* takenEvents(log: Log, edits?: LogEdits): AsyncGenerator<TakenEvent> {
  const { gone, before } = edits ?? (await logEdits(log));
  for await (const record of topicRecords(log, events)) {
    const { partition, offset } = record;
    const place = placeOf(partition, offset);
    for (const added of before.get(place) ?? []) {
      const { key, event: value, at: timestamp } = added;
      yield { key, value, timestamp, partition, offset, added };
    }
    if (!gone.has(place)) yield record;
  }
}
