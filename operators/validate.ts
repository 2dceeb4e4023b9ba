/** validate: checks rows against a schema; an invalid row becomes a dead letter. */
import { refusePromise } from '../engine/base/promises.ts';
import type { Step } from '../engine/graph/node.ts';

/**
 * The standard-schema interface, version 1 (standardschema.dev), of zod, valibot, arktype and
 * others. Only the synchronous form is used, because of the hot path.
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
            const answered = schema['~standard'].validate(value);
            refusePromise(answered, 'the schema');
            const result = answered as ValidationResult<unknown>;
            if (result.issues === undefined) {
              const valid = result.value;
              if (typeof valid === 'object') refusePromise(valid, 'the schema');
              next.receive(key, valid, timestamp);
            } else context.task.deadLetter('validate', result.issues.map(textOf).join('; '));
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
