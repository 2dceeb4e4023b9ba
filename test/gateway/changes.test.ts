/** Subscriptions: what changes is told, once, to whoever comes again with its place. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Streams } from '../../engine/http/event-stream.ts';
import type { ServerEvent } from '../../engine/http/routes.ts';
import { post, startGateway } from './running.ts';

interface Told {
  readonly event: string;
  readonly id: string;
  readonly data: Record<string, unknown>;
}

/** Events of a stream until `enough` says so. */
async function toldBy(
  url: string,
  enough: (told: readonly Told[]) => boolean,
  { lastId, body, begun = () => {} }: { lastId?: string; body?: object; begun?: () => void } = {},
): Promise<Told[]> {
  const gone = new AbortController();
  const answer = await fetch(url, {
    signal: gone.signal,
    headers: {
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  expect(answer.headers.get('content-type'), await problemOf(answer)).toContain(
    'text/event-stream',
  );
  const told: Told[] = [];
  let text = '';
  for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data === undefined) continue;
      told.push({ event: field('event') ?? '', id: field('id') ?? '', data: JSON.parse(data) });
      if (told.at(-1)?.event === 'open') begun();
    }
    if (enough(told)) break;
  }
  gone.abort();
  return told;
}

const problemOf = async (answer: Response) => (answer.ok ? '' : answer.text());

const open = (subject: string, n: number) => ({
  ...{ id: `${subject}-${n}`, subject, class: 'email_open', item: `m${n}` },
  time: `2026-01-0${n}T10:00:00Z`,
});

describe('subscriptions', () => {
  test('a store, a segment and a subject, and again from where they were', async () => {
    const gateway = await startGateway();
    const send = (...events: object[]) => post(`${gateway.url}/v1/events`, events);
    const has = (event: string, count: number) => (told: readonly Told[]) =>
      told.filter((one) => one.event === event).length >= count;
    const base = `${gateway.url}/v1`;
    const first = await Promise.all([
      toldBy(`${base}/stores/subjects/changes?key=ann`, has('changed', 1)),
      toldBy(`${base}/segments/engaged-30d/changes`, has('entered', 2)),
      toldBy(`${base}/subjects/changes`, has('entered', 1), {
        body: { id: 'ann' },
        begun: () => void send(open('ann', 1), open('bob', 1)),
      }),
    ]);
    const [store, segment, subject] = first;
    expect(store.at(-1)).toMatchObject({
      event: 'changed',
      data: { key: 'ann', rows: [{ key: 'ann', value: { band: expect.any(String) } }] },
    });
    const users = segment.flatMap(({ event, data }) => (event === 'entered' ? [data['user']] : []));
    expect(users.sort()).toEqual(['ann', 'bob']);
    for (const { event, data } of subject) {
      if (event !== 'open' && event !== 'score') expect(data['user']).toBe('ann');
    }

    // What comes while nobody listens is told to who comes again.
    await send(open('ann', 2), open('cee', 2));
    const lastId = segment.at(-1)?.id ?? '';
    const again = await toldBy(`${base}/segments/engaged-30d/changes`, has('entered', 1), {
      lastId,
    });
    const entered = again.filter(({ event }) => event === 'entered');
    expect(entered.map(({ data }) => data['user'])).toEqual(['cee']);
    const more = await toldBy(
      `${base}/subjects/ann/changes`,
      (told) => told.some(({ data }) => data['segment'] === 'opens-2-in-7d'),
      { lastId: subject.at(-1)?.id ?? '' },
    );
    expect(more.find(({ data }) => data['segment'] === 'opens-2-in-7d')).toMatchObject({
      event: 'entered',
      data: { user: 'ann' },
    });

    for (const [path, status] of [
      ['/segments/none/changes', 404],
      ['/stores/none/changes', 404],
      ['/segments/engaged-30d/changes?lastEventId=x', 400],
    ] as const) {
      expect([path, (await fetch(`${base}${path}`)).status]).toEqual([path, status]);
    }
  }, 60_000);

  test('a reader that takes nothing is cut off, and nothing is kept for it', async () => {
    const streams = new Streams({ stalledMs: 50, mostMs: 60_000, most: 1 });
    let asked = 0;
    async function* events(): AsyncGenerator<ServerEvent> {
      for (;;) yield { event: 'much', id: String(asked++), data: { text: 'x'.repeat(100_000) } };
    }
    let sent: Promise<void> | undefined;
    const server = createServer((_, response) => {
      sent = streams.send(response, events());
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const text = await new Promise<string>((done, fail) => {
      const asking = request({ port, host: '127.0.0.1' }, async (response) => {
        response.pause();
        await sent;
        const before = asked;
        expect(() => streams.check(), 'there is room again').not.toThrow();
        let all = '';
        response.on('data', (chunk: Buffer) => {
          all += chunk.toString();
        });
        response.on('end', () => {
          expect(asked, 'nothing was asked for after the cut').toBe(before);
          done(all);
        });
        response.on('error', fail);
        response.resume();
      });
      asking.on('error', fail);
      asking.end();
    });
    expect(text).toMatch(/event: cut\ndata: .*not taken in time/);
    expect(asked * 100_000, 'no more than sockets hold').toBeLessThan(50_000_000);
  });
});
