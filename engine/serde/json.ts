import { checked } from './faithful.ts';
import { JsonFields } from './json-fields.ts';
import { JsonWriter } from './json-writer.ts';
import { encodeInPlace, type Serde } from './serde.ts';

/** @typeParam T what is read of a value */
export interface JsonOptions<T> {
  /**
   * Reads these fields of objects and no other: several times as fast, and a value that is not an
   * object is an error. What stands between them is checked for its brackets and quotes only.
   * Encoding writes all there is.
   */
  readonly only?: readonly (keyof T & string)[];
}

/**
 * Values as JSON text. What would not come back from it as it is (undefined, NaN, a Date, a Map, a
 * bigint, an instance of a class, a cycle ...) is an error when it is written; undefined fields are
 * left out.
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
  // As a name of a field it would set the object's prototype.
  if (only.includes('__proto__')) throw new TypeError('json: only cannot name __proto__');
  const fields = new JsonFields(only);
  return (bytes, start, end) => fields.decode(bytes, start, end) as T;
}
