/**
 * Suggestions at the caret of a text of segments, from their JSON Schema and from names in the
 * data.
 */

export interface Vocabulary {
  readonly schema: Schema;
  readonly events: readonly string[];
  readonly traits: readonly string[];
  readonly purposes: readonly string[];
  readonly bands: readonly string[];
  readonly channels: readonly string[];
  readonly segments: readonly string[];
}

/** The part of JSON Schema that the schema of segments uses. */
export interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly type?: string | readonly string[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly description?: string;
}

export interface Suggestion {
  readonly label: string;
  readonly about: string;
  readonly insert: string;
  /** Where the caret is in `insert` afterwards. */
  readonly caret: number;
}

export interface Completion {
  /** The replaced part of the text: [from, to). */
  readonly from: number;
  readonly to: number;
  readonly options: readonly Suggestion[];
}

interface Level {
  readonly kind: '{' | '[';
  /** Names that the object has before the caret. */
  readonly names: string[];
  /** The name whose value comes next; undefined before a colon. */
  name: string | undefined;
}

interface Spot {
  readonly levels: readonly Level[];
  /** The typed part of a word or a text, with its quote. */
  readonly typed: string;
}

const optionsMost = 12;
const durations = ['1d', '7d', '30d', '90d', '365d'];

/** @param caret from 0 to the length of the text */
export function completionAt(text: string, caret: number, known: Vocabulary): Completion {
  const { levels, typed } = spotAt(text.slice(0, caret));
  const from = caret - typed.length;
  const level = levels.at(-1);
  const isName = level?.kind === '{' && level.name === undefined;
  const schemas = schemasAt(known.schema, levels);
  const all = isName
    ? namesOf(schemas, level.names, known.schema)
    : valuesOf(schemas, levels, known);
  const bare = typed.replace(/^"/, '').toLowerCase();
  const fits = all.filter(({ label }) => label.toLowerCase().includes(bare));
  // Suggestions that begin with the typed text come first.
  const rank = ({ label }: Suggestion) => (label.toLowerCase().startsWith(bare) ? 0 : 1);
  const options = fits.sort((a, b) => rank(a) - rank(b)).slice(0, optionsMost);
  const closes = typed.startsWith('"') && text[caret] === '"';
  return { from, to: closes ? caret + 1 : caret, options };
}

/**
 * The place at the end of the text: the levels around it, and the typed part of a word. Incomplete
 * JSON is accepted.
 */
function spotAt(text: string): Spot {
  const levels: Level[] = [];
  for (let i = 0; i < text.length; i++) {
    const level = levels.at(-1);
    const char = text[i] as string;
    if (char === '"') {
      const end = endOfText(text, i);
      if (end === undefined) return { levels, typed: text.slice(i) };
      const word = text.slice(i + 1, end);
      if (level?.kind === '{' && level.name === undefined) {
        level.names.push(word);
        if (/^\s*:/.test(text.slice(end + 1))) level.name = word;
      }
      i = end;
    } else if (char === '{' || char === '[')
      levels.push({ kind: char, names: [], name: undefined });
    else if (char === '}' || char === ']') levels.pop();
    else if (char === ',' && level?.kind === '{') level.name = undefined;
  }
  return { levels, typed: /[\w.-]*$/.exec(text)?.[0] ?? '' };
}

function endOfText(text: string, start: number): number | undefined {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
    else if (text[i] === '\n') return undefined;
  }
  return undefined;
}

/** Every schema that may apply at the place; the text is a list of segments. */
function schemasAt(root: Schema, levels: readonly Level[]): readonly Schema[] {
  let schemas: readonly Schema[] = alternatives(root.properties?.['segments'], root);
  for (const { kind, name } of levels) {
    if (kind === '[') schemas = schemas.flatMap(({ items }) => alternatives(items, root));
    else if (name !== undefined) {
      schemas = schemas.flatMap(({ properties, additionalProperties: rest }) => {
        const own = properties?.[name] ?? (typeof rest === 'object' ? rest : undefined);
        return alternatives(own, root);
      });
    }
  }
  return schemas;
}

function alternatives(schema: Schema | undefined, root: Schema): readonly Schema[] {
  if (schema === undefined) return [];
  if (schema.$ref !== undefined) {
    return alternatives(root.$defs?.[schema.$ref.replace('#/$defs/', '')], root);
  }
  const { oneOf, ...own } = schema;
  return oneOf === undefined ? [own] : oneOf.flatMap((one) => alternatives(one, root));
}

function namesOf(schemas: readonly Schema[], there: readonly string[], root: Schema): Suggestion[] {
  const names = new Map<string, Suggestion>();
  for (const { properties = {}, description, required = [] } of schemas) {
    // Of several forms, the one that has been begun.
    if (there.some((name) => properties[name] === undefined)) continue;
    for (const [name, value] of Object.entries(properties)) {
      if (there.includes(name) || names.has(name)) continue;
      const forms = alternatives(value, root);
      const about = value.description ?? (schemas.length > 1 ? description : undefined);
      const needed = required.includes(name) && schemas.length === 1 ? 'needed' : '';
      const [open, close] = bracketsOf(forms);
      const insert = `"${name}": ${open}${close}`;
      const caret = insert.length - close.length;
      names.set(name, { label: name, about: about ?? needed, insert, caret });
    }
  }
  // Required names come first.
  return [...names.values()].sort((a, b) => needs(b, schemas) - needs(a, schemas));
}

function needs({ label }: Suggestion, schemas: readonly Schema[]): number {
  return schemas.some(({ required = [] }) => required.includes(label)) ? 1 : 0;
}

function bracketsOf(forms: readonly Schema[]): readonly [string, string] {
  const every = (type: string) => forms.length > 0 && forms.every((form) => form.type === type);
  if (every('object')) return ['{ ', ' }'];
  if (every('array')) return ['[', ']'];
  return ['', ''];
}

function valuesOf(
  schemas: readonly Schema[],
  levels: readonly Level[],
  known: Vocabulary,
): Suggestion[] {
  const texts = new Map<string, string>();
  for (const [text, about] of knownAt(levels, known)) texts.set(JSON.stringify(text), about);
  for (const { enum: values = [], type, pattern, description = '' } of schemas) {
    for (const value of values) texts.set(JSON.stringify(value), description);
    if (type === 'boolean') for (const value of ['true', 'false']) texts.set(value, description);
    if (pattern?.includes('(ms|s|m|h|d|w)') === true) {
      for (const span of durations) texts.set(JSON.stringify(span), 'so long');
      if (pattern.includes('ever')) texts.set('"ever"', 'since the first event');
    }
  }
  const options = [...texts].map(([insert, about]) => {
    return { label: insert.replaceAll('"', ''), about, insert, caret: insert.length };
  });
  if (schemas.some(({ type }) => type === 'object')) {
    options.push({ label: '{ }', about: 'what belongs to it', insert: '{  }', caret: 2 });
  }
  return options;
}

/** Names from the data, when the schema only says that a text is expected. */
function knownAt(levels: readonly Level[], known: Vocabulary): (readonly [string, string])[] {
  const path = levels.flatMap(({ name }) => name ?? []);
  const [last, before] = [path.at(-1), path.at(-2)];
  const all = (names: readonly string[], about: string) =>
    names.map((name) => [name, about] as const);
  if (last === 'event' || last === 'since') return all(known.events, 'event');
  if (last === 'then' || last === 'steps') return all(known.events, 'event');
  if (last === 'path' && before === 'trait') return all(known.traits, 'trait');
  if (last === 'purpose') return all(known.purposes, 'purpose');
  if (last === 'in' && before === 'band') return all(known.bands, 'band');
  if (last === 'channel') return all(known.channels, 'channel');
  if (last === 'segment' || before === 'segment') return all(known.segments, 'segment');
  return [];
}
