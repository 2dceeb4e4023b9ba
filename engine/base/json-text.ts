/**
 * Parses JSON that a person may have written: skips a byte-order mark, which some editors add.
 * @throws SyntaxError, also for a duplicate name in an object, because its first value would be
 * lost
 */
export function jsonOf(text: string): unknown {
  const content = text.replace(/^\uFEFF/, '');
  const value: unknown = JSON.parse(content);
  const twice = nameTwice(content);
  if (twice === undefined) return value;
  throw new SyntaxError(`it has the field ${JSON.stringify(twice)} twice in one object`);
}

/** A duplicate name in an object of a JSON text; undefined if there is none. */
export function nameTwice(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  const parts = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (const [part, colon] of text.matchAll(parts)) {
    if (part === '{') open.push(new Set());
    else if (part === '[') open.push(undefined);
    else if (part === '}' || part === ']') open.pop();
    else if (colon !== undefined) {
      const name = JSON.parse(part.slice(0, part.length - colon.length)) as string;
      const names = open.at(-1);
      if (names?.has(name) === true) return name;
      names?.add(name);
    }
  }
  return undefined;
}
