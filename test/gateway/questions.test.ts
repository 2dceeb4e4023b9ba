/** Questions over HTTP about stores, subjects and segments, beside a run that goes on. */
import { describe, expect, test } from 'vitest';
import { hashOf, post, type RunningGateway, startGateway } from './running.ts';

type Json = Record<string, unknown>;

const day = (n: number) => `2026-01-0${n}T10:00:00Z`;
const open = (subject: string, n: number, more: Json = {}) => ({
  ...{ id: `${subject}-${n}`, subject, class: 'email_open', item: `m${n}`, time: day(n) },
  ...more,
});

describe('questions over HTTP', () => {
  let gateway: RunningGateway;
  const get = async (path: string) => {
    const answer = await fetch(`${gateway.url}${path}`);
    return { status: answer.status, body: (await answer.json()) as Json };
  };
  const ask = async (path: string, body: Json) => {
    const answer = await post(`${gateway.url}${path}`, JSON.stringify(body), {
      'content-type': 'application/json',
    });
    return { status: answer.status, body: (await answer.json()) as Json };
  };

  test('all of them', async () => {
    gateway = await startGateway();
    const subjects = Array.from({ length: 25 }, (_, i) => `p${String(i).padStart(2, '0')}`);
    const events: Json[] = subjects.flatMap((one) => [open(one, 1), open(one, 2)]);
    events.push(open('ann', 1));
    events.push({ id: 'c', subject: 'ann', class: 'consent_granted', purpose: 'x', time: day(2) });
    const taken = await ask('/v1/events', events as never);
    expect(taken, JSON.stringify(taken.body)).toMatchObject({ status: 202 });

    const traits = {
      userId: 'ann',
      traits: { plan: 'premium' },
      timestamp: day(1),
      messageId: 't',
    };
    expect((await ask('/v1/identify', traits)).status).toBe(200);
    // A subject is there when its events are committed.
    for (;;) {
      const { body } = await get('/v1/segments/sizes');
      const { 'engaged-30d': engaged, 'premium-plan': premium } = body['sizes'] as Json;
      if (engaged === 26 && premium === 1) break;
      await new Promise((done) => setTimeout(done, 50));
    }
    const ann = await get('/v1/subjects/ann');
    expect(ann.status).toBe(200);
    expect(ann.body).toMatchObject({
      id: 'ann',
      at: Date.parse(day(2)),
      band: expect.any(String),
      traits: { plan: { value: 'premium', since: Date.parse(day(1)) } },
      asOf: { commit: expect.any(Number), watermark: expect.any(Number) },
    });
    const segments = ann.body['segments'] as Json[];
    expect(segments.find(({ id }) => id === 'premium-plan')).toMatchObject({ in: true });
    expect(segments.find(({ id }) => id === 'engaged-30d')).toMatchObject({
      in: true,
      since: Date.parse(day(1)),
      changesAt: Date.parse('2026-01-31T10:00:00Z'),
    });
    expect(segments.find(({ id }) => id === 'opens-2-in-7d')).toMatchObject({ in: false });
    expect(ann.body['next']).toMatchObject({ what: expect.any(String) });
    // A commit of others' events may come between the two.
    const asked = (await ask('/v1/subjects', { id: 'ann' })).body;
    expect({ ...asked, asOf: undefined }).toEqual({ ...ann.body, asOf: undefined });
    const later = await get('/v1/subjects/ann?at=2026-02-10T00:00:00Z');
    expect(later.body).toMatchObject({ at: Date.parse('2026-02-10T00:00:00Z') });
    expect((later.body['segments'] as Json[]).find(({ id }) => id === 'engaged-30d')).toMatchObject(
      {
        in: false,
        since: Date.parse('2026-01-31T10:00:00Z'),
      },
    );

    const { body: stores } = await get('/v1/stores');
    expect(stores['stores']).toEqual(
      expect.arrayContaining([
        {
          name: 'profiles',
          kind: expect.any(String),
          keyFormat: 'utf8',
          valueFormat: expect.any(String),
        },
        { name: 'subjects', kind: 'derived', keyFormat: 'utf8', valueFormat: 'json' },
      ]),
    );
    const { body: row } = await get('/v1/stores/subjects/rows/ann');
    expect(row['rows']).toMatchObject([{ key: 'ann', value: { band: ann.body['band'] } }]);
    expect((await get('/v1/stores/profiles/rows/nobody')).body['rows']).toEqual([]);
    expect((await ask('/v1/stores/subjects/rows', { key: 'ann' })).body).toEqual(row);

    // Page by page: all of them, each once.
    const paged: string[] = [];
    let cursor: unknown;
    do {
      const next = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
      const { status, body } = await get(`/v1/stores/subjects/rows?prefix=p&limit=4${next}`);
      expect(status).toBe(200);
      const rows = body['rows'] as Json[];
      expect(rows.length).toBeLessThanOrEqual(4);
      paged.push(...rows.map(({ key }) => String(key)));
      cursor = body['next'];
    } while (cursor !== undefined);
    expect(paged.sort()).toEqual(subjects);
    const { body: ranged } = await get('/v1/stores/subjects/rows?from=p03&to=p07&limit=100');
    const keys = (ranged['rows'] as Json[]).map(({ key }) => String(key));
    expect(keys.sort()).toEqual(['p03', 'p04', 'p05', 'p06']);

    const { body: sizes } = await get('/v1/segments/sizes');
    expect(sizes['sizes']).toMatchObject({
      'engaged-30d': 26,
      'opens-2-in-7d': 25,
      'premium-plan': 1,
      'buys-3-in-30d': 0,
    });
    const { body: listed } = await get('/v1/segments');
    expect((listed['segments'] as Json[]).find(({ id }) => id === 'opens-2-in-7d')).toMatchObject({
      size: 25,
      words: 'at least 2 × email_open within 7 days',
      definition: { id: 'opens-2-in-7d', when: expect.anything() },
    });
    const members: unknown[] = [];
    cursor = undefined;
    do {
      const next = cursor === undefined ? '' : `&cursor=${String(cursor)}`;
      const { body } = await get(`/v1/segments/opens-2-in-7d/members?limit=7${next}`);
      members.push(...(body['members'] as unknown[]));
      cursor = body['next'];
    } while (cursor !== undefined);
    expect(members.sort()).toEqual(subjects);
    expect((await get('/v1/segments/engaged-30d/overlap')).body).toMatchObject({
      size: 26,
      shared: { 'opens-2-in-7d': 25, 'premium-plan': 1 },
    });
    const { body: overlap } = await get('/segment/overlap');
    expect(overlap['sizes']).toMatchObject({ 'engaged-30d': 26, 'buys-3-in-30d': 0 });
    expect(overlap['pairs']).toContainEqual({
      ...{ first: 'engaged-30d', second: 'opens-2-in-7d', both: 25 },
    });
    expect((overlap['pairs'] as Json[]).some(({ both }) => both === 0)).toBe(false);

    // What is wrong is told, with its place.
    const wrong: readonly (readonly [string, number, RegExp])[] = [
      ['/v1/subjects/nobody', 404, /no event of subject nobody/],
      ['/v1/subjects/ann?at=soon', 400, /field at: .*ISO 8601/],
      ['/v1/stores/none/rows/a', 404, /no store none.*profiles/],
      ['/v1/stores/profiles/rows?limit=0', 400, /field limit/],
      ['/v1/stores/profiles/rows?limit=1e9', 400, /field limit/],
      ['/v1/stores/profiles/rows?cursor=x', 400, /field cursor/],
      ['/v1/stores/profiles/rows?prefix=a&from=b', 400, /field prefix/],
      ['/v1/stores/profiles/windows/a?from=9&to=3', 400, /field to/],
      ['/v1/segments/none/members', 404, /no segment none/],
      ['/v1/segments/engaged-30d/members?cursor=!', 400, /field cursor/],
    ];
    for (const [path, status, problem] of wrong) {
      const answer = await get(path);
      expect([path, answer.status], JSON.stringify(answer.body)).toEqual([path, status]);
      expect(answer.body['problem']).toMatch(problem);
    }
    const not = await fetch(`${gateway.url}/v1/subjects/ann`, { method: 'DELETE' });
    expect([not.status, not.headers.get('allow')]).toEqual([405, expect.stringContaining('GET')]);

    const { body: document } = await get('/openapi.json');
    const paths = document['paths'] as Record<string, Record<string, Json>>;
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining([
        '/v1/stores',
        '/v1/stores/{store}/rows/{key}',
        '/v1/stores/{store}/rows',
        '/v1/stores/{store}/windows/{key}',
        '/v1/subjects/{id}',
        '/v1/subjects',
        '/v1/segments',
        '/v1/segments/{id}/members',
      ]),
    );
    expect(paths['/v1/subjects/{id}']?.['get']).toMatchObject({
      parameters: expect.arrayContaining([expect.objectContaining({ name: 'id', in: 'path' })]),
      responses: { 200: { content: { 'application/json': { schema: { type: 'object' } } } } },
    });
  }, 60_000);

  test('roles: who may only send events learns nothing', async () => {
    const closed = await startGateway({
      accounts: {
        writeKeys: [
          { name: 'shop', sha256: hashOf('write') },
          { name: 'desk', sha256: hashOf('read'), roles: ['read'] },
        ],
      },
    });
    const asked = async (path: string, key: string, body?: Json) => {
      const authorization = `Basic ${Buffer.from(`${key}:`).toString('base64')}`;
      const headers = { authorization, 'content-type': 'application/json' };
      const answer =
        body === undefined
          ? await fetch(`${closed.url}${path}`, { headers })
          : await post(`${closed.url}${path}`, body, headers);
      return answer.status;
    };
    const paths = [
      '/v1/stores',
      '/v1/subjects/a',
      '/v1/segments',
      '/v1/segments/warm-or-hot/members',
    ];
    for (const path of paths) {
      expect([path, await asked(path, 'write')]).toEqual([path, 403]);
      expect([path, await asked(path, 'none')]).toEqual([path, 401]);
    }
    expect(await asked('/v1/subjects', 'write', { id: 'a' })).toBe(403);
    expect(await asked('/v1/subjects', 'read', { id: 'a' })).toBe(404);
    expect(await asked('/v1/stores', 'read')).toBe(200);
  });
});
