/**
 * A golden run: the calls of a driver and their results, one JSON object per line, compared with a
 * file. The file is meant to be read and reviewed like code.
 */
import { MillraceError, messageOf } from '../../base/errors.ts';
import type { StoreRow } from '../../graph/store-spec.ts';
import { goldenPath, isUpdate, readGolden, updateVariable, writeGolden } from './file.ts';
import { firstDifference, type Plain, plainOf } from './plain-values.ts';

/** One line; the first name is its kind. */
export type Line = Readonly<Record<string, Plain>>;

/** A call: `pipe` of a record, or a call without a record. */
export type Done =
  | { readonly call: string; readonly at?: number; readonly ms?: number }
  | { readonly piped: RecordSeen };

/** An input or output record. */
export interface RecordSeen {
  readonly topic: string;
  readonly key: unknown;
  readonly value: unknown;
  /** ms UTC. */
  readonly timestamp: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The partition, if there are several. */
  readonly partition?: number;
}

type Row = StoreRow<unknown, unknown>;

/** The interface of a driver for recordings. */
export interface Recorded {
  readonly topology: string;
  /** Output records since the last call. */
  written(): Promise<readonly RecordSeen[]>;
  /** All current rows, table by table. */
  rows(): Promise<readonly { readonly table: string; readonly row: Row }[]>;
}

export interface RecordOptions {
  /**
   * Record rows of exported tables that were added, changed or removed by a call; default true. All
   * rows are read after each call.
   */
  readonly rows?: boolean;
}

const format = 1;

export class Recording {
  readonly #path: string;
  readonly #from: Recorded;
  readonly #hasRows: boolean;
  readonly #lines: Line[];
  /** The last recorded rows, by identity. */
  #rows: ReadonlyMap<string, RowSeen> = new Map();

  /** Use `driver.record`. */
  constructor(file: string | URL, from: Recorded, { rows = true }: RecordOptions) {
    this.#path = goldenPath(file);
    this.#from = from;
    this.#hasRows = rows;
    this.#lines = [{ golden: format, topology: from.topology }];
  }

  /** Called by the driver first: existing rows and records are not recorded. */
  async begin(): Promise<void> {
    this.#rows = await this.#rowsNow();
  }

  /** Called by the driver after each call. */
  async saw(done: readonly Done[]): Promise<void> {
    for (const one of done) {
      if ('piped' in one) this.#lines.push(recordLine('in', one.piped));
      else {
        const at = one.at === undefined ? {} : { time: instant(one.at) };
        const ms = one.ms === undefined ? {} : { ms: one.ms };
        this.#lines.push({ do: one.call, ...at, ...ms });
      }
    }
    for (const record of await this.#from.written()) this.#lines.push(recordLine('out', record));
    const rows = await this.#rowsNow();
    for (const [id, { line, text }] of rows) {
      if (this.#rows.get(id)?.text !== text) this.#lines.push(line);
    }
    for (const [id, { gone }] of this.#rows) if (!rows.has(id)) this.#lines.push(gone);
    this.#rows = rows;
  }

  /**
   * Compares the run so far with the file. With MILLRACE_UPDATE_GOLDEN=1 in the environment, writes
   * the file instead.
   * @throws GOLDEN_DIFFERS with the first difference, also if there is no file
   */
  async check(): Promise<void> {
    const lines = this.#lines;
    if (isUpdate()) {
      const text = lines.map((line) => JSON.stringify(line)).join('\n');
      return writeGolden(this.#path, `${text}\n`);
    }
    const text = await readGolden(this.#path);
    if (text === undefined) this.#differs('there is no such file');
    const expected = this.#parsed(text);
    const length = Math.max(expected.length, lines.length);
    for (let i = 0; i < length; i++) {
      const problem = lineProblem(expected[i], lines[i]);
      if (problem !== undefined) this.#differs(`line ${i + 1}: ${problem}`);
    }
  }

  async #rowsNow(): Promise<ReadonlyMap<string, RowSeen>> {
    if (!this.#hasRows) return new Map();
    const all = await this.#from.rows();
    return new Map(
      all.map(({ table, row }) => {
        const seen = rowSeen(table, row);
        const { gone: _, ...which } = seen.gone;
        return [JSON.stringify([table, which]), seen];
      }),
    );
  }

  #parsed(text: string): Line[] {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.map((line, i) => {
      try {
        return JSON.parse(line) as Line;
      } catch (error) {
        return this.#differs(`line ${i + 1} is no JSON: ${messageOf(error)}`);
      }
    });
  }

  #differs(problem: string): never {
    throw new MillraceError('GOLDEN_DIFFERS', {
      file: this.#path,
      problem,
      variable: updateVariable,
    });
  }
}

function recordLine(
  kind: 'in' | 'out',
  { topic, key, value, timestamp, headers, partition }: RecordSeen,
): Line {
  return {
    [kind]: topic,
    ...(partition === undefined ? {} : { partition }),
    time: instant(timestamp),
    key: plainOf(key, `key of ${topic}`),
    value: plainOf(value, `value of ${topic}`),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
  };
}

/** As ISO 8601 in UTC; a number if out of range. */
function instant(ms: number): Plain {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? plainOf(ms, 'time') : date.toISOString();
}

interface RowSeen {
  readonly line: Line;
  /** The same as one string. */
  readonly text: string;
  /** The line that records its removal. */
  readonly gone: Line;
}

function rowSeen(table: string, { key, value, window, timestamp }: Row): RowSeen {
  const which = {
    ...(window === undefined ? {} : { from: instant(window.start), to: instant(window.end) }),
    key: plainOf(key, `key of ${table}`),
  };
  const time = timestamp === undefined ? {} : { time: instant(timestamp) };
  const line = { row: table, ...time, ...which, value: plainOf(value, `value of ${table}`) };
  return { line, text: JSON.stringify(line), gone: { gone: table, ...which } };
}

/** How two lines differ: in one field, or completely. */
function lineProblem(expected: Line | undefined, actual: Line | undefined): string | undefined {
  if (expected === undefined) return `the file ends here; there is also\n  ${shown(actual)}`;
  if (actual === undefined) return `nothing more came; expected\n  ${shown(expected)}`;
  const found = firstDifference(expected, actual);
  if (found === undefined) return undefined;
  const [kind = ''] = Object.keys(expected);
  const isOther = found.path === kind || found.path === '' || !Object.hasOwn(actual, kind);
  if (isOther) return `expected\n  ${shown(expected)}\nis\n  ${shown(actual)}`;
  const { path } = found;
  return `${subject(actual)}: ${path} was ${found.expected}, is ${found.actual} now`;
}

/** A description of a line: `out large-orders, key "o1", time 2026-01-01T00:00:00.000Z`. */
function subject(line: Line): string {
  const [kind = ''] = Object.keys(line);
  const told = [`${kind} ${String(line[kind])}`];
  for (const name of ['key', 'time', 'from']) {
    if (Object.hasOwn(line, name)) told.push(`${name} ${shown(line[name])}`);
  }
  return told.join(', ');
}

function shown(value: Plain | undefined): string {
  return JSON.stringify(value);
}
