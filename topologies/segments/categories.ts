/**
 * What browsing is about: a versioned table of rules gives an event its category, the first rule
 * that fits. Segments read it as the field `category`. It is worked out when an event is taken, and
 * what is kept says by which table: another table is another definition, so everybody is decided
 * anew, from the log.
 */
import { MillraceError } from 'millrace';
import type { Event } from '../event.ts';
import { checkWhen } from '../ingest/check-tests.ts';
import type { Condition } from '../ingest/classes.ts';
import { type TextTest, textTest } from '../ingest/pattern.ts';
import { checkKeys, checkText, type Fail, listAt, objectAt } from '../ingest/value-checks.ts';
import { hashOf } from './canonical.ts';
import type { Warning } from './class-warnings.ts';
import {
  childrenOf,
  type Expression,
  type Filter,
  type Leaf,
  type Match,
  type SegmentDefinition,
} from './definition.ts';
import { fieldOf } from './history.ts';
import { matchesOf } from './matches.ts';
import { nearest } from './nearest.ts';

/** Gives events a category. */
export interface CategoryRule {
  /** Field of the event -> what it must be. All must fit. */
  readonly when: Readonly<Record<string, Condition>>;
  readonly category: string;
  /** For the reader. */
  readonly note?: string;
}

/** Rules in order; the first whose tests all hold gives the category. */
export interface CategoryTable {
  /** A greater one for every change. */
  readonly version: number;
  readonly rules: readonly CategoryRule[];
  /** Of events that no rule fits; default: they have no category. */
  readonly otherwise?: string;
}

/** How definitions and the configuration call the field. */
export const categoryField = 'category';
const marked = `${categoryField}@`;

export class Categories {
  readonly table: CategoryTable;
  /** The field as it is kept: the name, and the hash of what the table says. */
  readonly path: string;
  readonly #rules: readonly ((event: Event) => boolean)[];

  /** @throws CONFIG_INVALID with the path of what is wrong */
  constructor(value: unknown) {
    this.table = checkedTable(value);
    const { rules, otherwise } = this.table;
    const meaning = rules.map(({ when, category }) => ({ when, category }));
    this.path = `${marked}${hashOf([meaning, otherwise]).slice(0, 8)}`;
    this.#rules = rules.map(({ when }) => {
      const tests = Object.entries(when).map(([field, wanted]) => conditionOf(field, wanted));
      return (event) => tests.every((fits) => fits(event));
    });
  }

  /** Undefined where an event has none. */
  of(event: Event): string | undefined {
    const { rules, otherwise } = this.table;
    const place = this.#rules.findIndex((fits) => fits(event));
    return place < 0 ? otherwise : rules[place]?.category;
  }
}

/** A field that is not there passes as an empty text. */
function conditionOf(field: string, wanted: Condition): (event: Event) => boolean {
  if (typeof wanted === 'boolean')
    return (event) => (fieldOf(event, field) !== undefined) === wanted;
  const isList = typeof wanted === 'string' || Array.isArray(wanted);
  const test = isList ? { equals: wanted as string | readonly string[] } : (wanted as TextTest);
  const passes = textTest(test);
  return (event) => passes(String(fieldOf(event, field) ?? ''));
}

function checkedTable(value: unknown): CategoryTable {
  const fail: Fail = (field, problem) => {
    throw new MillraceError('CONFIG_INVALID', { field, problem });
  };
  const table = objectAt(categories, value, fail);
  checkKeys(categories, table, ['version', 'rules', 'otherwise', 'note'], fail);
  const { version, otherwise } = table;
  if (!Number.isSafeInteger(version) || (version as number) < 1) {
    fail(`${categories}.version`, 'must be a whole number from 1');
  }
  if (otherwise !== undefined) checkText(`${categories}.otherwise`, otherwise, fail);
  listAt(`${categories}.rules`, table['rules'], fail).forEach((one, i) => {
    const at = `${categories}.rules.${i}`;
    const rule = objectAt(at, one, fail);
    checkKeys(at, rule, ['when', 'category', 'note'], fail);
    checkWhen(`${at}.when`, rule['when'], fail);
    checkText(`${at}.category`, rule['category'], fail);
    if (rule['note'] !== undefined) checkText(`${at}.note`, rule['note'], fail);
  });
  return table as unknown as CategoryTable;
}

const categories = 'categories';
const someText = { type: 'string', minLength: 1 };

export const categoriesSchema: object = {
  type: 'object',
  description: 'rules that give events a category',
  properties: {
    version: { type: 'integer', minimum: 1 },
    rules: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          when: { type: 'object', minProperties: 1 },
          category: someText,
          note: someText,
        },
        required: ['when', 'category'],
        additionalProperties: false,
      },
    },
    otherwise: someText,
    note: {},
  },
  required: ['version', 'rules'],
  additionalProperties: false,
};

/** Definitions that read `category` by this table. */
export function withCategories(
  segments: readonly SegmentDefinition[],
  { path }: Categories,
): SegmentDefinition[] {
  const rename = (name: string) => (name === categoryField ? path : name);
  return segments.map((one) => ({ ...one, when: renamed(one.when, rename) }));
}

/** A condition as it is written, whatever the table that it is read by. */
export function withoutTable(node: Expression): Expression {
  return renamed(node, categoryName);
}

export function isCategory(path: string): boolean {
  return path.startsWith(marked);
}

/** The field as it is written. */
export function categoryName(path: string): string {
  return isCategory(path) ? categoryField : path;
}

type Rename = (path: string) => string;

/** Other names for fields of events; traits keep theirs. */
function renamed(node: Expression, rename: Rename): Expression {
  switch (node.kind) {
    case 'and':
    case 'or':
      return { ...node, children: node.children.map((child) => renamed(child, rename)) };
    case 'not':
    case 'held':
    case 'once':
    case 'cooldown':
      return { ...node, child: renamed(node.child, rename) };
    case 'latch':
      return { ...node, enter: renamed(node.enter, rename), exit: renamed(node.exit, rename) };
    case 'count': {
      const { distinct } = node;
      const since = node.since.map((one) => renamedMatch(one, rename));
      const others = distinct === undefined ? {} : { distinct: rename(distinct) };
      return { ...renamedMatch(node, rename), since, ...others };
    }
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
    case 'absent':
      return renamedMatch(node, rename);
    case 'calendar':
      return { ...node, of: renamed(node.of, rename) as typeof node.of };
    case 'sequence': {
      const steps = node.steps.map((step) => {
        const { bind } = step;
        const told = renamedMatch(step, rename);
        return bind === undefined ? told : { ...told, bind: rename(bind) };
      });
      const notBetween = node.notBetween.map((one) => renamedMatch(one, rename));
      return { ...node, steps, notBetween };
    }
    case 'abandoned': {
      const { start, unless, key } = node;
      const both = { start: renamedMatch(start, rename), unless: renamedMatch(unless, rename) };
      return { ...node, ...both, key: rename(key) };
    }
    default:
      return node;
  }
}

function renamedMatch<M extends Match>(match: M, rename: Rename): M {
  const where = match.where.map((one): Filter => ({ ...one, path: rename(one.path) }));
  return { ...match, where };
}

/** Categories that a definition names and no rule gives: mostly a slip of the pen. */
export function categoryWarnings(
  segments: readonly SegmentDefinition[],
  { table: { rules, otherwise } }: Categories,
): readonly Warning[] {
  const given = rules.map(({ category }) => category);
  const known = new Set(otherwise === undefined ? given : [...given, otherwise]);
  return segments.flatMap(({ id, when }) => {
    const named = leavesIn(when)
      .flatMap(matchesOf)
      .flatMap(({ where }) => where)
      .filter(({ path, op }) => path === categoryField && (op === 'eq' || op === 'in'))
      .flatMap(({ value = [] }) => [value].flat().map(String));
    const unknown = [...new Set(named)].filter((name) => !known.has(name));
    return unknown.map((name) => {
      const near = nearest(name, [...known]);
      const hint = near === undefined ? 'nobody will have it' : `did you mean ${near}?`;
      const problem = `no rule gives the category ${JSON.stringify(name)}; ${hint}`;
      return { path: `segment ${id}`, problem };
    });
  });
}

function leavesIn(node: Expression): readonly Leaf[] {
  const children = childrenOf(node);
  if (children.length > 0) return children.flatMap(leavesIn);
  return node.kind === 'inSegment' ? [] : [node as Leaf];
}
