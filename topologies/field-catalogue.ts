/**
 * The catalogue: one file that names every field of personal data by source, with its type, class,
 * purpose and retention. A mapping or configuration that reads or writes another field is refused.
 * Fields that a sender adds are dropped on arrival, and counted.
 */
import { MillraceError } from 'millrace';
import { type Mapping, readFields } from './ingest/mapping.ts';
import { isObject, keepContent, type Row } from './ingest/row-fields.ts';
import { categoryField } from './segments/categories.ts';

export const fieldTypes = ['text', 'number', 'flag', 'time', 'list', 'object'] as const;
/** How personal a field is; `special` as in Article 9 of the GDPR. */
export const personalClasses = [
  'none',
  'identifier',
  'contact',
  'behaviour',
  'device',
  'location',
  'financial',
  'special',
] as const;

export interface CatalogueField {
  readonly type: (typeof fieldTypes)[number];
  readonly class: (typeof personalClasses)[number];
  /** At least one, from the author's own list. */
  readonly purpose: readonly string[];
  /** Days, hours or years: `400d`, `36h`, `2y`; or `unlimited`. */
  readonly retention: string;
  readonly note?: string;
}

/** The unified event; other sources have the names of their mappings. */
export const eventSource = 'events';

type Fields = Readonly<Record<string, CatalogueField>>;

/** Members of declared fields; undefined stands for a whole value that is kept as it is. */
type Tree = Map<string, Tree | undefined>;

export class Catalogue {
  readonly sources: Readonly<Record<string, Fields>>;
  readonly #trees = new Map<string, Tree>();

  /** @throws CONFIG_INVALID with the path of what is wrong */
  constructor(value: unknown) {
    this.sources = checkedSources(value);
    for (const [source, fields] of Object.entries(this.sources)) {
      this.#trees.set(source, treeOf(Object.keys(fields)));
    }
  }

  /**
   * @throws CONFIG_INVALID that lists each field that a mapping reads or writes and that is not
   * declared
   */
  checkMapping(mapping: Mapping): void {
    const { name } = mapping;
    this.#check(name, readFields(mapping), `the mapping ${name} reads`);
    this.#check(eventSource, writtenFields(mapping), `the mapping ${name} writes`);
  }

  /** @param config of scores and segments @throws CONFIG_INVALID likewise */
  checkConfiguration(config: unknown): void {
    this.#check(eventSource, configuredFields(config), 'the configuration reads');
  }

  /**
   * A row with its declared fields only, and the number of others. Nothing is left of a source that
   * is not in the catalogue.
   */
  declared(source: string, row: Row): { readonly row: Row; readonly dropped: number } {
    const tree = this.#trees.get(source) ?? new Map();
    const count = { dropped: 0 };
    const kept = pruned(row, tree, count) as Row;
    if (count.dropped > 0) keepContent(kept, row);
    return { row: kept, dropped: count.dropped };
  }

  #check(source: string, fields: readonly string[], who: string): void {
    const known = this.sources[source] ?? {};
    // Of `a or b` one is enough: a bare name may stand for a number or a trait.
    const missing = fields.filter(
      (field) => !field.split(' or ').some((one) => isDeclared(known, one)),
    );
    if (missing.length === 0) return;
    const problem = `${who} ${missing.join(', ')}: not in the catalogue`;
    throw new MillraceError('CONFIG_INVALID', { field: `catalogue.sources.${source}`, problem });
  }
}

/** Whether the field, or a whole object that contains it, is declared. */
function isDeclared(known: Fields, field: string): boolean {
  if (Object.hasOwn(known, field)) return true;
  const parts = field.split('.');
  return parts.some((_, i) => i > 0 && Object.hasOwn(known, parts.slice(0, i).join('.')));
}

const parts = ['item', 'link', 'currency', 'purpose', 'until'] as const;

function writtenFields(mapping: Mapping): string[] {
  const { evidence = {}, traits = {}, numbers = {}, identities = [] } = mapping;
  return [
    'subject',
    ...parts.filter((part) => mapping[part] !== undefined),
    ...Object.keys(evidence).map((name) => `evidence.${name}`),
    ...Object.keys(traits).map((name) => `traits.${name}`),
    ...Object.keys(numbers).map((name) => `numbers.${name}`),
    ...new Set(identities.map(({ kind }) => `identities.${kind}`)),
  ].sort();
}

/** The fields of events that segments and the rules of categories read. */
function configuredFields(config: unknown): string[] {
  const { segments, categories } = (isObject(config) ? config : {}) as Record<string, unknown>;
  const found = new Set<string>();
  const add = (names: readonly unknown[]) => {
    for (const name of names) if (typeof name === 'string') found.add(name);
  };
  const walk = (value: unknown, isTrait: boolean): void => {
    if (Array.isArray(value)) for (const one of value) walk(one, false);
    if (!isObject(value) || Array.isArray(value)) return;
    for (const [name, inner] of Object.entries(value)) {
      if (name === 'path' && isTrait) add([`traits.${inner}`]);
      else if (readingMembers.includes(name)) add([inner]);
      else if (name === 'where' && isObject(inner)) add(Object.keys(inner));
      else if (name === 'abandoned' && isObject(inner)) walk({ key: 'item', ...inner }, false);
      else walk(inner, name === 'trait');
    }
  };
  walk(segments, false);
  if (isObject(categories)) {
    // What segments read as the category is made of what its rules read.
    found.delete(categoryField);
    const { rules } = categories;
    for (const rule of Array.isArray(rules) ? rules : []) add(Object.keys(rule?.when ?? {}));
  }
  return [...found]
    .filter((name) => !ownFields.includes(name))
    .map(fieldNamed)
    .sort();
}

/** Members of conditions that name a field of the event. */
const readingMembers = ['path', 'field', 'distinct', 'bind', 'key'];
/** What every event has, or what stands for none of its fields. */
const ownFields = ['id', 'class', 'subject'];

function fieldNamed(path: string): string {
  const isWhole = /^(traits|numbers|evidence)\./.test(path);
  return isWhole ? path : `numbers.${path} or traits.${path} or ${path}`;
}

function treeOf(fields: readonly string[]): Tree {
  const root: Tree = new Map();
  for (const field of fields) {
    // The name itself, as in rows of tables.
    root.set(field, undefined);
    let tree = root;
    const path = field.split('.');
    for (const [i, part] of path.entries()) {
      if (tree.has(part) && tree.get(part) === undefined) break;
      const inner = i === path.length - 1 ? undefined : (tree.get(part) ?? new Map());
      tree.set(part, inner);
      if (inner === undefined) break;
      tree = inner;
    }
  }
  return root;
}

function pruned(value: unknown, tree: Tree, count: { dropped: number }): unknown {
  if (Array.isArray(value)) {
    // A place in a list, or all places.
    return value.map((one, i) => {
      const inner = tree.get(String(i)) ?? tree.get('*');
      if (tree.has(String(i)) || tree.has('*')) {
        return inner === undefined ? one : pruned(one, inner, count);
      }
      return pruned(one, tree, count);
    });
  }
  if (!isObject(value)) return value;
  const kept: [string, unknown][] = [];
  for (const [name, inner] of Object.entries(value)) {
    if (!tree.has(name)) count.dropped++;
    else {
      const subtree = tree.get(name);
      kept.push([name, subtree === undefined ? inner : pruned(inner, subtree, count)]);
    }
  }
  return Object.fromEntries(kept);
}

function checkedSources(value: unknown): Readonly<Record<string, Fields>> {
  if (!isObject(value) || !isObject(value['sources'])) {
    throw invalid('catalogue', 'must be { "version": 1, "sources": { SOURCE: { FIELD: ... } } }');
  }
  for (const name of Object.keys(value)) {
    if (!['$schema', 'version', 'sources', 'note'].includes(name)) {
      throw invalid(`catalogue.${name}`, 'is not known; known are version, sources and note');
    }
  }
  if (value['version'] !== 1) throw invalid('catalogue.version', 'must be 1');
  for (const [source, fields] of Object.entries(value['sources'])) {
    const at = `catalogue.sources.${source}`;
    if (!isObject(fields)) throw invalid(at, 'must be an object of fields');
    for (const [name, field] of Object.entries(fields)) checkField(`${at}.${name}`, field);
  }
  return value['sources'] as Readonly<Record<string, Fields>>;
}

function checkField(at: string, field: unknown): void {
  if (!isObject(field)) throw invalid(at, 'must have type, class, purpose and retention');
  for (const name of Object.keys(field)) {
    if (!['type', 'class', 'purpose', 'retention', 'note'].includes(name)) {
      throw invalid(`${at}.${name}`, 'is not known');
    }
  }
  const { type, class: personal, purpose, retention } = field;
  const oneOf = (name: string, told: unknown, known: readonly string[]) => {
    if (known.includes(told as string)) return;
    throw invalid(`${at}.${name}`, `must be one of ${known.join(', ')}`);
  };
  oneOf('type', type, fieldTypes);
  oneOf('class', personal, personalClasses);
  const isList = Array.isArray(purpose) && purpose.length > 0;
  if (!isList || !purpose.every((one) => typeof one === 'string' && one !== '')) {
    throw invalid(`${at}.purpose`, 'must be a list of at least one purpose');
  }
  if (typeof retention !== 'string' || !/^([1-9]\d{0,5}[hdy]|unlimited)$/.test(retention)) {
    throw invalid(`${at}.retention`, "must be such as 36h, 400d or 2y, or 'unlimited'");
  }
}

function invalid(field: string, problem: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', { field, problem });
}

/**
 * A draft of a catalogue for the author: everything that a mapping reads and writes, to be
 * completed.
 */
export function draftOf(mappings: readonly Mapping[]): object {
  const blank = { type: 'text', class: '', purpose: [], retention: '' };
  const fields = (names: readonly string[]) =>
    Object.fromEntries([...new Set(names)].sort().map((name) => [name, blank]));
  return {
    version: 1,
    sources: {
      ...Object.fromEntries(mappings.map((one) => [one.name, fields(readFields(one))])),
      [eventSource]: fields(mappings.flatMap(writtenFields)),
    },
  };
}
