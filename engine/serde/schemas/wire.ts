/**
 * The wire format of registries: a zero, the schema's number in four bytes, the value. Of Protobuf
 * the place of the message in its file stands between, as a list of zigzag numbers.
 */
import type { Serde } from '../serde.ts';
import type { SchemaRegistry, SchemaType } from './registry.ts';

const headBytes = 5;

export interface WireSettings {
  readonly registry: SchemaRegistry;
  /**
   * Under which the schema stands in the registry: mostly the topic's name and `-value` or `-key`.
   */
  readonly subject: string;
  /** Registers the schema where it is not there; default true. False: it must be there. */
  readonly register?: boolean;
}

export interface WireFormat<T> {
  readonly format: string;
  readonly type: SchemaType;
  /** Of what is written. */
  readonly schema: string;
  /** Bytes of a value, without the head. */
  encode(value: T): Uint8Array;
  /** @param schema by which the value was written */
  decoder(schema: string): (bytes: Buffer, start: number, end: number) => T;
  /** What stands behind the head, before each value. */
  readonly prefix?: Uint8Array;
  /** Where the value begins, given where the prefix does. */
  readonly skip?: (bytes: Buffer, start: number, end: number) => number;
}

/** A serde in the wire format; the registry is asked when the first value comes. */
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
