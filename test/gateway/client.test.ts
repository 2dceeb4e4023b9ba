/** The client of the package against a running gateway. */
import { expect, test } from 'vitest';
import { MillraceClient, QuestionError } from '../../topologies/client.ts';
import { hashOf, post, startGateway } from './running.ts';

const open = (subject: string, n: number) => ({
  ...{ id: `${subject}-${n}`, subject, class: 'email_open', item: `m${n}` },
  time: `2026-01-0${n}T10:00:00Z`,
});

test('the client asks all that there is to ask', async () => {
  const gateway = await startGateway({
    accounts: {
      writeKeys: [
        { name: 'shop', sha256: hashOf('write') },
        { name: 'desk', sha256: hashOf('read'), roles: ['read'] },
      ],
    },
  });
  const client = new MillraceClient({ url: `${gateway.url}/`, token: 'read' });
  const subjects = ['ann', 'bob', 'cee'];
  const changes = client.segmentChanges('engaged-30d');
  expect((await changes.next()).value).toMatchObject({ event: 'open', id: expect.any(String) });
  const headers = { authorization: 'Bearer write' };
  await post(
    `${gateway.url}/v1/events`,
    subjects.map((one) => open(one, 1)),
    headers,
  );
  const entered: string[] = [];
  for await (const { event, data } of changes) {
    if (event === 'entered') entered.push(data.user);
    if (entered.length === subjects.length) break;
  }
  expect(entered.sort()).toEqual(subjects);
  const ann = await client.subject('ann');
  expect(ann).toMatchObject({
    id: 'ann',
    band: expect.any(String),
    asOf: { task: expect.any(String) },
  });
  expect(await client.subject('nobody')).toBeUndefined();
  expect((await client.stores()).map(({ name }) => name)).toContain('subjects');
  expect((await client.rows('subjects', 'bob')).rows).toMatchObject([{ key: 'bob' }]);
  const keys: unknown[] = [];
  for await (const { key } of client.all('subjects', { limit: 1 })) keys.push(key);
  expect(keys.sort()).toEqual(subjects);
  expect((await client.windows('profiles', 'ann', { from: 0 })).rows).toEqual([]);
  expect((await client.sizes()).sizes).toMatchObject({ 'engaged-30d': 3 });
  expect((await client.segments()).segments.map(({ id }) => id)).toContain('engaged-30d');
  const members: string[] = [];
  for await (const one of client.members('engaged-30d', 2)) members.push(one);
  expect(members.sort()).toEqual(subjects);
  const wrong = await client.rows('none', 'a').catch((error: unknown) => error);
  expect(wrong).toBeInstanceOf(QuestionError);
  expect(wrong).toMatchObject({ status: 404, code: 'STORE_UNKNOWN' });
  const stranger = new MillraceClient({ url: gateway.url, token: 'none' });
  await expect(stranger.stores()).rejects.toMatchObject({ status: 401 });
});

test('a question that cannot be answered now is asked again as the server says', async () => {
  let asked = 0;
  const answers = [503, 429, 200];
  const client = new MillraceClient({
    url: 'http://x',
    fetch: async () => {
      const status = answers[asked++] ?? 500;
      return new Response(JSON.stringify({ stores: [] }), {
        status,
        headers: { 'retry-after': '0' },
      });
    },
  });
  expect(await client.stores()).toEqual([]);
  expect(asked).toBe(3);
});
