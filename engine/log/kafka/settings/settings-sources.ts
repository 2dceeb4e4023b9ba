/**
 * Combines the sources of the Kafka configuration: command line, then environment, then file, then
 * default. Pure: the caller reads the files.
 */
import { MillraceError } from '../../../base/errors.ts';
import { Secret } from '../../../base/secret.ts';
import { allowedOptions } from './allowed-options.ts';
import { defaultKafkaSettings, type KafkaSettings } from './kafka-settings.ts';
import { checkKafkaSettings } from './security.ts';
import {
  environmentPrefix,
  type Field,
  type FieldName,
  fields,
  optionVariableOf,
  variableOf,
} from './setting-fields.ts';

export interface KafkaSources {
  /** Field -> text from the command line; without secrets. */
  readonly flags?: Readonly<Partial<Record<FieldName, string>>>;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** A configuration file, parsed. */
  readonly file?: { readonly name: string; readonly content: unknown };
  /** Returns the content of a secret's file; throws if it cannot be read. */
  readonly readSecret: (path: string) => string;
}

type Origin = 'command line' | 'environment' | 'file' | 'default';

/** An effective setting, without secrets. */
export interface EffectiveSetting {
  readonly field: string;
  readonly value: string;
  readonly from: Origin;
}

export interface KafkaConfiguration {
  readonly settings: KafkaSettings;
  readonly effective: readonly EffectiveSetting[];
}

type Value = string | number | boolean | Secret;
type Given = Map<string, { readonly value: Value; readonly from: Origin }>;

/**
 * The settings and their dump; undefined if Kafka is not configured.
 * @throws CONFIG_INVALID with the field, where it was set, and what would be valid
 */
export function kafkaSettings(sources: KafkaSources): KafkaConfiguration | undefined {
  const given: Given = new Map();
  const options: Given = new Map();
  takeFile(sources, given, options);
  takeEnvironment(sources, given, options);
  takeFlags(sources, given);
  if (given.size === 0 && options.size === 0) return undefined;
  if (!given.has('brokers')) {
    fail(
      'brokers',
      `settings of Kafka are given, but no brokers: ${variableOf('brokers')} or option \`brokers\``,
    );
  }
  const settings = settingsOf(given, options);
  checkKafkaSettings(settings);
  return { settings, effective: effectiveOf(given, options) };
}

function takeFlags({ flags = {} }: KafkaSources, given: Given): void {
  for (const field of fields) {
    const text = flags[field.name];
    if (text === undefined) continue;
    given.set(field.name, { value: parsed(field, text, field.name), from: 'command line' });
  }
}

function takeEnvironment(
  { environment = {}, readSecret }: KafkaSources,
  given: Given,
  options: Given,
): void {
  const from = 'environment';
  const left = new Set(
    Object.keys(environment).filter(
      (name) => name.startsWith(environmentPrefix) && (environment[name] ?? '') !== '',
    ),
  );
  const take = (variable: string): string | undefined => {
    if (!left.delete(variable)) return undefined;
    return environment[variable];
  };
  for (const field of fields) {
    const variable = variableOf(field.name);
    const text = take(variable);
    if (text !== undefined) given.set(field.name, { value: parsed(field, text, variable), from });
    if (field.kind !== 'secret') continue;
    const path = take(`${variable}_FILE`);
    if (path === undefined) continue;
    if (text !== undefined)
      fail(`${variable}_FILE`, `${variable} is set as well; keep one of them`);
    given.set(field.name, { value: secretIn(path, `${variable}_FILE`, readSecret), from });
  }
  for (const option of allowedOptions.keys()) {
    const text = take(optionVariableOf(option));
    if (text !== undefined) options.set(option, { value: text, from });
  }
  const [unknown] = left;
  if (unknown === undefined) return;
  if (unknown.startsWith(optionVariableOf(''))) {
    // Treat it as an option, so that the check reports why it is refused.
    const option = unknown.slice(optionVariableOf('').length).toLowerCase().replaceAll('_', '.');
    options.set(option, { value: String(environment[unknown]), from });
    return;
  }
  const known = fields.map(({ name }) => variableOf(name)).join(', ');
  fail(unknown, `there is no such variable; there are ${known}, and ${optionVariableOf('')}…`);
}

function takeFile({ file, readSecret }: KafkaSources, given: Given, options: Given): void {
  if (file === undefined) return;
  const { name: fileName, content } = file;
  const from = 'file';
  if (!isObject(content)) fail(fileName, 'it must hold one JSON object');
  const left = new Set(Object.keys(content));
  const take = (name: string): unknown => (left.delete(name) ? content[name] : undefined);
  for (const field of fields) {
    const value = take(field.name);
    const where = `${field.name} in ${fileName}`;
    if (field.kind === 'secret') {
      if (value !== undefined) {
        fail(
          where,
          `a secret does not belong into this file; name a file that holds it as ${field.name}File, or set ${variableOf(field.name)}`,
        );
      }
      const path = take(`${field.name}File`);
      if (path === undefined) continue;
      const secret = secretIn(String(path), `${field.name}File in ${fileName}`, readSecret);
      given.set(field.name, { value: secret, from });
    } else if (value !== undefined) {
      if (!isPlain(value)) fail(where, 'it must be a text, a number, true or false');
      given.set(field.name, { value: parsed(field, String(value), where), from });
    }
  }
  const own = take('options') ?? {};
  if (!isObject(own)) fail(`options in ${fileName}`, 'they must be an object of names and values');
  for (const [name, value] of Object.entries(own)) {
    if (!isPlain(value)) fail(`options.${name} in ${fileName}`, 'it must be a text or a number');
    options.set(name, { value: String(value), from });
  }
  const [unknown] = left;
  if (unknown === undefined) return;
  const known = [...fields.map(({ name, kind }) => (kind === 'secret' ? `${name}File` : name))];
  fail(
    `${unknown} in ${fileName}`,
    `there is no such field; there are ${known.join(', ')}, options`,
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPlain(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

function secretIn(path: string, where: string, readSecret: (path: string) => string): Secret {
  let text: string;
  try {
    text = readSecret(path);
  } catch (error) {
    fail(
      where,
      `the file of the secret cannot be read: ${error instanceof Error ? error.message : error}`,
    );
  }
  // Editors and `echo` end a file with a line break, which is not part of the secret.
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') fail(where, `the file ${path} is empty`);
  return new Secret(secret);
}

/** @param where origin for the error message; for a secret nothing else is shown */
function parsed(field: Field, text: string, where: string): Value {
  if (field.kind === 'secret') return new Secret(text);
  if (field.kind === 'text') {
    if (text !== '' && (field.pattern?.test(text) ?? true)) return text;
    fail(where, `'${text}' is not ${field.rule ?? 'a text'}`);
  }
  if (field.kind === 'flag') {
    if (text === 'true' || text === 'false') return text === 'true';
    fail(where, `'${text}' is neither true nor false`);
  }
  if (field.kind === 'choice') {
    if (field.choices.includes(text)) return text;
    fail(where, `'${text}' is none of ${field.choices.join(', ')}`);
  }
  const number = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= field.min && number <= field.max) return number;
  fail(where, `'${text}' is not a whole number from ${field.min} to ${field.max}`);
}

function settingsOf(given: Given, options: Given): KafkaSettings {
  const own = Object.fromEntries([...given].map(([name, { value }]) => [name, value]));
  const passed = Object.fromEntries([...options].map(([name, { value }]) => [name, String(value)]));
  // Each field was parsed by its own kind, so it has the type of its setting.
  return { ...defaultKafkaSettings, ...own, options: passed } as KafkaSettings;
}

function effectiveOf(given: Given, options: Given): EffectiveSetting[] {
  const defaults: Readonly<Record<string, unknown>> = { ...defaultKafkaSettings };
  const own = fields.flatMap(({ name }): EffectiveSetting[] => {
    const found = given.get(name);
    if (found !== undefined) return [{ field: name, value: String(found.value), from: found.from }];
    const value = defaults[name];
    return value === undefined ? [] : [{ field: name, value: String(value), from: 'default' }];
  });
  const passed = [...options].map(([name, { value, from }]) => ({
    field: `options.${name}`,
    value: String(value),
    from,
  }));
  return [...own, ...passed];
}

function fail(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
