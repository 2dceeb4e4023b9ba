/**
 * The forms in which the events come: JSON text, MessagePack maps, or fields at fixed places of
 * their bytes.
 *
 *   fixed  byte 0  userId, 13 ASCII letters      byte 13  type u8      byte 14  itemId u32
 *          byte 18 value f64                     byte 26  sessionId u32
 *          byte 30 source u8                     byte 31  ts f64       39 bytes, big-endian
 *
 * The oracle reads the JSON of the same events, whatever is loaded.
 */
import { json, msgpack, type Serde } from 'millrace';
import { latin1 } from '../../engine/base/bytes.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import type { Events } from './events.ts';
import type { Event } from './jobs.ts';

export const formats = ['json', 'msgpack', 'fixed'] as const;
export type Format = (typeof formats)[number];

const types = ['view', 'click', 'like', 'purchase'];
const sources = ['web'];
const fixedBytes = 39;

const fixedReaders: { readonly [F in keyof Event]: (bytes: Buffer, at: number) => Event[F] } = {
  userId: (bytes, at) => latin1(bytes, at, at + 13),
  type: (bytes, at) => types[bytes[at + 13] as number] as string,
  itemId: (bytes, at) => `i${bytes.readUInt32BE(at + 14)}`,
  value: (bytes, at) => bytes.readDoubleBE(at + 18),
  sessionId: (bytes, at) => `s${bytes.readUInt32BE(at + 26)}`,
  source: (bytes, at) => sources[bytes[at + 30] as number] as string,
  ts: (bytes, at) => bytes.readDoubleBE(at + 31),
};

/** As a user would write it for a format of their own. @param only the fields that are read */
function fixed(only: readonly (keyof Event)[]): Serde<Event> {
  const readers = only.map((name) => [name, fixedReaders[name]] as const);
  return {
    format: 'fixed',
    encode: ({ userId, type, itemId, value, sessionId, source, ts }) => {
      const bytes = Buffer.alloc(fixedBytes);
      bytes.write(userId, 0, 'latin1');
      bytes[13] = types.indexOf(type);
      bytes.writeUInt32BE(Number(itemId.slice(1)), 14);
      bytes.writeDoubleBE(value, 18);
      bytes.writeUInt32BE(Number(sessionId.slice(1)), 26);
      bytes[30] = sources.indexOf(source);
      bytes.writeDoubleBE(ts, 31);
      return bytes;
    },
    decode: (bytes, start, end) => {
      if (end - start !== fixedBytes) throw new RangeError(`an event has ${fixedBytes} bytes`);
      const event: Record<string, unknown> = {};
      for (const [name, read] of readers) event[name] = read(bytes, start);
      return event as unknown as Event;
    },
  };
}

/** @param only the fields that a job reads */
export function eventSerde(format: Format, only: readonly (keyof Event)[]): Serde<Event> {
  if (format === 'json') return json<Event>({ only });
  return format === 'msgpack' ? msgpack<Event>([], { only }) : fixed(only);
}

/** The batches of the events, with values of this format. */
export function inFormat({ batches }: Events, format: Format): Events['batches'] {
  if (format === 'json') return batches;
  const serde = eventSerde(format, []);
  return batches.map(({ partition, batch }) => {
    const builder = new BatchBuilder(batch.count, 160);
    for (let i = 0; i < batch.count; i++) {
      const event = JSON.parse(String(batch.value(i))) as Event;
      builder.append(batch.key(i), serde.encode(event), batch.timestamps[i] as number);
    }
    return { partition, batch: builder.finishAt(0) };
  });
}
