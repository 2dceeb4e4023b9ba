/**
 * How an event is written: MessagePack, as it is. A trait or number called `__proto__`, which does not
 * come back from a MessagePack map, stands beside the others.
 */
import { msgpack, type Serde } from 'millrace';
import { ownOf, setOwn } from './dictionary.ts';
import type { Event } from './event.ts';

const name = '__proto__';
const parts = ['traits', 'numbers'] as const;

/** An event with what stands beside: the values of `__proto__`. */
type Written = Event & { readonly proto?: Readonly<Record<string, unknown>> };

export function eventSerde(): Serde<Event> {
  const base = msgpack<Event>();
  return {
    format: base.format,
    encode: (event) => base.encode(toWritten(event)),
    decode: (bytes, start, end) => fromWritten(base.decode(bytes, start, end)),
  };
}

/** The event itself where nothing of it needs care. */
export function toWritten(event: Event): Event {
  const special = parts.filter((part) => ownOf<unknown>(event[part], name) !== undefined);
  if (special.length === 0) return event;
  const proto: Record<string, unknown> = {};
  const written: Record<string, unknown> = { ...event, proto };
  for (const part of special) {
    const { [name]: value, ...rest } = event[part] as Record<string, unknown>;
    proto[part] = value;
    written[part] = rest;
  }
  return written as unknown as Event;
}

export function fromWritten(event: Event): Event {
  const { proto, ...rest } = event as Written;
  if (proto === undefined) return event;
  const read = { ...rest } as Record<string, unknown>;
  for (const [part, value] of Object.entries(proto)) {
    const values = { ...(read[part] as object) } as Record<string, unknown>;
    setOwn(values, name, value);
    read[part] = values;
  }
  return read as unknown as Event;
}
