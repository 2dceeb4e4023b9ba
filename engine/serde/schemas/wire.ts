/**
 * The wire format of registries: a zero byte, the schema id in four bytes, the value. For Protobuf
 * the index path of the message follows the id, as a list of zigzag numbers.
 */
import type { Serde } from '../serde.ts';
import type { SchemaRegistry, SchemaType } from './registry.ts';

const headBytes = 5;

export interface WireSettings {
  readonly registry: SchemaRegistry;
  /** Subject of the schema in the registry, usually the topic's name and `-value` or `-key`. */
  readonly subject: string;
  /** Registers a missing schema; default true. False: the schema must exist. */
  readonly register?: boolean;
}

export interface WireFormat<T> {
  readonly format: string;
  readonly type: SchemaType;
  /** Of what is written. */
  readonly schema: string;
  /** Encodes a value, without the head. */
  encode(value: T): Uint8Array;
  /** @param schema with which the value was written */
  decoder(schema: string): (bytes: Buffer, start: number, end: number) => T;
  /** Bytes between the head and each value. */
  readonly prefix?: Uint8Array;
  /** Position of the value, given that of the prefix. */
  readonly skip?: (bytes: Buffer, start: number, end: number) => number;
}

/** A serde in the wire format; the registry is queried at the first value. */
export function wireSerde<T>(form: WireFormat<T>, wire: WireSettings): Serde<T> {
  const { registry, subject, register = true } = wire;
  const { type, schema, prefix = new Uint8Array(), skip = (_, start) => start } = form;
  const decoders = new Map<number, ReturnType<WireFormat<T>['decoder']>>();
  let head: Buffer | undefined;
  const decoderOf = (id: number) => {
    let decoder = decoders.get(id);
    if (decoder === undefined) {
      const found = registry.schema(id);
      if (found.type !== type) {
        throw new TypeError(`schema ${id} is of ${found.type}, this topic has ${type}`);
      }
      decoder = form.decoder(found.schema);
      decoders.set(id, decoder);
    }
    return decoder;
  };
  return {
    format: `registry:${form.format}`,
    encode: (value) => {
      if (head === undefined) {
        const id = register
          ? registry.register(subject, type, schema)
          : registry.lookup(subject, type, schema);
        head = Buffer.alloc(headBytes);
        head.writeUInt32BE(id, 1);
      }
      return Buffer.concat([head, prefix, form.encode(value)]);
    },
    decode: (bytes, start, end) => {
      if (end - start < headBytes || bytes[start] !== 0) {
        throw new TypeError('it does not begin as the wire format of a schema registry does');
      }
      const decode = decoderOf(bytes.readUInt32BE(start + 1));
      return decode(bytes, skip(bytes, start + headBytes, end), end);
    },
  };
}
