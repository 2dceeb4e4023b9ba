/** Rows of a text file: CSV with a header or given columns, or one JSON object a line. */
import { pipeline, Readable } from 'node:stream';
import { CsvError, type Options, parse } from 'csv-parse';
import { MillraceError } from '../base/errors.ts';
import { textOf } from './text.ts';

export type RowFormat = 'csv' | 'jsonl';

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

export function rowsOf(
  file: string,
  format: RowFormat,
  columns: readonly string[] | undefined,
  needed: readonly string[],
): AsyncGenerator<Row> {
  return format === 'csv' ? csvRows(file, columns, needed) : jsonRows(file);
}

async function* csvRows(
  file: string,
  columns: readonly string[] | undefined,
  needed: readonly string[],
): AsyncGenerator<Row> {
  const options: Options = {
    bom: true,
    raw: true,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: rowLengthMax,
  };
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

function csvRow(names: readonly string[], record: readonly string[], raw: string): Row {
  if (record.length !== names.length) {
    const problem = `it has ${record.length} columns, the header has ${names.length}`;
    return { fields: undefined, raw, problem };
  }
  return { fields: Object.fromEntries(names.map((name, i) => [name, record[i]])), raw };
}

function checkColumns(file: string, names: readonly string[], needed: readonly string[]): void {
  const missing = needed.filter((name) => !names.includes(name));
  if (missing.length === 0) return;
  const problem = `the file ${file} has no such column; it has ${names.join(', ')}`;
  throw new MillraceError('MAPPING_INVALID', {
    mapping: 'given',
    field: missing.join(', '),
    problem,
  });
}

async function* jsonRows(file: string): AsyncGenerator<Row> {
  let line = 0;
  for await (const raw of linesOf(file)) {
    line++;
    if (raw.trim() === '') continue;
    yield jsonRow(raw, line);
  }
}

function jsonRow(raw: string, line: number): Row {
  try {
    const value: unknown = JSON.parse(raw);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return { fields: value as Record<string, unknown>, raw };
    }
    return { fields: undefined, raw, problem: `line ${line} is not a JSON object` };
  } catch {
    return { fields: undefined, raw, problem: `line ${line} is not JSON` };
  }
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
