/** Questions that take long: a thread of their own, a short queue, none that nobody waits for. */

import { expect, test } from 'vitest';
import { serveHttp } from '../../engine/http/http-server.ts';
import type { Route } from '../../engine/http/routes.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { questionRoutes } from '../../topologies/app/questions/application-routes.ts';
import { QuestionPool } from '../../topologies/app/questions/question-pool.ts';
import type { SampledWhatIf } from '../../topologies/app/questions/sampled-what-if.ts';
import { SubjectSample } from '../../topologies/app/questions/subject-sample.ts';
import { events } from '../../topologies/event.ts';
import type { PersonalisationConfig } from '../../topologies/personalisation.ts';

const day = 86_400_000;
const atLeast = (n: number): PersonalisationConfig => {
  const when = { count: { event: 'purchase', op: 'ge', n, within: '30d' } };
  return { segments: [{ id: 'buyers', version: n, when }] } as unknown as PersonalisationConfig;
};

/** A log of so many subjects, each with one purchase. */
async function logOf(subjects: number): Promise<MemoryLog> {
  const log = new MemoryLog();
  await log.createTopics([{ name: events.name, partitions: 1, settings: { cleanup: 'delete' } }]);
  const builder = new BatchBuilder();
  for (let i = 0; i < subjects; i++) {
    const value = events.value.encode({ id: `${i}`, class: 'purchase' });
    builder.append(Buffer.from(events.key.encode(`s${i}`)), Buffer.from(value), day + i);
  }
  const writer = await log.openWriter('feeder');
  const batch = builder.finishAt(0);
  const appends = [{ topic: events.name, partition: 0, batch }];
  await writer.commit({ appends, offsets: [], commitId: 1 });
  return log;
}

interface Served {
  readonly url: string;
  readonly pool: QuestionPool;
  close(): Promise<void>;
}

async function serving(log: MemoryLog): Promise<Served> {
  const pool = new QuestionPool();
  const asked = { log, config: atLeast(2), runtime: { query: async () => [] } };
  const endpoint = await serveHttp({
    port: 0,
    health: () => ({}) as never,
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    routes: () => questionRoutes(asked, pool),
  });
  const close = async () => {
    await pool.close();
    await endpoint.close();
    await log.close();
  };
  return { url: `http://127.0.0.1:${endpoint.port}`, pool, close };
}

const whatIf = (url: string, query = '', signal?: AbortSignal) =>
  fetch(`${url}/segment/what-if${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(atLeast(1)),
    ...(signal === undefined ? {} : { signal }),
  });

test('a what-if full queue answers 429 with Retry-After; those that wait are answered', async () => {
  const { url, close } = await serving(await logOf(500));
  const answers = await Promise.all(Array.from({ length: 9 }, () => whatIf(url)));
  const statuses = answers.map(({ status }) => status).sort();
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429, 429, 429]);
  for (const answer of answers) {
    if (answer.status === 429) {
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(await answer.json()).toMatchObject({ code: 'TOO_BUSY' });
    } else {
      const { segments, scores, sample } = (await answer.json()) as SampledWhatIf;
      expect(scores.subjects).toBe(500);
      expect(segments[0]?.enter).toHaveLength(500);
      expect(sample).toBeUndefined();
    }
  }
  await close();
});

test('a what-if that nobody waits for makes room at once, and ends with the pool', async () => {
  const { url, close } = await serving(await logOf(30_000));
  const gone = new AbortController();
  const left = Array.from({ length: 5 }, () =>
    whatIf(url, '?subjects=30000', gone.signal).then(
      () => 'answered',
      () => 'gone',
    ),
  );
  // One more is refused as soon as the five are there.
  for (;;) {
    const probe = new AbortController();
    const answer = await Promise.race([
      whatIf(url, '?subjects=1', probe.signal).then(({ status }) => status),
      new Promise<number>((resolve) => setTimeout(() => resolve(0), 50)),
    ]).catch(() => 0);
    probe.abort();
    if (answer === 429) break;
  }
  gone.abort();
  expect(await Promise.all(left)).toEqual(Array(5).fill('gone'));
  // The place is free again when the server has seen them go.
  let status = 429;
  while (status === 429) ({ status } = await whatIf(url, '?subjects=1'));
  expect(status).toBe(200);
  const last = whatIf(url, '?subjects=30000').then(
    ({ status }) => status,
    () => 0,
  );
  await new Promise((resolve) => setTimeout(resolve, 50));
  await close();
  expect(await last).not.toBe(200);
});

test('a what-if of a sample says so, and takes the same subjects every time', async () => {
  const { url, close } = await serving(await logOf(400));
  const [a, b] = await Promise.all(
    [1, 2].map(async () => (await (await whatIf(url, '?subjects=50')).json()) as SampledWhatIf),
  );
  expect(a).toEqual(b);
  expect(a?.scores.subjects).toBe(50);
  expect(a?.sample?.subjects).toBe(50);
  expect(a?.sample?.of).toBeGreaterThan(200);
  expect(a?.sample?.of).toBeLessThan(800);
  for (const bad of ['0', '1.5', 'all', '1e9']) {
    expect((await whatIf(url, `?subjects=${bad}`)).status).toBe(400);
  }
  await close();
});

test('a sample has the subjects of the least hashes, in whatever order they come', () => {
  const names = Array.from({ length: 300 }, (_, i) => `s${i}`);
  const chosen = (ordered: readonly string[]) => {
    const sample = new SubjectSample(20);
    for (const [at, name] of [...ordered, ...ordered].entries()) {
      sample.add(name, { event: { id: `${at}`, class: 'x' }, at });
    }
    return [...sample].map(([name, own]) => `${name} ${own.length}`).sort();
  };
  expect(chosen(names)).toHaveLength(20);
  expect(chosen([...names].reverse())).toEqual(chosen(names));
});

test('lint and plan are answered while a what-if runs, and a fault in the body is 400', async () => {
  const { url, close } = await serving(await logOf(20_000));
  const running = whatIf(url).then(
    ({ status }) => status,
    () => 0,
  );
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) });
  const linted = await post('/segment/lint', { segments: [{ id: 'a' }] });
  expect(await linted.json()).toMatchObject({ mistakes: expect.any(Array) });
  expect((await post('/segment/plan', atLeast(3))).status).toBe(200);
  expect((await post('/segment/plan', { segments: 3 })).status).toBe(400);
  expect((await post('/segment/what-if', { segments: 3 })).status).toBe(400);
  expect(await running).toBe(200);
  await close();
});

test('as-of of a segment that nobody knows is refused; one that is configured may be empty', async () => {
  const { url, close } = await serving(await logOf(1));
  const asOf = (segment: string) =>
    fetch(`${url}/segment/as-of?at=2026-01-01T00:00:00Z&segment=${segment}`);
  const unknown = await asOf('buyer');
  expect(unknown.status).toBe(404);
  expect(await unknown.json()).toMatchObject({
    code: 'SEGMENT_UNKNOWN',
    problem: expect.stringContaining('did you mean buyers?'),
  });
  const known = await asOf('buyers');
  expect([known.status, await known.json()]).toEqual([
    200,
    {
      at: Date.UTC(2026, 0, 1),
      segments: [{ segment: 'buyers', knownThen: [], knownNow: [] }],
    },
  ]);
  await close();
});

test('a route is told when the asker has gone', async () => {
  let told: (gone: boolean) => void = () => {};
  const gone = new Promise<boolean>((resolve) => {
    told = resolve;
  });
  const asked = new AbortController();
  const route: Route = {
    method: 'GET',
    path: '/slow',
    answer: (_query, _body, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          told(true);
          resolve({});
        });
        asked.abort();
      }),
  };
  const endpoint = await serveHttp({
    port: 0,
    health: () => ({}) as never,
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    routes: () => [route],
  });
  const url = `http://127.0.0.1:${endpoint.port}/slow`;
  await expect(fetch(url, { signal: asked.signal })).rejects.toThrow();
  expect(await gone).toBe(true);
  await endpoint.close();
});
