/** Segments as data: a JSON tree of conditions, checked at start. */
import { MillraceError } from 'millrace';
import type { Trait } from '../event.ts';

export type Comparison = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge';
export type TraitTest = Comparison | 'in' | 'contains' | 'startsWith' | 'exists';

/** A condition on a subject at an instant. All durations are milliseconds. */
export type Expression =
  | { readonly trait: string; readonly op: TraitTest; readonly value?: Trait | readonly Trait[] }
  | { readonly score: 'total' | (string & {}); readonly op: Comparison; readonly value: number }
  | { readonly band: readonly string[] }
  | {
      readonly count: readonly string[];
      readonly op: Comparison;
      readonly value: number;
      readonly withinMs: number;
    }
  | {
      readonly absent: readonly string[];
      readonly forMs: number;
      /** From when absence counts: the subject's first event, or always. */
      readonly knownSince: 'firstSeen' | 'any';
    }
  /** An aggregate of a number over the events of the window; without any, only a sum holds. */
  | (Aggregation & {
      readonly of: string;
      readonly op: Comparison;
      readonly value: number;
      readonly withinMs: number;
    })
  /**
   * Something begun and not finished: true from `afterMs` after a `start` without an `unless`, until an
   * `unless` comes or `forMs` is over. `by` says what belongs together: the item, or the subject.
   */
  | {
      readonly abandoned: {
        readonly start: readonly string[];
        readonly unless: readonly string[];
        readonly by: 'item' | 'subject';
        readonly afterMs: number;
        readonly forMs: number;
      };
    }
  /** True from the first truth on; with `reentryAfterMs` only so long, then it may become true again. */
  | { readonly once: Expression; readonly reentryAfterMs?: number }
  /** Member of another segment at the same instant. */
  | { readonly inSegment: string }
  /** A stable share of the subjects, in ten thousandths: from <= SHA-256(bucket, subject) < to. */
  | { readonly bucket: string; readonly from: number; readonly to: number }
  | { readonly and: readonly Expression[] }
  | { readonly or: readonly Expression[] }
  | { readonly not: Expression }
  /** Member from the instant `enter` becomes true to that when `exit` does; exit wins a tie. */
  | { readonly latch: { readonly enter: Expression; readonly exit: Expression } }
  | { readonly held: Expression; readonly forMs: number };

/** Of a number: exactly one of the four, over events of these classes. */
export type Aggregation =
  | { readonly sum: readonly string[] }
  | { readonly avg: readonly string[] }
  | { readonly min: readonly string[] }
  | { readonly max: readonly string[] };

export const aggregations = ['sum', 'avg', 'min', 'max'] as const;
/** Ten thousandths in all. */
export const buckets = 10_000;

export interface SegmentDefinition {
  readonly id: string;
  readonly version: number;
  readonly when: Expression;
}

const kinds = [
  'trait',
  'score',
  'band',
  'count',
  'absent',
  ...aggregations,
  'abandoned',
  'bucket',
  'inSegment',
  'and',
  'or',
  'not',
  'latch',
  'held',
  'once',
];
const leafFields: Readonly<Record<string, readonly string[]>> = {
  trait: ['op', 'value'],
  score: ['op', 'value'],
  band: [],
  count: ['op', 'value', 'withinMs'],
  absent: ['forMs', 'knownSince'],
  sum: ['of', 'op', 'value', 'withinMs'],
  avg: ['of', 'op', 'value', 'withinMs'],
  min: ['of', 'op', 'value', 'withinMs'],
  max: ['of', 'op', 'value', 'withinMs'],
  abandoned: [],
  bucket: ['from', 'to'],
  inSegment: [],
  and: [],
  or: [],
  not: [],
  latch: [],
  held: ['forMs'],
  once: ['reentryAfterMs'],
};
const comparisons: readonly string[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];
const traitTests: readonly string[] = [...comparisons, 'in', 'contains', 'startsWith', 'exists'];

export interface SegmentVocabulary {
  readonly bands: readonly string[];
  readonly channels: readonly string[];
}

/** What an expression may name. */
interface Known extends SegmentVocabulary {
  readonly segments: readonly string[];
}

/** Refuses a list of segments that is not well formed; the error names the field. */
export function checkSegments(
  segments: unknown,
  vocabulary: SegmentVocabulary,
): SegmentDefinition[] {
  if (!Array.isArray(segments)) return fail('segments', 'must be a list');
  const known = { ...vocabulary, segments: segments.map((one) => String(one?.id)) };
  const ids = new Set<string>();
  segments.forEach((segment: Partial<SegmentDefinition>, i) => {
    const field = `segments.${i}`;
    if (typeof segment.id !== 'string' || !/^[a-z0-9][a-z0-9-]*$/.test(segment.id)) {
      fail(`${field}.id`, 'must be a name of a-z, 0-9 and -');
    } else if (ids.has(segment.id)) fail(`${field}.id`, `${segment.id} is defined twice`);
    else ids.add(segment.id);
    whole(`${field}.version`, segment.version);
    checkExpression(`${field}.when`, segment.when, known);
  });
  return inOrder(segments as SegmentDefinition[]);
}

/** Segments in an order in which each comes after those it asks for; a circle is refused. */
function inOrder(segments: readonly SegmentDefinition[]): SegmentDefinition[] {
  const ordered: SegmentDefinition[] = [];
  const visit = (segment: SegmentDefinition, asking: readonly string[]): void => {
    if (ordered.includes(segment)) return;
    if (asking.includes(segment.id)) {
      fail(`segments ${segment.id}`, `asks for itself: ${[...asking, segment.id].join(' -> ')}`);
    }
    for (const id of segmentsAskedFor(segment.when)) {
      const other = segments.find((one) => one.id === id);
      if (other !== undefined) visit(other, [...asking, segment.id]);
    }
    ordered.push(segment);
  };
  for (const segment of segments) visit(segment, []);
  return ordered;
}

function segmentsAskedFor(node: Expression): readonly string[] {
  return 'inSegment' in node ? [node.inSegment] : childrenOf(node).flatMap(segmentsAskedFor);
}

/** The conditions that a node is made of. */
export function childrenOf(node: Expression): readonly Expression[] {
  if ('and' in node) return node.and;
  if ('or' in node) return node.or;
  if ('not' in node) return [node.not];
  if ('latch' in node) return [node.latch.enter, node.latch.exit];
  if ('held' in node) return [node.held];
  return 'once' in node ? [node.once] : [];
}

function checkExpression(field: string, value: unknown, known: Known): void {
  if (typeof value !== 'object' || value === null) fail(field, 'must be an object');
  const node = value as Record<string, unknown>;
  const kind = kinds.filter((name) => name in node);
  if (kind.length !== 1) {
    const near = Object.keys(node).flatMap((name) => nearest(name, kinds) ?? []);
    const hint = kind.length === 0 && near.length > 0 ? `; did you mean ${near[0]}?` : '';
    fail(field, `must have exactly one of ${kinds.join(', ')}${hint}`);
  }
  const fields = [kind[0] as string, ...(leafFields[kind[0] as string] ?? [])];
  for (const name of Object.keys(node)) {
    if (!fields.includes(name)) {
      fail(
        `${field}.${name}`,
        `is not known; known are ${fields.join(', ')}${hintFor(name, fields)}`,
      );
    }
  }
  const children = node[kind[0] as string];
  switch (kind[0]) {
    case 'and':
    case 'or':
      if (!Array.isArray(children) || children.length === 0)
        fail(field, 'needs a list of conditions');
      (children as unknown[]).forEach((child, i) => {
        checkExpression(`${field}.${kind[0]}.${i}`, child, known);
      });
      return;
    case 'not':
      checkExpression(`${field}.not`, children, known);
      return;
    case 'held':
      whole(`${field}.forMs`, node['forMs']);
      checkExpression(`${field}.held`, children, known);
      return;
    case 'once':
      if (node['reentryAfterMs'] !== undefined) {
        whole(`${field}.reentryAfterMs`, node['reentryAfterMs'], 1);
      }
      checkExpression(`${field}.once`, children, known);
      return;
    case 'latch': {
      const { enter, exit } = (children ?? {}) as { enter?: unknown; exit?: unknown };
      checkExpression(`${field}.latch.enter`, enter, known);
      checkExpression(`${field}.latch.exit`, exit, known);
      return;
    }
    default:
      checkLeaf(field, kind[0] as string, node, known);
  }
}

function checkLeaf(field: string, kind: string, node: Record<string, unknown>, known: Known): void {
  const value = node[kind];
  if (kind === 'trait') {
    if (typeof value !== 'string') fail(`${field}.trait`, 'must be the name of a trait');
    oneOf(`${field}.op`, node['op'], traitTests);
  } else if (kind === 'score') {
    oneOf(`${field}.score`, value, ['total', ...known.channels]);
    oneOf(`${field}.op`, node['op'], comparisons);
    whole(`${field}.value`, node['value']);
  } else if (kind === 'band') {
    texts(`${field}.band`, value).forEach((band, i) => {
      oneOf(`${field}.band.${i}`, band, known.bands);
    });
  } else if ((aggregations as readonly string[]).includes(kind)) {
    texts(`${field}.${kind}`, value);
    if (typeof node['of'] !== 'string') fail(`${field}.of`, 'must be the name of a number');
    oneOf(`${field}.op`, node['op'], comparisons);
    whole(`${field}.value`, node['value'], Number.MIN_SAFE_INTEGER);
    whole(`${field}.withinMs`, node['withinMs'], 1);
  } else if (kind === 'abandoned') {
    const abandoned = (value ?? {}) as Record<string, unknown>;
    const at = `${field}.abandoned`;
    texts(`${at}.start`, abandoned['start']);
    texts(`${at}.unless`, abandoned['unless']);
    oneOf(`${at}.by`, abandoned['by'], ['item', 'subject']);
    whole(`${at}.afterMs`, abandoned['afterMs'], 1);
    whole(`${at}.forMs`, abandoned['forMs'], 1);
  } else if (kind === 'inSegment') {
    oneOf(`${field}.inSegment`, value, known.segments);
  } else if (kind === 'bucket') {
    if (typeof value !== 'string') fail(`${field}.bucket`, 'must be a text, which salts the share');
    whole(`${field}.from`, node['from']);
    whole(`${field}.to`, node['to'], (node['from'] as number) + 1);
    if ((node['to'] as number) > buckets) fail(`${field}.to`, `must be at most ${buckets}`);
  } else if (kind === 'count') {
    texts(`${field}.count`, value);
    oneOf(`${field}.op`, node['op'], comparisons);
    whole(`${field}.value`, node['value']);
    whole(`${field}.withinMs`, node['withinMs'], 1);
  } else {
    texts(`${field}.absent`, value);
    whole(`${field}.forMs`, node['forMs'], 1);
    oneOf(`${field}.knownSince`, node['knownSince'], ['firstSeen', 'any']);
  }
}

function texts(field: string, value: unknown): readonly string[] {
  const ok = Array.isArray(value) && value.length > 0 && value.every((v) => typeof v === 'string');
  return ok ? value : fail(field, 'must be a list of names');
}

function oneOf(field: string, value: unknown, allowed: readonly string[]): void {
  if (!allowed.includes(value as string)) {
    const hint = typeof value === 'string' ? hintFor(value, allowed) : '';
    fail(field, `must be one of ${allowed.join(', ')}, is ${JSON.stringify(value)}${hint}`);
  }
}

function hintFor(name: string, allowed: readonly string[]): string {
  const near = nearest(name, allowed);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** The name that two slips of the hand, or a change of case, can turn `name` into. */
function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = 3;
  for (const known of names) {
    const distance = slips(name.toLowerCase(), known.toLowerCase());
    if (distance < least && distance < known.length) [best, least] = [known, distance];
  }
  return best;
}

/** Levenshtein distance. */
function slips(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(
        Math.min(
          (row[j] as number) + 1,
          (next[j - 1] as number) + 1,
          (row[j - 1] as number) + same,
        ),
      );
    }
    row = next;
  }
  return row[b.length] as number;
}

function whole(field: string, value: unknown, least = 0): void {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    fail(field, `must be an integer of ${least} or more, is ${JSON.stringify(value)}`);
  }
}

function fail(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
