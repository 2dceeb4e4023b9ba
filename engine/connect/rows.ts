/** Rows of a text file: CSV with a header or given columns, or one JSON object a line. */
import { pipeline, Readable } from 'node:stream';
import type { Options } from 'csv-parse';
import { MillraceError, messageOf } from '../base/errors.ts';
import { textOf } from './text.ts';

/**
 * A table; one JSON value a line; one JSON value in the whole file, or one a line where the name ends in
 * .jsonl or .ndjson.
 */
export type RowFormat = 'csv' | 'jsonl' | 'json';

export interface RowOptions {
  readonly format: RowFormat;
  /** Columns of a CSV file without a header. */
  readonly columns?: readonly string[];
  /** Between columns: a character, default a comma, or 'blanks': one or more blanks. */
  readonly separator?: string;
  /** Columns that a CSV file must have; of a list, one of them. */
  readonly needed: readonly (string | readonly string[])[];
  /** The rows that a JSON value stands for; without it, an object is a row. */
  unpack?(value: unknown): readonly unknown[];
}

export interface Row {
  /** Values by column; undefined when the text is not a row. */
  readonly fields: Readonly<Record<string, unknown>> | undefined;
  /** The row as it stands in the file. */
  readonly raw: string;
  /** Why there are no fields. */
  readonly problem?: string;
}

/** No row may be longer, in characters: a missing quote or line end must not fill the memory. */
export const rowLengthMax = 1024 * 1024;

export function rowsOf(file: string, options: RowOptions): AsyncGenerator<Row> {
  const isLines = options.format === 'jsonl' || /\.(jsonl|ndjson)(\.gz)?$/.test(file);
  if (options.format !== 'csv')
    return isLines ? jsonRows(file, options) : documentRows(file, options);
  return options.separator === 'blanks' ? blankRows(file, options) : csvRows(file, options);
}

async function* csvRows(
  file: string,
  { columns, needed, separator }: RowOptions,
): AsyncGenerator<Row> {
  const options: Options = {
    bom: true,
    raw: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    delimiter: separator ?? ',',
    max_record_size: rowLengthMax,
  };
  // Only where there is a table to read.
  const { CsvError, parse } = await import('csv-parse');
  const parser = parse(options);
  // Errors of the source come out of the parser; the callback is there because pipeline wants one.
  pipeline(Readable.from(textOf(file)), parser, () => {});
  let names = columns;
  try {
    for await (const item of parser) {
      const { record, raw } = item as { record: string[]; raw: string };
      if (names === undefined) {
        names = record.map((name) => name.trim());
        checkColumns(file, names, needed);
        continue;
      }
      yield csvRow(names, record, raw);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const problem = `line ${String(error['lines'] ?? '?')}: ${error.message}`;
    throw new MillraceError('INPUT_BROKEN', { file, problem });
  }
}

/** Columns of a fixed width, or apart by tabs: any run of blanks parts them. */
async function* blankRows(file: string, { columns, needed }: RowOptions): AsyncGenerator<Row> {
  let names = columns;
  for await (const raw of linesOf(file)) {
    const line = raw.replace(/^\uFEFF/, '').trim();
    if (line === '') continue;
    const record = line.split(/\s+/);
    if (names !== undefined) yield csvRow(names, record, raw);
    else {
      names = record;
      checkColumns(file, names, needed);
    }
  }
}

function csvRow(names: readonly string[], record: readonly string[], raw: string): Row {
  if (record.length !== names.length) {
    const problem = `it has ${record.length} columns, the header has ${names.length}`;
    return { fields: undefined, raw, problem };
  }
  return { fields: Object.fromEntries(names.map((name, i) => [name, record[i]])), raw };
}

function checkColumns(file: string, names: readonly string[], needed: RowOptions['needed']): void {
  const missing = needed
    .map((one) => (typeof one === 'string' ? [one] : one))
    .filter((one) => !one.some((name) => names.includes(name)))
    .map((one) => one.join(' or '));
  if (missing.length === 0) return;
  const problem = `the file ${file} has no such column; it has ${names.join(', ')}`;
  throw new MillraceError('MAPPING_INVALID', {
    mapping: 'given',
    field: missing.join(', '),
    problem,
  });
}

async function* jsonRows(file: string, options: RowOptions): AsyncGenerator<Row> {
  let line = 0;
  for await (const raw of linesOf(file)) {
    line++;
    if (raw.trim() !== '') yield* jsonRow(raw, line, options);
  }
}

function* jsonRow(raw: string, line: number, { unpack }: RowOptions): Generator<Row> {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    yield { fields: undefined, raw, problem: `line ${line} is not JSON` };
    return;
  }
  const rows = unpack === undefined ? [value] : unpack(value);
  for (const row of rows) yield objectRow(row, rows.length === 1 ? raw : undefined, `line ${line}`);
}

function objectRow(row: unknown, raw: string | undefined, where: string): Row {
  const text = raw ?? JSON.stringify(row) ?? '';
  if (typeof row === 'object' && row !== null && !Array.isArray(row)) {
    return { fields: row as Record<string, unknown>, raw: text };
  }
  return { fields: undefined, raw: text, problem: `${where} is not a JSON object` };
}

async function* documentRows(file: string, { unpack }: RowOptions): AsyncGenerator<Row> {
  let text = '';
  for await (const chunk of textOf(file)) text += chunk;
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const problem = `it is not one JSON value: ${messageOf(error)}; of one a line the format is jsonl`;
    throw new MillraceError('INPUT_BROKEN', { file, problem });
  }
  let n = 0;
  for (const row of unpack?.(value) ?? [value]) yield objectRow(row, undefined, `member ${++n}`);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = '';
  let line = 1;
  for await (const text of textOf(file)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const one of lines) {
      checkLength(file, one, line++);
      yield one;
    }
    checkLength(file, rest, line);
  }
  if (rest !== '') yield rest;
}

function checkLength(file: string, text: string, line: number): void {
  if (text.length <= rowLengthMax) return;
  const problem = `line ${line} is longer than ${rowLengthMax} characters`;
  throw new MillraceError('INPUT_BROKEN', { file, problem });
}
