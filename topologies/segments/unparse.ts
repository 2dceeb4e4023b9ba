/** Turns definitions back into the JSON they are written in. */
import { canonical } from './canonical.ts';
import { withoutTable } from './categories.ts';
import type { Expression, Filter, Match, SegmentDefinition } from './definition.ts';
import { weekdays } from './definition-fields.ts';

/** A condition as JSON, with defaults filled in; durations in ms. */
export function toJson(node: Expression): Record<string, unknown> {
  return written(withoutTable(node));
}

function written(node: Expression): Record<string, unknown> {
  switch (node.kind) {
    case 'and':
    case 'or':
      return { [node.kind]: node.children.map(written) };
    case 'not':
      return { not: written(node.child) };
    case 'inSegment':
      return { inSegment: node.id };
    case 'openSignal':
      return { openSignal: node.is };
    case 'latch': {
      const { kind, enter, exit, ...rest } = node;
      return { latch: { enter: written(enter), exit: written(exit), ...rest } };
    }
    case 'held':
    case 'once':
    case 'cooldown': {
      const { kind, child, ...rest } = node;
      return { [kind]: { expr: written(child), ...rest } };
    }
    case 'calendar': {
      const { kind, of, weekStart, ...rest } = node;
      const { kind: inner, within, ...fields } = of as unknown as Record<string, unknown>;
      const day = weekStart === undefined ? {} : { weekStart: weekdays[weekStart - 1] };
      return { calendar: { [String(inner)]: withFilters(fields), ...rest, ...day } };
    }
    case 'sequence': {
      const { kind, steps, notBetween, ...rest } = node;
      const parts = { steps: steps.map(withFilters), notBetween: notBetween.map(withFilters) };
      return { sequence: { ...parts, ...rest } };
    }
    case 'abandoned': {
      const { kind, start, unless, ...rest } = node;
      return { abandoned: { start: withFilters(start), unless: withFilters(unless), ...rest } };
    }
    default: {
      const { kind, ...rest } = node as Expression & Record<string, unknown>;
      return { [kind]: withFilters(rest) };
    }
  }
}

function withFilters(fields: object): Record<string, unknown> {
  const { where, since, ...rest } = fields as { where?: Filter[]; since?: Match[] };
  const written = where?.map(({ path, ...test }) => [path, test] as const);
  return {
    ...rest,
    ...(written === undefined || written.length === 0
      ? {}
      : { where: Object.fromEntries(written) }),
    ...(since === undefined || since.length === 0 ? {} : { since: since.map(withFilters) }),
  };
}

/** A condition in one line. */
export function toText(node: Expression): string {
  return canonical(toJson(node));
}

/** A definition as JSON, with defaults filled in; durations in ms. */
export interface SegmentJson extends Omit<SegmentDefinition, 'when'> {
  readonly when: Readonly<Record<string, unknown>>;
}

export function segmentToJson({ when, ...header }: SegmentDefinition): SegmentJson {
  return { ...header, when: toJson(when) };
}
