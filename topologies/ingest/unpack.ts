/** The rows that a JSON value of a file stands for: lists and envelopes are opened. */
import { parseJson } from 'millrace';
import { unwrapped } from './debezium.ts';
import { fieldReader, isObject } from './row-fields.ts';

export const envelopes = ['debezium'] as const;

export interface Unpacking {
  /** The envelope around a row, removed first: a change event of Debezium. */
  readonly envelope?: (typeof envelopes)[number];
  /**
   * Paths that are tried in order: the value there is the row, even as JSON text. A path that is
   * missing, or holds other text, is passed over.
   */
  readonly root?: readonly string[];
  /**
   * Paths of lists: each member makes a row of its own, in which it stands in place of the list.
   * For a list of paths, the first that is present. A row with an empty list stays one row, without
   * a member.
   */
  readonly unpack?: readonly (string | readonly string[])[];
}

export function unpacker({
  envelope,
  root = [],
  unpack = [],
}: Unpacking): (value: unknown) => unknown[] {
  const roots = root.map(fieldReader);
  const lists = unpack.map((spec) =>
    (typeof spec === 'string' ? [spec] : spec).map((path) => ({
      parts: path.split('.'),
      read: fieldReader(path),
    })),
  );
  return (value) => {
    let rows = listOf(value);
    if (envelope !== undefined) rows = rows.flatMap(unwrapped);
    for (const read of roots) rows = rows.flatMap((row) => inside(row, read));
    for (const paths of lists) {
      rows = rows.flatMap((row) => {
        const path = paths.find(({ read }) => isObject(row) && read(row) !== undefined);
        return path === undefined ? [row] : unpacked(row, path.parts);
      });
    }
    return rows;
  };
}

function inside(row: unknown, read: ReturnType<typeof fieldReader>): unknown[] {
  const found = isObject(row) ? read(row) : undefined;
  if (isObject(found)) return listOf(found);
  if (typeof found !== 'string') return [row];
  const parsed = parseJson(found);
  return 'value' in parsed && isObject(parsed.value) ? listOf(parsed.value) : [row];
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.flatMap(listOf) : [value];
}

function unpacked(row: unknown, [part = '', ...rest]: readonly string[]): unknown[] {
  if (!isObject(row)) return [row];
  const inner = Object.hasOwn(row, part) ? row[part] : undefined;
  if (rest.length > 0) return unpacked(inner, rest).map((member) => ({ ...row, [part]: member }));
  if (!Array.isArray(inner)) return [row];
  const members = inner.length === 0 ? [undefined] : inner;
  return members.map((member) => ({ ...row, [part]: member }));
}
