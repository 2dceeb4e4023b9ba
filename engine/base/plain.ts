/** Converts values of any serde to plain JSON, for HTTP. */

/**
 * An independent copy of a value as plain JSON. Integers beyond 2^53, NaN and infinities become
 * strings; bytes base64 strings; dates ISO 8601 strings; maps objects, or lists of pairs if a key
 * is not a string; sets lists. Functions and symbols are left out. A cyclic reference becomes null.
 */
export function plainOf(value: unknown): unknown {
  return plain(value, []);
}

function plain(value: unknown, within: readonly object[]): unknown {
  switch (typeof value) {
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'function':
    case 'symbol':
      return undefined;
    case 'object':
      if (value === null) return null;
      if (within.includes(value)) return null;
      return plainObject(value, [...within, value]);
    default:
      return value;
  }
}

function plainObject(value: object, within: readonly object[]): unknown {
  const inner = (one: unknown) => plain(one, within) ?? null;
  if (Array.isArray(value)) return value.map(inner);
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  }
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Set) return [...value].map(inner);
  if (value instanceof Map) {
    const entries = [...value];
    if (entries.some(([key]) => typeof key !== 'string')) {
      return entries.map(([key, one]) => [inner(key), inner(one)]);
    }
    return plainEntries(entries as [string, unknown][], within);
  }
  return plainEntries(Object.entries(value), within);
}

function plainEntries(
  entries: readonly (readonly [string, unknown])[],
  within: readonly object[],
): Record<string, unknown> {
  const made: Record<string, unknown> = {};
  for (const [name, one] of entries) {
    const shown = plain(one, within);
    if (shown === undefined) continue;
    // A plain assignment would set the prototype.
    if (name === '__proto__') Object.defineProperty(made, name, property(shown));
    else made[name] = shown;
  }
  return made;
}

function property(value: unknown): PropertyDescriptor {
  return { value, enumerable: true, configurable: true, writable: true };
}
