/** JSON values validated by a JSON Schema (draft 2020-12), both when written and when read. */
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { MillraceError, messageOf } from '../../base/errors.ts';
import { onDemand } from '../../base/on-demand.ts';
import { parseJson } from '../faithful-json.ts';
import { json } from '../json.ts';
import type { Serde } from '../serde.ts';
import { subjectOf } from './avro.ts';
import { type WireFormat, type WireSettings, wireSerde } from './wire.ts';

const ajvPackage = onDemand<typeof import('ajv/dist/2020.js')>('ajv/dist/2020.js');

export interface JsonSchemaOptions extends Partial<WireSettings> {
  readonly schema: Readonly<Record<string, unknown>>;
}

/**
 * With `registry` and `subject`, uses the wire format. Values are checked against this schema,
 * whatever schema they were written with, and never changed.
 * @throws CONFIG_INVALID for a schema that is none
 */
export function jsonOfSchema<T>(options: JsonSchemaOptions): Serde<T> {
  const { schema, registry, subject, register } = options;
  const check = validatorOf(schema);
  const base = json<T>();
  const checked = (value: unknown): T => {
    if (check(value)) return value as T;
    const [error] = check.errors ?? [];
    const at = error?.instancePath === '' ? 'the value' : error?.instancePath.slice(1);
    throw new TypeError(`${at?.replaceAll('/', '.')} ${error?.message}`);
  };
  const decode = (bytes: Buffer, start: number, end: number): T => {
    const parsed = parseJson(bytes.toString('utf8', start, end));
    if ('problem' in parsed) throw new TypeError(`it ${parsed.problem}`);
    return checked(parsed.value);
  };
  const form: WireFormat<T> = {
    format: 'json-schema',
    type: 'JSON',
    schema: JSON.stringify(schema),
    encode: (value) => base.encode(checked(value)),
    decoder: () => decode,
  };
  if (registry === undefined) return { format: 'json-schema', encode: form.encode, decode };
  const wire = { registry, subject: subjectOf(subject, 'jsonOfSchema') };
  return wireSerde(form, register === undefined ? wire : { ...wire, register });
}

function validatorOf(schema: Readonly<Record<string, unknown>>): ValidateFunction {
  const { Ajv2020 } = ajvPackage();
  try {
    return new Ajv2020({ strict: true, validateFormats: false }).compile(schema);
  } catch (error) {
    const context = { field: 'JSON Schema', problem: messageOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
}
