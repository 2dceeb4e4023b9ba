/** Values at paths such as `paging.next` of a JSON value. */

/** Undefined without a value. The whole path may also be the name of a single field. */
export function valueAt(value: unknown, path: string): unknown {
  const whole = own(value, path);
  if (whole !== undefined) return whole;
  let found = value;
  for (const part of path.split('.')) found = own(found, part);
  return found;
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
