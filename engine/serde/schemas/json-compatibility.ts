/**
 * Decides whether one JSON Schema allows everything that another allows. Schemas that differ in a
 * keyword that cannot be compared, such as `pattern` or `not`, count as incompatible, so that no
 * break goes unnoticed.
 */

type Schema = Readonly<Record<string, unknown>> | boolean;

const lower = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const upper = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
/** Keywords that do not affect validity. */
const silent = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  'definitions',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'format',
]);
const looked = new Set([
  ...lower,
  ...upper,
  'type',
  'enum',
  'const',
  'required',
  'properties',
  'additionalProperties',
  'items',
  '$ref',
  'anyOf',
  'oneOf',
]);
const depthMax = 64;

interface Side {
  readonly root: Schema;
  readonly at: Schema;
}

/** Descriptions of values that `writer` allows and `reader` does not. */
export function jsonProblems(reader: Schema, writer: Schema): string[] {
  const problems: string[] = [];
  compare({ root: reader, at: reader }, { root: writer, at: writer }, '', problems, 0);
  return [...new Set(problems)];
}

function compare(read: Side, written: Side, path: string, problems: string[], depth: number): void {
  const reader = resolved(read);
  const writer = resolved(written);
  const where = path === '' ? 'the value' : path.slice(1);
  if (reader === true || writer === false || depth > depthMax) return;
  if (reader === false) return void problems.push(`${where} is not allowed any more`);
  const from = writer === true ? {} : writer;
  if (JSON.stringify(reader) === JSON.stringify(from) && !hasReference(reader)) return;
  const choices = (from['anyOf'] ?? from['oneOf']) as Schema[] | undefined;
  const taken = (reader['anyOf'] ?? reader['oneOf']) as Schema[] | undefined;
  if (choices !== undefined) {
    for (const at of choices) compare(read, { ...written, at }, path, problems, depth + 1);
    return;
  }
  if (taken !== undefined) {
    const fits = taken.some((at) => {
      const inner: string[] = [];
      compare({ ...read, at }, written, path, inner, depth + 1);
      return inner.length === 0;
    });
    if (!fits) problems.push(`${where} fits none of the choices`);
    return;
  }
  compareTypes(reader, from, where, problems);
  compareValues(reader, from, where, problems);
  compareBounds(reader, from, where, problems);
  compareUnknown(reader, from, where, problems);
  compareProperties({ ...read, at: reader }, { ...written, at: from }, path, problems, depth);
  if (reader['items'] !== undefined && allows(from, 'array')) {
    const at = (from['items'] ?? true) as Schema;
    compare(
      { ...read, at: reader['items'] as Schema },
      { ...written, at },
      `${path}.[]`,
      problems,
      depth + 1,
    );
  }
}

type Known = Readonly<Record<string, unknown>>;

function hasReference(schema: Known): boolean {
  return JSON.stringify(schema).includes('"$ref"');
}

/**
 * Resolves a reference within the document; an external reference allows nothing, so that it is
 * reported.
 */
function resolved({ root, at }: Side): Schema {
  let found: unknown = at;
  for (let i = 0; i < 16; i++) {
    const reference = typeof found === 'object' ? (found as Known)['$ref'] : undefined;
    if (reference === undefined) return found as Schema;
    if (typeof reference !== 'string' || !reference.startsWith('#')) return false;
    found = reference
      .slice(1)
      .split('/')
      .filter((part) => part !== '')
      .reduce<unknown>(
        (of, part) => (of as Known | undefined)?.[part.replaceAll('~1', '/').replaceAll('~0', '~')],
        root,
      );
    if (found === undefined) return false;
  }
  return false;
}

const allTypes = ['null', 'boolean', 'object', 'array', 'number', 'string'];

function typesOf(schema: Known): Set<string> {
  const { type, enum: values } = schema;
  const constants = values ?? (Object.hasOwn(schema, 'const') ? [schema['const']] : undefined);
  if (type === undefined && Array.isArray(constants)) return new Set(constants.map(typeOfValue));
  const told = type === undefined ? allTypes : [type].flat();
  return new Set(told as string[]);
}

function typeOfValue(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isInteger(value) ? 'integer' : typeof value;
}

function allows(schema: Known, type: string): boolean {
  return typesOf(schema).has(type);
}

function compareTypes(reader: Known, writer: Known, where: string, problems: string[]): void {
  const readable = typesOf(reader);
  for (const type of typesOf(writer)) {
    if (readable.has(type) || (type === 'integer' && readable.has('number'))) continue;
    problems.push(`${where} may be of type ${type}`);
  }
}

function valuesOf(schema: Known): readonly string[] | undefined {
  if (Object.hasOwn(schema, 'const')) return [JSON.stringify(schema['const'])];
  const { enum: values } = schema;
  return Array.isArray(values) ? values.map((value) => JSON.stringify(value)) : undefined;
}

function compareValues(reader: Known, writer: Known, where: string, problems: string[]): void {
  const readable = valuesOf(reader);
  if (readable === undefined) return;
  const written = valuesOf(writer);
  if (written === undefined) return void problems.push(`${where} may be any value`);
  for (const value of written) {
    if (!readable.includes(value)) problems.push(`${where} may be ${value}`);
  }
}

function compareBounds(reader: Known, writer: Known, where: string, problems: string[]): void {
  for (const [names, sign] of [
    [lower, 1],
    [upper, -1],
  ] as const) {
    for (const name of names) {
      const bound = reader[name];
      if (typeof bound !== 'number') continue;
      const own = writer[name];
      const fits = typeof own === 'number' && (own - bound) * sign >= 0;
      if (!fits) problems.push(`${where} may break ${name} ${bound}`);
    }
  }
}

function compareUnknown(reader: Known, writer: Known, where: string, problems: string[]): void {
  for (const [name, value] of Object.entries(reader)) {
    if (silent.has(name) || looked.has(name)) continue;
    if (JSON.stringify(writer[name]) === JSON.stringify(value)) continue;
    problems.push(`${where} differs in ${name}, which cannot be compared`);
  }
}

function compareProperties(
  read: Side & { readonly at: Known },
  written: Side & { readonly at: Known },
  path: string,
  problems: string[],
  depth: number,
): void {
  const [reader, writer] = [read.at, written.at];
  if (!allows(writer, 'object')) return;
  const own = (reader['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const others = (writer['properties'] ?? {}) as Readonly<Record<string, Schema>>;
  const written_ = (writer['required'] ?? []) as readonly string[];
  for (const name of (reader['required'] ?? []) as readonly string[]) {
    if (!written_.includes(name)) problems.push(`${`${path}.${name}`.slice(1)} may be missing`);
  }
  const rest = (reader['additionalProperties'] ?? true) as Schema;
  const restWritten = (writer['additionalProperties'] ?? true) as Schema;
  for (const [name, at] of Object.entries(others)) {
    const mine = Object.hasOwn(own, name) ? (own[name] as Schema) : rest;
    compare({ ...read, at: mine }, { ...written, at }, `${path}.${name}`, problems, depth + 1);
  }
  for (const [name, at] of Object.entries(own)) {
    if (Object.hasOwn(others, name) || restWritten === false) continue;
    compare(
      { ...read, at },
      { ...written, at: restWritten },
      `${path}.${name}`,
      problems,
      depth + 1,
    );
  }
  if (restWritten !== false && rest !== true) {
    compare(
      { ...read, at: rest },
      { ...written, at: restWritten },
      `${path}.*`,
      problems,
      depth + 1,
    );
  }
}
