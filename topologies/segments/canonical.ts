/** One text for one meaning: the canonical form of a definition, and its hash. */
import { createHash } from 'node:crypto';
import type { SegmentDefinition } from './definition.ts';

/** JSON with sorted names; +Infinity is written "ever". */
export function canonical(value: unknown): string {
  if (value === Number.POSITIVE_INFINITY) return '"ever"';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const parts = Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, one]) => `${JSON.stringify(name)}:${canonical(one)}`);
  return `{${parts.join(',')}}`;
}

/** The first 12 letters of the SHA-256 (base64url) of the canonical form: 72 bits. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(canonical(value)).digest('base64url').slice(0, 12);
}

/**
 * Hash of everything that decides membership and how it is reported. Owner, description and
 * destinations are left out: they change no membership.
 */
export function definitionHash(segment: SegmentDefinition): string {
  const { owner, description, destinations, budget, minSize, ...meaning } = segment;
  return hashOf(meaning);
}
