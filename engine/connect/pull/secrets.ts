/** Secrets of a source: named in the configuration, never written there. */
import { MillraceError, messageOf } from '../../base/errors.ts';
import { Secret } from '../../base/secret.ts';
import { type Check, isPlain } from './spec-check.ts';

/** The environment variable, or the file, that holds it. */
export type SecretSpec = { readonly env: string } | { readonly file: string };

/** The origin of secrets. */
export interface Secrets {
  readonly env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): Promise<string>;
  /** Replaces the file of a refresh token that its issuer has changed. */
  writeFile(path: string, text: string): Promise<void>;
}

const form = '{ "env": "NAME" } or { "file": "PATH" }';

export const secret: Check = (value, path, tell) => {
  if (typeof value === 'string') {
    tell(path, `must be ${form}: a secret does not stand in the configuration`);
    return;
  }
  const named = isPlain(value) ? Object.entries(value) : [];
  const [name, told] = named[0] ?? [];
  const is = named.length === 1 && (name === 'env' || name === 'file');
  if (!is || typeof told !== 'string' || told === '') tell(path, `must be ${form}`);
};

/** Names of headers and parameters whose values are secrets. */
export const secretName = /authorization|cookie|secret|password|token|api[-_]?key|^key$/i;

/** A text or a secret; a secret is required if the name is that of a secret. */
export function textOrSecret(name: string): Check {
  return (value, path, tell) => {
    const isText = typeof value === 'string' || typeof value === 'number';
    if (!isText || secretName.test(name)) secret(value, path, tell);
  };
}

/** @throws CONFIG_INVALID when the variable is not set, or the file cannot be read or is empty */
export async function readSecret(
  spec: SecretSpec,
  field: string,
  secrets: Secrets,
): Promise<Secret> {
  const fail = (problem: string) => new MillraceError('CONFIG_INVALID', { field, problem });
  if ('env' in spec) {
    const value = secrets.env[spec.env];
    if (value === undefined || value === '') {
      throw fail(`the environment variable ${spec.env} is not set`);
    }
    return new Secret(value);
  }
  let value: string;
  try {
    value = (await secrets.readFile(spec.file)).trim();
  } catch (error) {
    throw fail(`its file cannot be read: ${messageOf(error)}`);
  }
  if (value === '') throw fail(`its file ${spec.file} is empty`);
  return new Secret(value);
}
