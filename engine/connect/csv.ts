/**
 * Parses the records of a CSV file (RFC 4180) from its lines. A quoted cell may contain separators,
 * doubled quotes and line ends. If a record is malformed, its first line is bad, and reading
 * continues with the next line: a quote that is never closed costs one row, not all following ones.
 */
import { type Line, rowLengthMax } from './lines.ts';

export interface CsvRecord {
  /** undefined when the record cannot be read. */
  readonly cells: readonly string[] | undefined;
  /** The text in the file, without the last line end. */
  readonly raw: string;
  readonly problem?: string;
  /** The line in which it begins. */
  readonly line: number;
  /** Where its text begins and ends in the content, in bytes. */
  readonly start: number;
  readonly end: number;
}

type Parsed =
  | { readonly cells: string[]; readonly lines: number }
  | { readonly problem: string }
  /** A quoted cell continues after the last available line. */
  | 'open';

const notClosed = 'a quote that opens here is not closed';

export class CsvReader {
  readonly #separator: string;
  /** The number of cells of a record, once it is known. */
  width: number | undefined;
  /** Lines of an incomplete record. */
  #pending: Line[] = [];

  constructor(separator: string) {
    this.#separator = separator;
  }

  /** The records completed by these lines; `final` says that no more lines follow. */
  read(lines: readonly Line[], final: boolean, limit = Number.POSITIVE_INFINITY): CsvRecord[] {
    const all = this.#pending.length === 0 ? lines : [...this.#pending, ...lines];
    const records: CsvRecord[] = [];
    let i = 0;
    while (i < all.length && records.length < limit) {
      const line = all[i] as Line;
      if (this.#isBlank(line.text)) {
        i++;
        continue;
      }
      const parsed = this.#parse(all, i);
      if (parsed === 'open' && !final) break;
      const record = this.#record(all, i, parsed);
      records.push(record.record);
      i += record.lines;
    }
    this.#pending = all.slice(i);
    return records;
  }

  #record(all: readonly Line[], i: number, parsed: Parsed): { record: CsvRecord; lines: number } {
    const first = all[i] as Line;
    const one = (problem: string) => {
      const { text, number, start, end } = first;
      const told = `line ${number}: ${problem}`;
      const record = { cells: undefined, raw: text, problem: told, line: number, start, end };
      return { record, lines: 1 };
    };
    if (parsed === 'open') return one(notClosed);
    if ('problem' in parsed) return one(parsed.problem);
    const { cells, lines } = parsed;
    const { width = cells.length } = this;
    // The record would swallow complete rows, so its quote is a stray one that another closed by
    // chance.
    if (cells.length !== width && this.#swallows(all, i, lines, width)) {
      return one('a quote that opens here is closed lines later, in a row of its own');
    }
    const last = all[i + lines - 1] as Line;
    const raw = lines === 1 ? first.text : joined(all, i, lines);
    const place = { raw, line: first.number, start: first.start, end: last.end };
    if (cells.length === width) return { record: { cells, ...place }, lines };
    const problem = `line ${place.line}: it has ${cells.length} columns, the header has ${width}`;
    return { record: { cells: undefined, problem, ...place }, lines };
  }

  #swallows(all: readonly Line[], i: number, lines: number, width: number): boolean {
    for (let k = i + 1; k < i + lines; k++) {
      const alone = this.#parse([all[k] as Line], 0);
      if (alone !== 'open' && 'cells' in alone && alone.cells.length === width) return true;
    }
    return false;
  }

  #parse(all: readonly Line[], from: number): Parsed {
    const { text } = all[from] as Line;
    if (text.includes('\0')) return { problem: 'it holds a NUL character' };
    if (!text.includes('"')) return { cells: text.split(this.#separator), lines: 1 };
    return this.#parseQuoted(all, from);
  }

  #parseQuoted(all: readonly Line[], from: number): Parsed {
    const separator = this.#separator;
    const cells: string[] = [];
    let k = from;
    let { text } = all[k] as Line;
    let at = 0;
    for (;;) {
      if (text[at] !== '"') {
        const next = text.indexOf(separator, at);
        cells.push(text.slice(at, next < 0 ? text.length : next));
        if (next < 0) return { cells, lines: k - from + 1 };
        at = next + 1;
        continue;
      }
      let cell = '';
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        if (quote < 0) {
          const { eol } = all[k] as Line;
          cell += text.slice(at) + eol;
          const next = all[++k];
          if (next === undefined) return 'open';
          text = next.text;
          at = 0;
          const isTooLong = next.end - (all[from] as Line).start > rowLengthMax;
          if (isTooLong || text.includes('\0')) return { problem: notClosed };
          continue;
        }
        cell += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"') break;
        cell += '"';
        at++;
      }
      while (text[at] === ' ' && separator !== ' ') at++;
      cells.push(cell);
      if (at >= text.length) return { cells, lines: k - from + 1 };
      if (text[at] !== separator) {
        const where = k === from ? '' : `, in line ${(all[k] as Line).number}`;
        return { problem: `a quote inside a quoted cell is not doubled${where}` };
      }
      at++;
    }
  }

  #isBlank(text: string): boolean {
    return text === '' || (this.#separator !== ' ' && /^ +$/.test(text));
  }
}

function joined(all: readonly Line[], from: number, count: number): string {
  let text = '';
  for (let k = from; k < from + count; k++) {
    const line = all[k] as Line;
    text += k === from + count - 1 ? line.text : line.text + line.eol;
  }
  return text;
}
