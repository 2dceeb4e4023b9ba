/**
 * Tests of texts. Patterns have RE2 syntax: matching takes time linear in the text, so no text of a
 * log can block the reader. The engine is re2js, a port in plain JavaScript: nothing is compiled or
 * downloaded.
 */
import { RE2JS } from 're2js';

/** All given tests must hold. */
export interface TextTest {
  readonly equals?: string | number | boolean | readonly (string | number | boolean)[];
  readonly startsWith?: string;
  readonly endsWith?: string;
  readonly contains?: string | readonly string[];
  /** RE2 syntax; matches anywhere in the text. */
  readonly pattern?: string;
  /** Whether the value must be empty, or must not be. */
  readonly empty?: boolean;
  readonly ignoreCase?: boolean;
}

export const textTests = [
  'equals',
  'startsWith',
  'endsWith',
  'contains',
  'pattern',
  'empty',
] as const;

/** @throws Error that says what is wrong with the pattern */
export function textTest(test: TextTest): (text: string) => boolean {
  const { equals, startsWith, endsWith, contains, pattern, empty, ignoreCase = false } = test;
  const fold = (text: string) => (ignoreCase ? text.toLowerCase() : text);
  const tests: ((text: string) => boolean)[] = [];
  if (equals !== undefined) {
    const texts = listOf(equals).map((one) => fold(String(one)));
    tests.push((text) => texts.includes(fold(text)));
  }
  if (startsWith !== undefined) tests.push((text) => fold(text).startsWith(fold(startsWith)));
  if (endsWith !== undefined) tests.push((text) => fold(text).endsWith(fold(endsWith)));
  if (contains !== undefined) {
    const parts = listOf(contains).map(fold);
    tests.push((text) => parts.some((part) => fold(text).includes(part)));
  }
  if (pattern !== undefined) {
    const compiled = RE2JS.compile(pattern, ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
    tests.push((text) => compiled.matcher(text).find());
  }
  if (empty !== undefined) tests.push((text) => (text === '') === empty);
  return (text) => tests.every((one) => one(text));
}

function listOf<T extends string | number | boolean>(told: T | readonly T[]): readonly T[] {
  return Array.isArray(told) ? (told as readonly T[]) : [told as T];
}

/** In words: 'equals a', 'is empty'. */
export function wordsOf(test: TextTest): string {
  const words = textTests.flatMap((name) => {
    const told = test[name];
    if (told === undefined) return [];
    if (name === 'empty') return [told === true ? 'is empty' : 'is not empty'];
    return [`${name} ${[told].flat().join(' or ')}`];
  });
  return words.join(' and ');
}
