/**
 * Rows of an input: CSV with a header or given columns, columns separated by blanks, JSON values.
 */
import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';
import { membersOf, parseJson } from '../serde/faithful-json.ts';
import { contentOf } from './content.ts';
import type { Fingerprint } from './content-fingerprint.ts';
import { CsvReader, type CsvRecord } from './csv.ts';
import { type Line, linesOf } from './lines.ts';

/**
 * A table; one JSON value per line; one JSON value in the whole file, or one per line if the name
 * ends in .jsonl or .ndjson.
 */
export type RowFormat = 'csv' | 'jsonl' | 'json';

export interface RowOptions {
  readonly format: RowFormat;
  /** Columns of a CSV file without a header. */
  readonly columns?: readonly string[];
  /** Separator of columns: a character, default a comma, or 'blanks': one or more blanks. */
  readonly separator?: string;
  /** Columns that a CSV file must have; of a list, at least one. */
  readonly needed: readonly (string | readonly string[])[];
  /** The rows of a JSON value; without it, an object is a row. */
  unpack?(value: unknown): readonly unknown[];
}

export interface Row {
  /** Values by column; undefined when the text is not a row. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  /** The text of the row in the file. */
  readonly raw: string;
  /** Why there are no fields. */
  readonly problem?: string;
  /** The line in which it starts, from 1; in a JSON document the number of the row. */
  readonly line: number;
  /** Start and end of its line in the content, in bytes, without the line end. */
  readonly start: number;
  readonly end: number;
  /** Another row of the same line follows: reading can resume only after a whole line. */
  readonly more?: boolean;
  /** Why the value has no rows, for example an envelope around an empty list. */
  readonly empty?: string;
}

/** All rows, one by one; see `rowBlocks`. */
export async function* rowsOf(file: string, options: RowOptions): AsyncGenerator<Row> {
  for await (const rows of rowBlocks(file, options)) yield* rows;
}

/**
 * The rows of a file in blocks. Throws INPUT_MISSING, INPUT_BROKEN after the last complete row, and
 * MAPPING_INVALID if a required column is missing or two have the same name.
 * @param fingerprint receives the content of the rows before they are yielded
 */
export function rowBlocks(
  file: string,
  options: RowOptions,
  fingerprint?: Fingerprint,
): AsyncGenerator<Row[]> {
  const isLines = options.format === 'jsonl' || /\.(jsonl|ndjson)(\.gz)?$/.test(file);
  if (options.format !== 'csv') {
    return isLines
      ? jsonRows(file, options, fingerprint)
      : documentRows(file, options, fingerprint);
  }
  return options.separator === 'blanks'
    ? blankRows(file, options, fingerprint)
    : csvRows(file, options, fingerprint);
}

async function* csvRows(
  file: string,
  { columns, needed, separator = ',' }: RowOptions,
  fingerprint?: Fingerprint,
): AsyncGenerator<Row[]> {
  const reader = new CsvReader(separator);
  let table = columns === undefined ? undefined : new Table(file, columns, []);
  reader.width = table?.names.length;
  const rowsOf = (lines: readonly Line[], final: boolean): Row[] => {
    let rest: readonly Line[] = lines;
    if (table === undefined) {
      const [header] = reader.read(lines, final, 1);
      if (header === undefined) return [];
      table = new Table(file, headerCells(file, header), needed);
      reader.width = table.names.length;
      rest = [];
    }
    const { row } = table;
    return reader.read(rest, final).map((record) => row(record));
  };
  for await (const lines of linesOf(file, fingerprint)) {
    const rows = rowsOf(lines, false);
    if (rows.length > 0) yield rows;
  }
  const rows = rowsOf([], true);
  if (rows.length > 0) yield rows;
}

function headerCells(file: string, { cells, problem = '' }: CsvRecord): readonly string[] {
  if (cells !== undefined) return cells;
  throw new MillraceError('INPUT_BROKEN', {
    file,
    problem: `the header cannot be read: ${problem}`,
  });
}

/** Columns of fixed width or separated by tabs: any run of blanks separates them. */
async function* blankRows(
  file: string,
  { columns, needed }: RowOptions,
  fingerprint?: Fingerprint,
): AsyncGenerator<Row[]> {
  let table = columns === undefined ? undefined : new Table(file, columns, []);
  for await (const lines of linesOf(file, fingerprint)) {
    const rows: Row[] = [];
    for (const { text, number: line, start, end } of lines) {
      const told = text.trim();
      if (told === '') continue;
      const cells = told.split(/\s+/);
      if (table === undefined) {
        table = new Table(file, cells, needed);
        continue;
      }
      const { width } = table;
      const problem = `line ${line}: it has ${cells.length} columns, the header has ${width}`;
      const record = { raw: text, line, start, end };
      rows.push(
        table.row(
          cells.length === width ? { ...record, cells } : { ...record, cells: undefined, problem },
        ),
      );
    }
    if (rows.length > 0) yield rows;
  }
}

/** The columns of a table. */
class Table {
  readonly names: readonly string[];
  /** Defines an own field, even if the name is that of an inherited property. */
  readonly #isOdd: boolean;

  constructor(file: string, cells: readonly string[], needed: RowOptions['needed']) {
    // A column without a name is named by its position: tables padded with empty columns are
    // common.
    this.names = cells.map((name, i) => name.trim() || `column ${i + 1}`);
    this.#isOdd = this.names.includes('__proto__');
    checkColumns(file, this.names, needed);
  }

  get width(): number {
    return this.names.length;
  }

  readonly row = (record: CsvRecord): Row => {
    const { cells, raw, problem, line, start, end } = record;
    const place = { raw, line, start, end };
    if (cells === undefined) {
      return { fields: undefined, ...place, ...(problem === undefined ? {} : { problem }) };
    }
    const { names } = this;
    if (this.#isOdd) {
      return { fields: Object.fromEntries(names.map((name, i) => [name, cells[i]])), ...place };
    }
    const fields: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i++) fields[names[i] as string] = cells[i];
    return { fields, ...place };
  };
}

function checkColumns(file: string, names: readonly string[], needed: RowOptions['needed']): void {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    const problem = `the file ${file} has two columns of this name; give one of them another`;
    throw new MillraceError('MAPPING_INVALID', { mapping: 'given', field: twice, problem });
  }
  const missing = needed
    .map((one) => (typeof one === 'string' ? [one] : one))
    .filter((one) => !one.some((name) => names.includes(name)))
    .map((one) => one.join(' or '));
  if (missing.length === 0) return;
  const other = [';', '\t', '|'].find((mark) => names.length === 1 && names[0]?.includes(mark));
  const hint =
    other === undefined ? '' : `; are they apart by ${JSON.stringify(other)}? See 'separator'`;
  const problem = `the file ${file} has no such column; it has ${names.join(', ')}${hint}`;
  throw new MillraceError('MAPPING_INVALID', {
    mapping: 'given',
    field: missing.join(', '),
    problem,
  });
}

async function* jsonRows(
  file: string,
  { unpack }: RowOptions,
  fingerprint?: Fingerprint,
): AsyncGenerator<Row[]> {
  for await (const lines of linesOf(file, fingerprint)) {
    const rows: Row[] = [];
    for (const line of lines) {
      if (line.text.trim() !== '') pushRows(rows, line, unpack);
    }
    if (rows.length > 0) yield rows;
  }
}

function pushRows(rows: Row[], { text, number, start, end }: Line, unpack: RowOptions['unpack']) {
  const place = { line: number, start, end };
  const parsed = parseJson(text);
  if ('problem' in parsed) {
    rows.push({
      fields: undefined,
      raw: text,
      problem: `line ${number} ${parsed.problem}`,
      ...place,
    });
    return;
  }
  const found = unpack === undefined ? [parsed.value] : unpack(parsed.value);
  if (found.length === 0) {
    rows.push({ fields: undefined, raw: text, empty: 'an empty list', ...place });
    return;
  }
  found.forEach((row, i) => {
    const raw = found.length === 1 ? text : JSON.stringify(row);
    const isLast = i === found.length - 1;
    rows.push(objectRow(row, raw, `line ${number}`, isLast ? place : { ...place, more: true }));
  });
}

type Place = Pick<Row, 'line' | 'start' | 'end' | 'more'>;

function objectRow(row: unknown, raw: string, where: string, place: Place): Row {
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) {
    return { fields: row as Record<string, unknown>, raw, ...place };
  }
  return { fields: undefined, raw, problem: `${where} is not a JSON object`, ...place };
}

/**
 * The content of a document is that of its rows, one per line, because a list may grow or be
 * reformatted.
 */
async function* documentRows(
  file: string,
  { unpack }: RowOptions,
  fingerprint?: Fingerprint,
): AsyncGenerator<Row[]> {
  const text = await documentText(file);
  if (text.trim() === '') return;
  const rows: Row[] = [];
  let end = -1;
  const push = (row: Omit<Row, 'line' | 'start' | 'end'>, of: unknown) => {
    const bytes = Buffer.from(`${JSON.stringify(of) ?? ''}\n`);
    fingerprint?.add(bytes);
    const start = end + 1;
    end = start + bytes.byteLength - 1;
    rows.push({ ...row, line: rows.length + 1, start, end });
  };
  for (const part of documentParts(file, text)) {
    if ('problem' in part) {
      const problem = `member ${rows.length + 1} ${part.problem}`;
      push({ fields: undefined, raw: part.raw, problem }, part.raw);
      continue;
    }
    for (const row of unpack?.(part.value) ?? [part.value]) {
      const raw = JSON.stringify(row) ?? '';
      push(objectRow(row, raw, `member ${rows.length + 1}`, { line: 0, start: 0, end: 0 }), row);
    }
  }
  if (rows.length > 0) yield rows;
}

/** The whole value, or its members if it is a list with a refused member. */
function documentParts(
  file: string,
  text: string,
): ({ readonly value: unknown } | { readonly problem: string; readonly raw: string })[] {
  const whole = parseJson(text);
  if ('value' in whole) return [whole];
  if (whole.problem.startsWith('is not JSON')) {
    const problem = `it is not one JSON value: it ${whole.problem}; of one a line the format is jsonl`;
    throw new MillraceError('INPUT_BROKEN', { file, problem });
  }
  return (membersOf(text) ?? [text]).map((raw) => {
    const parsed = parseJson(raw);
    return 'value' in parsed ? parsed : { problem: parsed.problem, raw };
  });
}

async function documentText(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of contentOf(file)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  let problem = 'it is not UTF-8 text';
  try {
    if (isUtf8(bytes)) return bytes.toString().replace(/^\uFEFF/, '');
  } catch {
    problem = 'it is too large for one JSON value: write one value a line, as format jsonl';
  }
  throw new MillraceError('INPUT_BROKEN', { file, problem });
}
