/**
 * How an event is written: as it is, in MessagePack. A trait or number called `__proto__`, which
 * MessagePack maps lose, is written beside the others.
 */
import { msgpack, type Serde } from 'millrace';
import { ownOf, setOwn } from './dictionary.ts';

const name = '__proto__';
const parts = ['traits', 'numbers'] as const;

/** The parts of an event whose names come from data. */
type Named = Readonly<Partial<Record<(typeof parts)[number], Readonly<Record<string, unknown>>>>>;
/** Values of `__proto__`, beside the others. */
type Proto = { readonly proto?: Readonly<Record<string, unknown>> };

export function eventSerde<E extends Named>(): Serde<E> {
  const base = msgpack<E>();
  return {
    format: base.format,
    encode: (event) => base.encode(toWritten(event)),
    decode: (bytes, start, end) => fromWritten(base.decode(bytes, start, end)),
  };
}

/** Returns the event itself when it needs no change. */
export function toWritten<E extends Named>(event: E): E {
  const special = parts.filter((part) => ownOf<unknown>(event[part], name) !== undefined);
  if (special.length === 0) return event;
  const proto: Record<string, unknown> = {};
  const written: Record<string, unknown> = { ...event, proto };
  for (const part of special) {
    const { [name]: value, ...rest } = event[part] as Record<string, unknown>;
    proto[part] = value;
    written[part] = rest;
  }
  return written as unknown as E;
}

export function fromWritten<E extends Named>(event: E): E {
  const { proto, ...rest } = event as E & Proto;
  if (proto === undefined) return event;
  const read = { ...rest } as Record<string, unknown>;
  for (const [part, value] of Object.entries(proto)) {
    const values = { ...(read[part] as object) } as Record<string, unknown>;
    setOwn(values, name, value);
    read[part] = values;
  }
  return read as unknown as E;
}
