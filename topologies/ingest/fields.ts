/** Where in a row a value stands: a column or a path into nested JSON, the first of several, or a constant. */

export type Row = Readonly<Record<string, unknown>>;

/**
 * 'email', 'event-data.recipient', 'items.0.sku': the name itself when the row has it, else the path; a
 * list: the first that is there; `value`: the same in every row.
 */
export type FieldSpec = string | readonly string[] | { readonly value: string | number | boolean };

/** Answers undefined where there is nothing: no such field, null, or an empty text. */
export type FieldReader = (row: Row) => unknown;

export function fieldReader(spec: FieldSpec): FieldReader {
  if (typeof spec === 'string') return pathReader(spec);
  if ('value' in spec) return () => spec.value;
  const readers = spec.map(pathReader);
  return (row) => {
    for (const read of readers) {
      const found = read(row);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

function pathReader(path: string): FieldReader {
  const parts = path.split('.');
  return (row) => {
    let found = row[path];
    if (found === undefined && parts.length > 1) {
      found = row;
      for (const part of parts) found = isObject(found) ? found[part] : undefined;
    }
    return found === null || found === '' ? undefined : found;
  };
}

/** Text without blanks about it; '' for what is no text, number or truth value. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value.trim();
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** The value says yes: anything but nothing, false, 0, no and none. Some sources name what they saw. */
export function isTrue(value: unknown): boolean {
  return !['', 'false', '0', 'no', 'none'].includes(textOf(value).toLowerCase());
}

/** How a field is called in a message. */
export function nameOf(spec: FieldSpec): string {
  if (typeof spec === 'string') return spec;
  return 'value' in spec ? JSON.stringify(spec.value) : spec.join(' or ');
}

/** The columns of which one must be there; none for a constant. */
export function columnsOf(spec: FieldSpec | undefined): readonly string[] {
  if (spec === undefined) return [];
  if (typeof spec === 'string') return [spec];
  return 'value' in spec ? [] : spec;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

export interface Unpacking {
  /** Paths, tried in turn: what stands there is the row, also as JSON text; a path not there is passed over. */
  readonly root?: readonly string[];
  /**
   * Paths of lists: each of their members makes a row of its own, in place of the list. Of several paths
   * in a list, the first that is there.
   */
  readonly unpack?: readonly (string | readonly string[])[];
}

/** The rows that a value of the file stands for: lists are opened, envelopes are taken off. */
export function unpacker({ root = [], unpack = [] }: Unpacking): (value: unknown) => unknown[] {
  const roots = root.map(pathReader);
  return (value) => {
    let rows = listOf(value);
    for (const read of roots) {
      rows = rows.flatMap((row) => {
        const found = isObject(row) ? read(row) : undefined;
        return found === undefined
          ? [row]
          : listOf(typeof found === 'string' ? parsed(found) : found);
      });
    }
    for (const spec of unpack) {
      const paths = typeof spec === 'string' ? [spec] : spec;
      rows = rows.flatMap((row) => {
        const path = paths.find((one) => isObject(row) && pathReader(one)(row) !== undefined);
        return path === undefined ? [row] : unpacked(row, path.split('.'));
      });
    }
    return rows;
  };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.flatMap(listOf) : [value];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function unpacked(row: unknown, [part = '', ...rest]: readonly string[]): unknown[] {
  if (!isObject(row)) return [row];
  const inner = row[part];
  const members = rest.length > 0 ? unpacked(inner, rest) : Array.isArray(inner) ? inner : [inner];
  return members.map((member) => ({ ...row, [part]: member }));
}
