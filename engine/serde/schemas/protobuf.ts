/** Values as Protobuf, by the package protobufjs; in the wire format if a registry is given. */
import type { Root, Type } from 'protobufjs';
import { MillraceError, messageOf as textOf } from '../../base/errors.ts';
import type { Serde } from '../serde.ts';
import { subjectOf } from './avro.ts';
import { optionalPackage } from './optional.ts';
import { type WireFormat, type WireSettings, wireSerde } from './wire.ts';

const protobufjs = optionalPackage<typeof import('protobufjs')>('protobufjs', 'protobuf');

export interface ProtobufOptions extends Partial<WireSettings> {
  /** The text of a .proto file; imports are not followed. */
  readonly schema: string;
  /** Full name of the message, e.g. shop.Order; default: the first one. */
  readonly message?: string;
}

/** @throws CONFIG_INVALID for an invalid text */
export function protobufRoot(schema: string): Root {
  try {
    const { root } = protobufjs().parse(schema, { keepCase: true });
    root.resolveAll();
    return root;
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const context = { field: 'Protobuf schema', problem: textOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
}

/** Messages of a root in the order of the file, with the index path of each. */
export function messagesOf(root: Root): { readonly type: Type; readonly place: number[] }[] {
  const { Type: Message, Namespace } = protobufjs();
  const all: { type: Type; place: number[] }[] = [];
  const walk = (of: { nestedArray: readonly object[] }, place: number[], isMessage: boolean) => {
    let index = 0;
    for (const one of of.nestedArray) {
      if (one instanceof Message) {
        const at = [...place, index++];
        all.push({ type: one, place: at });
        walk(one, at, true);
      } else if (one instanceof Namespace && !isMessage) walk(one, place, false);
    }
  };
  walk(root, [], false);
  return all;
}

/**
 * Objects in protobufjs form: fields by their names in the file, 64-bit numbers and enumerations as
 * text, bytes as Buffers. Unknown fields are omitted.
 */
export function protobuf<T>(options: ProtobufOptions): Serde<T> {
  const { schema, message, registry, subject, register } = options;
  const { type, place } = messageOf(schema, message);
  const prefix = placeBytes(place);
  const decodeBy = (of: Type) => (bytes: Buffer, start: number, end: number) => {
    const read = of.decode(bytes.subarray(start, end));
    return of.toObject(read, { longs: String, enums: String, bytes: Buffer }) as T;
  };
  const form: WireFormat<T> = {
    format: 'protobuf',
    type: 'PROTOBUF',
    schema,
    encode: (value) => {
      const problem = type.verify(value as object);
      if (problem !== null) throw new TypeError(`protobuf: ${problem}`);
      return type.encode(type.fromObject(value as object)).finish();
    },
    // Field numbers are the contract: this version reads values written by other versions.
    decoder: () => decodeBy(type),
    prefix,
    skip: placeEnd,
  };
  if (registry === undefined) {
    return { format: 'protobuf', encode: form.encode, decode: decodeBy(type) };
  }
  const wire = { registry, subject: subjectOf(subject, 'protobuf') };
  return wireSerde(form, register === undefined ? wire : { ...wire, register });
}

function messageOf(schema: string, name: string | undefined) {
  const all = messagesOf(protobufRoot(schema));
  const found = all.find(
    ({ type }) => name === undefined || type.fullName === `.${name.replace(/^\./, '')}`,
  );
  if (found !== undefined) return found;
  const names = all.map(({ type }) => type.fullName.slice(1)).join(', ');
  const problem = `${name ?? 'a message'} is not in the file; there are ${names}`;
  throw new MillraceError('CONFIG_INVALID', { field: 'protobuf.message', problem });
}

/** The usual index path, the first message, is encoded as a single zero. */
function placeBytes(place: readonly number[]): Uint8Array {
  if (place.length === 1 && place[0] === 0) return Uint8Array.of(0);
  return Uint8Array.from([place.length, ...place].flatMap(zigzag));
}

function zigzag(value: number): number[] {
  const bytes: number[] = [];
  let left = value * 2;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) + 128);
  bytes.push(left);
  return bytes;
}

function placeEnd(bytes: Buffer, start: number, end: number): number {
  let at = start;
  const next = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at];
      if (byte === undefined || at >= end || factor > 2 ** 28) {
        throw new TypeError('the place of the message is cut off');
      }
      at++;
      value += (byte & 127) * factor;
      if (byte < 128) return value / 2;
    }
  };
  const count = next();
  if (count > 32) throw new TypeError('the message is nested too deep');
  for (let i = 0; i < count; i++) next();
  return at;
}
