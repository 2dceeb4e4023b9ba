/**
 * Rows of a table of a real PostgreSQL: nothing lost, nothing twice, whatever is committed when.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PostgresPuller } from '../../../engine/connect/pull/postgres/postgres.ts';
import type { PostgresSpec } from '../../../engine/connect/pull/postgres/postgres-spec.ts';
import { type Postgres, postgresBin, startPostgres } from './postgresql.ts';
import { noSecrets, nothing, type Pulled, pull } from './pulling.ts';

const bin = postgresBin();
if (bin === undefined) {
  process.stderr.write(
    'The suite that needs PostgreSQL is skipped: there is none in /usr/lib/postgresql (apt-get install postgresql).\n',
  );
}

describe.skipIf(bin === undefined)('a table of PostgreSQL', () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres(bin as string);
  });
  afterAll(() => server?.stop());

  const warnings: string[] = [];
  const source = (table: string, more: Partial<PostgresSpec> = {}) => ({
    puller: new PostgresPuller({
      name: 'orders',
      spec: {
        kind: 'postgres',
        connection: {
          host: '127.0.0.1',
          port: server.port,
          database: 'postgres',
          user: 'postgres',
        },
        table,
        keys: 'id',
        updated: 'updated_at',
        pageRows: 3,
        ...more,
      } as PostgresSpec,
      secrets: noSecrets,
      warn: (text) => void warnings.push(text),
    }),
  });
  const next = ({ cursor }: Pulled): Pulled => nothing(cursor);

  /** Ten rows, a minute apart. */
  async function tableOf(name: string, type = 'timestamptz'): Promise<void> {
    await server.query(
      `create table "${name}" (id int primary key, value text, updated_at ${type});
       insert into "${name}" select i, 'v' || i, '2026-01-01T00:00:00.123456Z'::timestamptz + i * interval '1 minute'
       from generate_series(0, 9) as i`,
    );
  }
  const all = Array.from({ length: 10 }, (_, i) => `${i} "v${i}"`);

  test.each(['timestamptz', 'timestamp', 'timestamptz(0)'])('pages by a %s', async (type) => {
    const name = `by ${type}`;
    await tableOf(name, type);
    const first = await pull(source(name));
    expect(first.records).toEqual(all);
    // A minute is read again, and known.
    const second = await pull(source(name), next(first));
    expect(second.records).toEqual([]);
    await server.query(`update "${name}" set value = 'new', updated_at = now() where id = 4`);
    expect((await pull(source(name), next(second))).records).toEqual(['4 "new"']);
  });

  test('rows of one instant, more than a page of them, and keys of several columns', async () => {
    await server.query(
      `create table same (region text, id int, value int, updated_at timestamptz, primary key (region, id));
       insert into same select r, i, i, '2026-01-01T00:00:00Z' from generate_series(1, 5) i, unnest(array['b', 'a']) r`,
    );
    const { records } = await pull(source('same', { keys: ['region', 'id'] }));
    expect(records).toEqual([1, 2, 3, 4, 5, 1, 2, 3, 4, 5].map((i) => `${i} ${i}`));
  });

  test('killed at each page: every row once', async () => {
    await tableOf('kills');
    for (let killAfter = 1; killAfter <= 4; killAfter++) {
      const killed = await pull(source('kills'), nothing(), { killAfter });
      const { records } = await pull(source('kills'), killed);
      expect(records, `killed after ${killAfter}`).toEqual(all);
    }
  });

  test('a row that is committed late with an older time is in the overlap', async () => {
    await tableOf('late');
    const other = new pg.Client({ host: '127.0.0.1', port: server.port, user: 'postgres' });
    await other.connect();
    await other.query('begin');
    await other.query(`insert into late values (20, 'late', '2026-01-01T00:08:30Z')`);
    const first = await pull(source('late', { overlapSeconds: 60 }));
    expect(first.records).toEqual(all);
    await other.query('commit');
    await other.end();
    const second = await pull(source('late', { overlapSeconds: 60 }), next(first));
    expect(second.records).toEqual(['20 "late"']);
    expect((await pull(source('late', { overlapSeconds: 60 }), next(second))).records).toEqual([]);
  });

  test('whole numbers rise as well; a gap that is filled late is in the overlap', async () => {
    await server.query(
      `create table numbered (id int primary key, value int, version bigint);
       insert into numbered select i, i, 9007199254740990 + i from generate_series(1, 8) i where i <> 6`,
    );
    const spec = { updated: 'version', overlapNumber: 5 };
    const first = await pull(source('numbered', spec));
    expect(first.records).toHaveLength(7);
    await server.query('insert into numbered values (6, 6, 9007199254740996)');
    expect((await pull(source('numbered', spec), next(first))).records).toEqual(['6 6']);
  });

  test('tables of Fivetran: deleted rows come with their mark', async () => {
    await server.query(
      `create table synced (id int primary key, value text, _fivetran_synced timestamptz, _fivetran_deleted boolean);
       insert into synced values (1, 'a', '2026-01-01T00:00:00Z', false), (2, 'b', '2026-01-01T00:00:00Z', false)`,
    );
    const { updated: _, ...fivetran } = { updated: undefined, fivetran: true };
    const told: unknown[] = [];
    const noted = {
      puller: source('synced', { ...fivetran, updated: undefined } as never).puller,
      map: (fields: Readonly<Record<string, unknown>>) => {
        told.push(fields);
        const isDeleted = fields['_fivetran_deleted'] === true;
        return isDeleted
          ? { key: String(fields['id']), value: 'deleted', timestamp: 1 }
          : { key: String(fields['id']), value: fields['value'], timestamp: 1 };
      },
    };
    const first = await pull(noted);
    expect(first.records).toEqual(['1 "a"', '2 "b"']);
    expect(told[0]).toEqual({
      id: 1,
      value: 'a',
      _fivetran_synced: '2026-01-01T00:00:00Z',
      _fivetran_deleted: false,
    });
    await server.query(
      `update synced set _fivetran_deleted = true, _fivetran_synced = '2026-01-01T00:00:05Z' where id = 1`,
    );
    expect((await pull(noted, next(first))).records).toEqual(['1 "deleted"']);
  });

  test('values keep all their digits', async () => {
    await server.query(
      `create table faithful (id bigint primary key, value jsonb, updated_at timestamptz, price numeric, at timestamp, day date, f float8);
       insert into faithful values (9007199254740993, '{"n": 12345678901234567890}', '2026-01-01T00:00:00.123456+05:30', 0.10, '2026-01-01T01:02:03', '2026-01-01', 'NaN')`,
    );
    let row: unknown;
    await pull({
      puller: source('faithful').puller,
      map: (fields) => {
        row = fields;
        return { skip: 'looked at' };
      },
    });
    expect(row).toEqual({
      id: '9007199254740993',
      value: { n: '12345678901234567890' },
      updated_at: '2025-12-31T18:30:00.123456Z',
      price: '0.10',
      at: '2026-01-01T01:02:03',
      day: '2026-01-01',
      f: 'NaN',
    });
  });

  test('a row of the future does not hide those that come after it', async () => {
    await tableOf('future');
    await server.query(`insert into future values (99, 'future', '2999-01-01T00:00:00Z')`);
    const first = await pull(source('future'));
    expect(first.records).toHaveLength(11);
    await server.query(`insert into future values (100, 'now', now())`);
    const second = await pull(source('future'), next(first));
    expect(second.records).toEqual(['100 "now"']);
    expect((await pull(source('future'), next(second))).records).toEqual([]);
  });

  test('rows without a time are told of', async () => {
    await tableOf('untimed');
    await server.query(`insert into untimed values (50, 'x', null)`);
    await pull(source('untimed'));
    expect(warnings.at(-1)).toBe('source orders: 1 rows have no updated_at; they are not read');
  });

  test('what is not there, and who may not, is named', async () => {
    await tableOf('there');
    await expect(pull(source('missing'))).rejects.toThrow('there is no table public.missing');
    await expect(pull(source('there', { updated: 'changed' }))).rejects.toThrow(
      'public.there has no column changed; it has id, value, updated_at',
    );
    await expect(pull(source('there', { updated: 'value' }))).rejects.toThrow(
      'is text, not a time',
    );
    await server.query('create role reader login');
    const connection = {
      host: '127.0.0.1',
      port: server.port,
      database: 'postgres',
      user: 'reader',
    };
    const denied = pull(source('there', { connection }));
    await expect(denied).rejects.toMatchObject({ code: 'SOURCE_REFUSED' });
    await expect(
      pull({ ...source('there'), target: 'a' }, nothing({ kind: 'test', target: 'b' })),
    ).rejects.toThrow('source given read test b before, and reads test a now');
  });

  test('a position that the first version has kept is gone on from', async () => {
    const kept = join(import.meta.dirname, '../fixtures/pull-cursors-1.json');
    const { postgres: cursor } = JSON.parse(await readFile(kept, 'utf8'));
    await tableOf('kept');
    const given = {
      ...source('kept', { overlapSeconds: 120 }),
      kind: 'postgres',
      target: 'public.kept',
    };
    const { records, skipped } = await pull(given, nothing(cursor));
    expect(records).toEqual(all.slice(3));
    expect(skipped).toEqual({ 'seen before': 3 });
  });

  test('a server that crashes in the middle is waited for', async () => {
    await tableOf('crash');
    let crashed: Promise<void> | undefined;
    const enough = ({ records }: Pulled) => {
      if (records.length >= 3) {
        crashed ??= server.kill().then(async () => {
          await server.start();
          await server.query(`insert into crash values (30, 'after', now())`);
        });
      }
      return records.some((one) => one.startsWith('30 '));
    };
    const { records, troubles } = await pull({ ...source('crash'), bounded: false }, nothing(), {
      enough,
    });
    await crashed;
    expect(records).toEqual([...all, '30 "after"']);
    expect(troubles.length).toBeGreaterThan(0);
  });
});
