/** The database of the second opinion: SQL in memory, over the events as they stand in the log. */
import { isIP } from 'node:net';
import { MillraceError } from 'millrace';
import { messageOf } from 'millrace/engine';
import type { MachineConfig } from '../accepted/machine.ts';
import type { Event } from '../event.ts';

type Sqlite = typeof import('node-sqlite3-wasm');
type Values = readonly (string | number | null)[];
type Row = Readonly<Record<string, unknown>>;

/** An event of the log, in the order of its subject's partition. */
export interface LoggedEvent {
  readonly subject: string;
  /**
   * The stream whose clock decides lateness: the name of the subject before a merge; default
   * `subject`.
   */
  readonly stream?: string;
  /** ms UTC. */
  readonly at: number;
  readonly event: Event;
}

const schema = `
  create table raw (
    n integer primary key, subject text, at integer, class text, id text, item text, link text,
    purpose text, until integer, currency text, flagged integer, listed integer, ahead integer,
    honeypot integer, source text, links integer, fields text, stream text
  );
`;

export class Database {
  readonly #db: InstanceType<Sqlite['Database']>;

  private constructor(sqlite: Sqlite) {
    this.#db = new sqlite.Database();
  }

  /**
   * @throws TOOL_MISSING when the embedded SQL engine, a development dependency, is not installed
   */
  static async open(): Promise<Database> {
    try {
      const { default: sqlite } = await import('node-sqlite3-wasm');
      return new Database(sqlite as Sqlite);
    } catch (error) {
      const [tool, problem] = ['node-sqlite3-wasm', messageOf(error)];
      throw new MillraceError('TOOL_MISSING', { tool, problem });
    }
  }

  /** Runs statements separated by semicolons; `:name` is replaced by a number, as text. */
  run(sql: string, numbers: Readonly<Record<string, number>> = {}): void {
    this.#db.exec(withNumbers(sql, numbers));
  }

  all(sql: string, numbers: Readonly<Record<string, number>> = {}): Row[] {
    return this.#db.all(withNumbers(sql, numbers)) as Row[];
  }

  /** Defines a function for SQL; it must be deterministic. */
  define(name: string, body: (...values: unknown[]) => string | number | null): void {
    this.#db.function(name, body as never, { deterministic: true });
  }

  insert(table: string, rows: Iterable<Values>): void {
    let statement: ReturnType<typeof this.prepare> | undefined;
    this.#db.exec('begin');
    for (const row of rows) {
      statement ??= this.prepare(table, row.length);
      statement.run([...row]);
    }
    statement?.finalize();
    this.#db.exec('commit');
  }

  private prepare(table: string, columns: number) {
    return this.#db.prepare(`insert into ${table} values (${Array(columns).fill('?').join(',')})`);
  }

  close(): void {
    this.#db.close();
  }

  /** Loads the events of the log as they came. */
  load(events: Iterable<LoggedEvent>, machine: MachineConfig): void {
    this.run(schema);
    this.insert('raw', rawRows(events, machine));
    this.run('create index raw_of on raw (subject, id)');
  }
}

function withNumbers(sql: string, numbers: Readonly<Record<string, number>>): string {
  // Texts are left alone: a class may be called 'shop:hour'.
  return sql.replace(/'(?:[^']|'')*'|:([a-z]\w*)/gi, (found, key?: string) =>
    key !== undefined && Object.hasOwn(numbers, key) ? String(numbers[key]) : found,
  );
}

/** The JSON path, as SQL text, of a number or a trait of an event; any name is allowed. */
export function memberPlace(group: string, name: string): string {
  return quoted(`$.${group}.${JSON.stringify(name)}`);
}

/** A text in a statement. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function listOf(texts: readonly string[]): string {
  return `(${texts.map(quoted).join(', ')})`;
}

function* rawRows(events: Iterable<LoggedEvent>, machine: MachineConfig): Generator<Values> {
  let n = 0;
  for (const { subject, stream = subject, at, event } of events) {
    const { machine: flagged, ip, agent, method, prefetch, honeypot, links } = event.evidence ?? {};
    yield [
      ...[n++, subject, at, event.class, event.id, event.item ?? null, event.link ?? null],
      ...[event.purpose ?? event.item ?? '', event.until ?? null, event.currency ?? null],
      flagged === true ? 1 : 0,
      isListed(machine, ip, agent) ? 1 : 0,
      method?.toUpperCase() === 'HEAD' || prefetch === true ? 1 : 0,
      honeypot === true ? 1 : 0,
      `${ip ?? ''} ${agent ?? ''}`,
      links ?? 0,
      JSON.stringify(event),
      stream,
    ];
  }
}

function isListed(machine: MachineConfig, ip: string | undefined, agent: string | undefined) {
  const lower = agent?.toLowerCase() ?? '';
  if (lower !== '' && machine.agents.some((part) => lower.includes(part.toLowerCase())))
    return true;
  const bits = ip === undefined ? undefined : bitsOf(ip);
  if (bits === undefined) return false;
  return machine.networks.some((network) => {
    const [address = '', length] = network.split('/');
    const block = bitsOf(address);
    if (block === undefined || block.length !== bits.length) return false;
    return bits.startsWith(block.slice(0, length === undefined ? undefined : Number(length)));
  });
}

/** The bits of an address, so that a block is a prefix. */
function bitsOf(address: string): string | undefined {
  const family = isIP(address);
  if (family === 4) {
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  }
  if (family !== 6) return undefined;
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [front, back] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array<string>(zeros).fill('0'), ...back]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('');
}
