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
  | { readonly and: readonly Expression[] }
  | { readonly or: readonly Expression[] }
  | { readonly not: Expression }
  /** Member from the instant `enter` becomes true to that when `exit` does; exit wins a tie. */
  | { readonly latch: { readonly enter: Expression; readonly exit: Expression } }
  | { readonly held: Expression; readonly forMs: number };

export interface SegmentDefinition {
  readonly id: string;
  readonly version: number;
  readonly when: Expression;
}

const kinds = ['trait', 'score', 'band', 'count', 'absent', 'and', 'or', 'not', 'latch', 'held'];
const comparisons: readonly string[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];
const traitTests: readonly string[] = [...comparisons, 'in', 'contains', 'startsWith', 'exists'];

export interface SegmentVocabulary {
  readonly bands: readonly string[];
  readonly channels: readonly string[];
}

/** Refuses a list of segments that is not well formed; the error names the field. */
export function checkSegments(segments: unknown, known: SegmentVocabulary): SegmentDefinition[] {
  if (!Array.isArray(segments)) return fail('segments', 'must be a list');
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
  return segments as SegmentDefinition[];
}

function checkExpression(field: string, value: unknown, known: SegmentVocabulary): void {
  if (typeof value !== 'object' || value === null) fail(field, 'must be an object');
  const node = value as Record<string, unknown>;
  const kind = kinds.filter((name) => name in node);
  if (kind.length !== 1) fail(field, `must have exactly one of ${kinds.join(', ')}`);
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

function checkLeaf(
  field: string,
  kind: string,
  node: Record<string, unknown>,
  known: SegmentVocabulary,
): void {
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
    fail(field, `must be one of ${allowed.join(', ')}, is ${JSON.stringify(value)}`);
  }
}

function whole(field: string, value: unknown, least = 0): void {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    fail(field, `must be an integer of ${least} or more, is ${JSON.stringify(value)}`);
  }
}

function fail(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
