/** The file of sources: every mistake is told of, with its path; secrets do not stand in it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lintSources, readSources } from '../../../engine/cli/pulled-sources.ts';
import { mistakesInSources } from '../../../engine/connect/pull/source-specs.ts';
import { application } from '../../../topologies/app/application.ts';
import { emptyFolder } from '../../process/millrace.ts';

const rest = { kind: 'rest', url: 'https://shop.example/orders', mapping: 'sample' };
const paths = (sources: unknown) => mistakesInSources(sources).map(({ path }) => path);

test('a source in full is valid', () => {
  const full = {
    ...rest,
    headers: { 'X-Shop': 'a', Authorization: { env: 'A' } },
    query: { limit: 100, api_key: { file: '/run/secrets/key' } },
    auth: {
      type: 'client-credentials',
      issuer: 'https://login.example',
      clientId: 'c',
      clientSecret: { env: 'S' },
      send: 'post',
      scope: 'a b',
      audience: 'shop',
    },
    rows: 'data.orders',
    id: ['id', 'line'],
    paging: { type: 'page', parameter: 'page', first: 0, sizeParameter: 'n', size: 50 },
    incremental: {
      field: 'updated_at',
      format: 'epoch-s',
      parameter: 'since',
      overlapSeconds: 60,
      start: '2026-01-01T00:00:00+01:00',
    },
    schedule: '*/5 * * * *',
    zone: 'Europe/Berlin',
    limits: { requestsPerMinute: 60, bodyBytes: 1_000_000 },
    timeoutSeconds: 5,
  };
  expect(mistakesInSources({ orders: full })).toEqual([]);
});

test('all mistakes at once, each with its path', () => {
  const sources = {
    Orders: rest,
    a: { ...rest, url: 'shop.example', schedule: '61 * * * *', everySeconds: 0, adress: 1 },
    b: { ...rest, paging: { type: 'pages' }, incremental: { field: 'at', start: 'yesterday' } },
    c: { ...rest, auth: { type: 'client-credentials', clientId: '' }, zone: 'Mars' },
    d: { kind: 'soap' },
    e: { kind: 'rest', url: 'https://shop.example/', topic: 'rows', key: 'id' },
    f: { kind: 'rest', url: 'https://shop.example/', mapping: 'sample', time: 'at' },
    g: { kind: 'rest', url: 'http://shop.example/', mapping: 'sample' },
    h: 'rest',
  };
  expect(paths(sources)).toEqual([
    'sources.Orders',
    'sources.a.adress',
    'sources.a.schedule',
    'sources.a.everySeconds',
    'sources.a.url',
    'sources.a.everySeconds',
    'sources.b.paging.type',
    'sources.b.incremental.parameter',
    'sources.b.incremental.start',
    'sources.c.zone',
    'sources.c.auth.clientId',
    'sources.c.auth.clientSecret',
    'sources.c.auth',
    'sources.c.zone',
    'sources.d.kind',
    'sources.d.mapping',
    'sources.e.time',
    'sources.f.time',
    'sources.g.url',
    'sources.h',
  ]);
});

test.each([
  ['auth.token', { auth: { type: 'bearer', token: 'abc' } }],
  ['auth.token', { auth: { type: 'bearer', token: { env: 'A', file: 'b' } } }],
  ['auth.password', { auth: { type: 'basic', user: 'a', password: '' } }],
  ['headers.Authorization', { headers: { Authorization: 'Bearer abc' } }],
  ['headers.X-API-Key', { headers: { 'X-API-Key': 'abc' } }],
  ['query.access_token', { query: { access_token: 'abc' } }],
  ['url', { url: 'https://ann:abc@shop.example/' }],
  ['url', { url: 'https://shop.example/?api_key=abc' }],
])('a secret in the file is refused: %s', (field, given) => {
  const mistakes = mistakesInSources({ orders: { ...rest, ...given } });
  expect(mistakes.map(({ path }) => path)).toEqual([`sources.orders.${field}`]);
  expect(mistakes[0]?.problem).not.toContain('abc');
});

test('mappings are looked at, and the file may be that of the gateway as well', async () => {
  const file = join(await emptyFolder(), 'millrace.json');
  const write = (value: unknown) => writeFile(file, `\uFEFF${JSON.stringify(value)}`);
  await write({ hosts: ['events.example'], sources: { orders: rest } });
  expect(await lintSources(file, application)).toEqual([]);
  expect(Object.keys(await readSources(file, application))).toEqual(['orders']);
  await write({ hosts: [''], sources: { orders: { ...rest, mapping: 'none.json' } } });
  expect((await lintSources(file, application)).map(({ path }) => path)).toEqual([
    'hosts.0',
    'sources.orders.mapping',
  ]);
  await expect(readSources(file, application)).rejects.toThrow(
    /hosts\.0.*sources\.orders\.mapping/,
  );
  await writeFile(file, '{');
  await expect(lintSources(file, application)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
