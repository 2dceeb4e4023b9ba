/** validate: rows of the type that a schema describes; what does not fit is a dead letter. */
import type { Step } from '../engine/graph/node.ts';

/**
 * What zod, valibot, arktype and others have in common: the standard-schema interface, version 1
 * (standardschema.dev). Only the synchronous form is of use on the hot path.
 */
export interface StandardSchema<out Out> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    validate(value: unknown): ValidationResult<Out> | Promise<ValidationResult<Out>>;
  };
}

export type ValidationResult<Out> =
  | { readonly value: Out; readonly issues?: undefined }
  | { readonly issues: readonly ValidationIssue[] };

export interface ValidationIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export function validateStep(schema: StandardSchema<unknown>): Step {
  const { vendor } = schema['~standard'];
  return {
    kind: 'validate',
    name: 'validate',
    detail: { schema: vendor },
    stores: [],
    build: (context) => {
      const next = context.output(0);
      return [
        {
          receive: (key, value, timestamp) => {
            const result = schema['~standard'].validate(value);
            if (result instanceof Promise) {
              throw new TypeError('the schema validates asynchronously; give a synchronous one');
            }
            if (result.issues === undefined) next.receive(key, result.value, timestamp);
            else context.task.deadLetter('validate', result.issues.map(textOf).join('; '));
          },
        },
      ];
    },
  };
}

function textOf({ path = [], message }: ValidationIssue): string {
  const at = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return at === '' ? message : `${at}: ${message}`;
}
