/** JSON Schema (draft 2020-12) as a schema for `validate`, by ajv. */

import type { ErrorObject } from 'ajv/dist/2020.js';
import { MillraceError, messageOf } from '../engine/base/errors.ts';
import { onDemand } from '../engine/base/on-demand.ts';
import type { StandardSchema, ValidationIssue } from './validate.ts';

const ajvPackage = onDemand<typeof import('ajv/dist/2020.js')>('ajv/dist/2020.js');

/**
 * A validator for rows of type `T`. The type is declared by the author; it is not derived from the
 * schema. Rows are not changed: there are no defaults and no coercion.
 * @param schema a JSON Schema; `format` is not checked
 * @throws CONFIG_INVALID for an invalid schema
 */
export function jsonSchema<T>(schema: Readonly<Record<string, unknown>>): StandardSchema<T> {
  // One instance per schema, so that schemas with the same $id do not clash.
  const { Ajv2020 } = ajvPackage();
  const ajv = new Ajv2020({ allErrors: true, strict: true, validateFormats: false });
  const check = compiled(() => ajv.compile<T>(schema));
  return {
    '~standard': {
      version: 1,
      vendor: 'ajv',
      validate: (value) =>
        check(value) ? { value } : { issues: (check.errors ?? []).map(issueOf) },
    },
  };
}

function compiled<R>(compile: () => R): R {
  try {
    return compile();
  } catch (error) {
    const context = { field: 'JSON Schema', problem: messageOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
}

/** Formats '/lines/0/price' as lines.0.price, and names additional properties. */
function issueOf({ instancePath, message = 'is not valid', params }: ErrorObject): ValidationIssue {
  const path = instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  const surplus = (params as { additionalProperty?: unknown }).additionalProperty;
  return { path, message: surplus === undefined ? message : `${message}: ${String(surplus)}` };
}
