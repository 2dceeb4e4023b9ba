/**
 * The error catalogue: every failure of the environment (files, logs, configuration, other
 * processes). One table: code -> what happened, and the remedy. A bug of Millrace is an
 * AssertionError; a bad record is a verdict, not an exception. The texts are in catalogue/.
 */

import { inspect, types } from 'node:util';
import type { CatalogueEntry } from './catalogue/catalogue-entry.ts';
import { inputErrors } from './catalogue/input-errors.ts';
import { logErrors } from './catalogue/log-errors.ts';
import { serviceErrors } from './catalogue/service-errors.ts';
import { stateErrors } from './catalogue/state-errors.ts';
import { topologyErrors } from './catalogue/topology-errors.ts';
import { usageErrors } from './catalogue/usage-errors.ts';

/** Values named in an error's text, also machine-readable in `MillraceError.context`. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | undefined>>;

export const errorCatalogue = {
  ...usageErrors,
  ...topologyErrors,
  ...logErrors,
  ...stateErrors,
  ...inputErrors,
  ...serviceErrors,
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** The placeholders in a text of the catalogue. */
type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never;

/** The required context of an error code: all placeholders of its message and remedy. */
export type ContextOf<Code extends ErrorCode> = ErrorContext & {
  readonly [Name in NamesIn<
    (typeof errorCatalogue)[Code]['message'] | (typeof errorCatalogue)[Code]['remedy']
  >]: string | number | boolean;
};

/** An error of the environment, with a stable code, its context and a remedy. */
export class MillraceError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'MillraceError';
  readonly code: Code;
  readonly context: ErrorContext;
  readonly remedy: string;
  readonly exitCode: 1 | 2 | 3;

  constructor(code: Code, context: ContextOf<Code>, options?: { cause?: unknown }) {
    const entry: CatalogueEntry = errorCatalogue[code];
    super(fill(entry.message, context), options);
    this.code = code;
    this.context = context;
    this.remedy = fill(entry.remedy, context);
    this.exitCode = entry.exitCode;
  }
}

/** True for an error of the catalogue, optionally of one code. */
export function isMillraceError(error: unknown, code?: ErrorCode): error is MillraceError {
  return error instanceof MillraceError && (code === undefined || error.code === code);
}

/** True for transient errors of a log: a retry may help. */
export function isPassing(error: unknown): error is MillraceError {
  return isMillraceError(error, 'LOG_UNREACHABLE') || isMillraceError(error, 'LOG_NOT_READY');
}

/**
 * The text of any thrown value: the message of an error of any realm, else the value as text. Never
 * throws, whatever getters and `toString` do.
 */
export function messageOf(error: unknown): string {
  try {
    if (isErrorLike(error)) return String(error.message);
    return typeof error === 'object' && error !== null
      ? inspect(error, { depth: 2, breakLength: Number.POSITIVE_INFINITY, getters: false })
      : String(error);
  } catch {
    return 'an object that cannot be shown';
  }
}

/** The stack of an error of any realm; undefined for anything else. Never throws. */
export function stackText(error: unknown): string | undefined {
  try {
    return isErrorLike(error) && typeof error.stack === 'string' ? error.stack : undefined;
  } catch {
    return undefined;
  }
}

function isErrorLike(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** An error as plain data, to be sent between threads; `reviveError` restores it. */
export interface ErrorImage {
  readonly code?: ErrorCode;
  readonly context?: ErrorContext;
  readonly message: string;
  readonly stack?: string;
}

export function imageOfError(error: unknown): ErrorImage {
  if (error instanceof MillraceError) {
    return { code: error.code, context: error.context, message: error.message, ...stackOf(error) };
  }
  return { message: messageOf(error), ...stackOf(error) };
}

export function reviveError(image: ErrorImage): Error {
  const error =
    image.code === undefined
      ? new Error(image.message)
      : new MillraceError(image.code, (image.context ?? {}) as ContextOf<ErrorCode>);
  if (image.stack !== undefined) error.stack = image.stack;
  return error;
}

function stackOf(error: unknown): { stack?: string } {
  const stack = stackText(error);
  return stack === undefined ? {} : { stack };
}

function fill(template: string, context: ErrorContext): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(context[name] ?? `?${name}`));
}
