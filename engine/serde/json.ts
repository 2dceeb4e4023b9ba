import { checked } from './faithful.ts';
import { JsonFields } from './json-fields.ts';
import { JsonWriter } from './json-writer.ts';
import { encodeInPlace, type Serde } from './serde.ts';

/** @typeParam T the type of decoded values */
export interface JsonOptions<T> {
  /**
   * Reads only these fields of objects, several times as fast; a value that is not an object is an
   * error. The text between them is checked for brackets and quotes only. Encoding writes all
   * fields.
   */
  readonly only?: readonly (keyof T & string)[];
}

/**
 * Values as JSON text. A value that would not survive encoding (undefined, NaN, a Date, a Map, a
 * bigint, a class instance, a cycle ...) is an error when it is written; undefined fields are left
 * out.
 * @example `topic('orders', { value: json<Order>() })`
 */
export function json<T = unknown>({ only }: JsonOptions<T> = {}): Serde<T> {
  const writer = new JsonWriter();
  return checked({
    format: 'json',
    encode: encodeInPlace<T>((value, to) => writer.write(value, to)),
    decode: only === undefined ? decodeWhole<T> : decoderOf<T>(only),
  });
}

function decodeWhole<T>(bytes: Buffer, start: number, end: number): T {
  return JSON.parse(bytes.toString('utf8', start, end)) as T;
}

function decoderOf<T>(only: readonly string[]): Serde<T>['decode'] {
  // As a field name it would set the object's prototype.
  if (only.includes('__proto__')) throw new TypeError('json: only cannot name __proto__');
  const fields = new JsonFields(only);
  return (bytes, start, end) => fields.decode(bytes, start, end) as T;
}
