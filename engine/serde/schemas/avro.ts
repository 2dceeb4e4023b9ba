/** Values as Avro, by the package avsc; in the wire format if a registry is given. */
import type { Type } from 'avsc';
import { MillraceError, messageOf } from '../../base/errors.ts';
import type { Serde } from '../serde.ts';
import { checkAvro, schemaProblem } from './avro-bounds.ts';
import { optionalPackage } from './optional.ts';
import { type WireFormat, type WireSettings, wireSerde } from './wire.ts';

const avsc = optionalPackage<typeof import('avsc')>('avsc', 'avro');

export interface AvroOptions extends Partial<WireSettings> {
  /** Schema for reading and writing. */
  readonly schema: object | string;
}

/**
 * @throws CONFIG_INVALID for an invalid schema, or one in which few bytes can encode endless values
 */
export function avroType(schema: object | string): Type {
  try {
    const parsed = typeof schema === 'string' ? JSON.parse(schema) : schema;
    const type = avsc().Type.forSchema(parsed, { wrapUnions: 'auto' } as never);
    const problem = schemaProblem(type);
    if (problem !== undefined) throw new TypeError(problem);
    return type;
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    const context = { field: 'Avro schema', problem: messageOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
}

/**
 * With `registry` and `subject`, values are written and read in the wire format, and values of
 * older or newer schemas are resolved to this one. Otherwise they are plain Avro of this schema. A
 * `long` beyond 2^53 is an error when it is read or written.
 * @typeParam T type of the schema's values, which the author asserts
 */
export function avro<T>({ schema, registry, subject, register }: AvroOptions): Serde<T> {
  const type = avroType(schema);
  const form: WireFormat<T> = {
    format: 'avro',
    type: 'AVRO',
    schema: JSON.stringify(typeof schema === 'string' ? JSON.parse(schema) : schema),
    encode: (value) => type.toBuffer(value),
    decoder: (written) => decoderOf<T>(type, avroType(written)),
  };
  if (registry === undefined) {
    const decode = decoderOf<T>(type, type);
    return { format: 'avro', encode: form.encode, decode };
  }
  const wire = { registry, subject: subjectOf(subject, 'avro') };
  return wireSerde(form, register === undefined ? wire : { ...wire, register });
}

/** The name in the registry. @throws CONFIG_INVALID when there is none */
export function subjectOf(subject: string | undefined, of: string): string {
  if (subject !== undefined && subject !== '') return subject;
  const problem = 'is needed beside registry, e.g. orders-value';
  throw new MillraceError('CONFIG_INVALID', { field: `${of}.subject`, problem });
}

function decoderOf<T>(reader: Type, writer: Type) {
  const resolver = reader === writer ? undefined : reader.createResolver(writer);
  return (bytes: Buffer, start: number, end: number): T => {
    const one = bytes.subarray(start, end);
    checkAvro(writer, one);
    return reader.fromBuffer(one, resolver) as T;
  };
}
