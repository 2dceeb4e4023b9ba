/**
 * `schema check`: whether a schema may take the place of the one that is in use, before it is
 * deployed.
 */
import { readFile } from 'node:fs/promises';
import { MillraceError, messageOf } from '../base/errors.ts';
import { type CompatibilityLevel, incompatibilities } from '../serde/schemas/compatibility.ts';
import { type SchemaType, schemaRegistry } from '../serde/schemas/registry.ts';
import { print, printJson } from './output.ts';

export interface SchemaCheckOptions {
  /** File with the schema in use. */
  readonly against?: string;
  /** The registry that has it. */
  readonly registry?: string;
  readonly subject?: string;
  readonly type?: 'avro' | 'json' | 'protobuf';
  readonly level: CompatibilityLevel;
  readonly json?: boolean;
}

const typeOf: Readonly<Record<string, SchemaType>> = {
  avro: 'AVRO',
  avsc: 'AVRO',
  json: 'JSON',
  protobuf: 'PROTOBUF',
  proto: 'PROTOBUF',
};

/** Ends with an error of the catalogue, and so with another code than 0, when something breaks. */
export async function schemaCheck(file: string, options: SchemaCheckOptions): Promise<void> {
  const { against, registry, subject, level } = options;
  if ((against === undefined) === (registry === undefined)) {
    throw new MillraceError('USAGE', { problem: 'name one of --against and --registry' });
  }
  if (registry !== undefined && subject === undefined) {
    throw new MillraceError('USAGE', { problem: '--registry needs --subject, e.g. orders-value' });
  }
  const ending = file.split('.').at(-1) ?? '';
  const type = typeOf[options.type ?? ending];
  if (type === undefined) {
    throw new MillraceError('USAGE', { problem: `--type is needed: ${file} does not tell` });
  }
  const after = await textOf(file);
  const before = against === undefined ? inUse(options, type) : await textOf(against);
  const name = subject ?? against ?? file;
  if (before === undefined) {
    // Read all the same, so that what is no schema is told.
    incompatibilities(type, after, after, level);
    if (options.json === true) printJson({ subject: name, level, problems: [], isNew: true });
    else print(`${name}: there is no schema yet; this one would be the first`);
    return;
  }
  const problems = incompatibilities(type, before, after, level);
  if (options.json === true) printJson({ subject: name, level, problems, isNew: false });
  if (problems.length === 0) {
    if (options.json !== true) print(`${name}: ${level} compatible`);
    return;
  }
  const problem = problems.map((one) => `\n  ${one}`).join('');
  throw new MillraceError('SCHEMA_REFUSED', { subject: name, problem });
}

/** The newest one of the registry; secrets come by the environment. */
function inUse({ registry = '', subject = '' }: SchemaCheckOptions, type: SchemaType) {
  const { SCHEMA_REGISTRY_USERNAME: username, SCHEMA_REGISTRY_PASSWORD: password } = process.env;
  const found = schemaRegistry({
    url: registry,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  }).latest(subject);
  if (found === undefined || found.type === type) return found?.schema;
  const problem = `it is of ${found.type} in the registry, the file is of ${type}`;
  throw new MillraceError('SCHEMA_REFUSED', { subject, problem });
}

async function textOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    const problem = `${file} cannot be read: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: 'schema', problem });
  }
}
