/** `schema check`: whether a schema may replace the one in use, before it is deployed. */
import { readFile } from 'node:fs/promises';
import { MillraceError, messageOf } from '../base/errors.ts';
import {
  type CompatibilityLevel,
  incompatibilities,
  isTransitive,
} from '../serde/schemas/compatibility.ts';
import { type SchemaType, schemaRegistry } from '../serde/schemas/registry.ts';
import { print, printJson } from './output.ts';

export interface SchemaCheckOptions {
  /** Files with the schemas in use, oldest first. */
  readonly against?: readonly string[];
  /** The registry that holds it. */
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

/** Throws an error of the catalogue if something breaks, so the exit code is not 0. */
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
  if (against !== undefined && against.length > 1 && !isTransitive(level)) {
    const problem = `--level ${level} compares with one schema; name one, or --level ${level}-transitive`;
    throw new MillraceError('USAGE', { problem });
  }
  const after = await textOf(file);
  const inUse =
    against === undefined
      ? registered(options, type)
      : await Promise.all(against.map(async (name) => ({ name, schema: await textOf(name) })));
  const name = subject ?? against?.at(-1) ?? file;
  if (inUse.length === 0) {
    // Read it anyway, so that an invalid schema is reported.
    incompatibilities(type, after, after, level);
    if (options.json === true) printJson({ subject: name, level, problems: [], isNew: true });
    else print(`${name}: there is no schema yet; this one would be the first`);
    return;
  }
  const schemas = inUse.map(({ schema }) => schema);
  const problems = incompatibilities(type, schemas, after, level, (i) => inUse[i]?.name ?? '');
  if (options.json === true) printJson({ subject: name, level, problems, isNew: false });
  if (problems.length === 0) {
    const all = schemas.length > 1 ? ` with ${schemas.length} versions` : '';
    if (options.json !== true) print(`${name}: ${level} compatible${all}`);
    return;
  }
  const problem = problems.map((one) => `\n  ${one}`).join('');
  throw new MillraceError('SCHEMA_REFUSED', { subject: name, problem });
}

interface SchemaInUse {
  readonly name: string;
  readonly schema: string;
}

/** The newest schema of the registry, or all, oldest first. Secrets come from the environment. */
function registered(options: SchemaCheckOptions, type: SchemaType): readonly SchemaInUse[] {
  const { registry = '', subject = '', level } = options;
  const { SCHEMA_REGISTRY_USERNAME: username, SCHEMA_REGISTRY_PASSWORD: password } = process.env;
  const client = schemaRegistry({
    url: registry,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  });
  const latest = isTransitive(level) ? undefined : client.latest(subject);
  const found = isTransitive(level)
    ? client.versions(subject)
    : latest === undefined
      ? []
      : [latest];
  return found.map((one) => {
    const name = 'version' in one ? `version ${one.version}` : 'latest';
    if (one.type === type) return { name, schema: one.schema };
    const problem = `${name} is of ${one.type} in the registry, the file is of ${type}`;
    throw new MillraceError('SCHEMA_REFUSED', { subject, problem });
  });
}

async function textOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    const problem = `${file} cannot be read: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: 'schema', problem });
  }
}
