/** The rows that a JSON value of a file stands for: lists are opened, envelopes are taken off. */
import { parseJson } from 'millrace';
import { unwrapped } from './debezium.ts';
import { fieldReader, isObject } from './row-fields.ts';

export const envelopes = ['debezium'] as const;

export interface Unpacking {
  /** What is around a row: the change events of Debezium. It is taken off before all else. */
  readonly envelope?: (typeof envelopes)[number];
  /**
   * Paths, tried in turn: what stands there is the row, also as JSON text; a path that is not
   * there, or holds other text, is passed over.
   */
  readonly root?: readonly string[];
  /**
   * Paths of lists: each of their members makes a row of its own, in place of the list. Of several
   * paths in a list, the first that is there. With an empty list the row stays, and has nothing
   * there.
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
