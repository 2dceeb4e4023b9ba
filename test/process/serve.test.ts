/** `serve`: what `start` ran answers questions over HTTP, in the words of the command line. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { SegmentChange } from '../../topologies/event.ts';
import { emptyFolder, launch, millrace } from './millrace.ts';

const day = 86_400_000;
const begin = Date.UTC(2026, 0, 1);
const segments = [
  {
    id: 'buyers',
    version: 1,
    when: { count: { event: 'purchase', op: 'ge', n: 2, within: '30d' } },
  },
];

/** Rows as the shipped mapping `sample` reads them. */
function rows(): string {
  const event = (subject: string, id: string, days: number): string => {
    const time = new Date(begin + days * day).toISOString();
    return JSON.stringify({ subject, id, class: 'purchase', time });
  };
  return [event('ann', 'a1', 0), event('ben', 'b1', 1), event('ann', 'a2', 2)].join('\n');
}

test('explain, as-of, what-if, lint and plan', { timeout: 300_000 }, async () => {
  const data = await emptyFolder();
  const [input, config] = [join(data, 'rows.jsonl'), join(data, 'config.json')];
  await writeFile(input, `${rows()}\n`);
  await writeFile(config, JSON.stringify({ segments }));
  const files = ['--input', input, '--mapping', 'sample', '--config', config];
  const started = await millrace('start', '--data', data, '--threads', '0', ...files);
  expect(started).toMatchObject({ code: 0, stderr: expect.not.stringContaining('error') });

  const serving = launch('topologies/app/main.ts', [
    ...['serve', '--data', data, '--http', '0'],
    ...['--verify-every', '200', '--verify-sample', '10'],
  ]);
  await serving.says('questions, metrics and health on');
  const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(serving.said()) ?? [];
  const ask = async (path: string, body?: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const options =
      body === undefined ? {} : { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await fetch(`${url}${path}`, options);
    return { status: response.status, answer: await response.json() };
  };
  // Nothing has come since: it is well all the same.
  for (let left = 2_000; (await ask('/health')).status !== 200; left--) {
    expect(left).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  let metrics = '';
  for (let left = 2_000; !/^millrace_verify_compared_total [1-9]/m.test(metrics); left--) {
    expect(left, metrics).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 100));
    metrics = await (await fetch(`${url}/metrics`)).text();
  }
  expect(metrics).toMatch(/^millrace_verify_mismatches 0$/m);

  const why = '/segment/explain?subject=ann&segment=buyers';
  expect(await ask(why)).toMatchObject({
    status: 200,
    answer: {
      holds: true,
      at: begin + 2 * day,
      changesAt: begin + 30 * day,
      witnesses: ['a2'],
      records: { a2: { topic: 'events', offset: expect.any(Number) } },
    },
  });
  const cli = await millrace('segment', 'explain', 'ann', 'buyers', '--data', data, '--json');
  // The log has one owner at a time: the command asks the process that runs.
  expect(cli).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(cli.stdout)).toMatchObject({ subject: 'ann', holds: true });
  expect(await ask(`${why}&at=2026-02-15T00:00:00Z`)).toMatchObject({ answer: { holds: false } });
  expect(await ask('/score/explain?subject=ben')).toMatchObject({ answer: { subject: 'ben' } });
  expect(await ask('/segment/as-of?at=2026-01-04T00:00:00Z')).toMatchObject({
    answer: { segments: [{ segment: 'buyers', knownThen: ['ann'], knownNow: ['ann'] }] },
  });
  const [only] = segments;
  const once = { ...only, version: 2, when: { count: { ...only?.when.count, n: 1 } } };
  expect(await ask('/segment/what-if', { segments: [once] })).toMatchObject({
    answer: { segments: [{ id: 'buyers', changed: true, enter: ['ben'], leave: [] }] },
  });
  expect(await ask('/segment/plan', { segments: [once] })).toMatchObject({
    answer: { segments: [{ id: 'buyers', timers: 1 }] },
  });
  const wrong = { ...only, when: { cuont: only?.when.count } };
  expect(
    await ask('/segment/lint', { segments: [wrong, { ...only, id: 'b', whn: 1 }] }),
  ).toMatchObject({
    answer: { mistakes: [{ path: 'segments.0.when' }, { path: expect.stringContaining('whn') }] },
  });

  const unknown = await ask('/segment/explain?subject=eve&segment=buyers');
  expect(unknown).toMatchObject({ status: 404, answer: { code: 'SUBJECT_UNKNOWN' } });
  for (const bad of [
    '/segment/explain?subject=ann',
    `${why}&at=soon`,
    '/segment/as-of?at=2026-13',
  ]) {
    const refused = await ask(bad);
    expect(refused).toMatchObject({ status: 400, answer: { code: 'CONFIG_INVALID' } });
  }
  expect(await ask('/segment/plan', [1])).toMatchObject({ status: 400 });
  expect(await ask('/segment/lint')).toMatchObject({ status: 405 });
  expect(await ask('/segments')).toMatchObject({
    status: 404,
    answer: { problem: expect.stringContaining('/v1/segments') },
  });
  serving.child.kill('SIGTERM');
  expect((await serving.ended).code).toBe(0);
});

test('it begins in an empty folder, by the configuration that it is given', {
  timeout: 120_000,
}, async () => {
  const data = await emptyFolder();
  const [config, other] = [join(data, 'config.json'), join(data, 'other.json')];
  await writeFile(config, JSON.stringify({ segments }));
  await writeFile(other, JSON.stringify({ segments: [] }));
  const given = ['serve', '--data', join(data, 'data'), '--http', '0', '--config'];
  // As a container is started: with the same line each time.
  for (let times = 0; times < 2; times++) {
    const serving = launch('topologies/app/main.ts', [...given, config]);
    await serving.says('questions, metrics and health on');
    const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(serving.said()) ?? [];
    let answer = await fetch(`${url}/segment/definitions`);
    for (let left = 200; answer.status === 503 && left > 0; left--) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answer = await fetch(answer.url);
    }
    expect(await answer.json()).toMatchObject({ segments: [{ id: 'buyers' }] });
    serving.child.kill('SIGTERM');
    expect((await serving.ended).code).toBe(0);
  }
  const refused = await millrace(...given, other);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('start --config') });
  // A folder whose application cannot be read is not begun anew by the defaults.
  await rm(join(data, 'data', 'application.json'));
  const lost = await millrace('serve', '--data', join(data, 'data'), '--http', '0');
  expect(lost).toMatchObject({ code: 2, stderr: expect.stringContaining('USAGE') });
  const wrong = await millrace('serve', '--data', join(data, 'none'), '--config', join(data, 'no'));
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('CONFIG_INVALID') });
});

test('definitions that changed decide at once for everybody, also whom nothing happens to', {
  timeout: 60_000,
}, async () => {
  const data = await emptyFolder();
  const [input, config] = [join(data, 'rows.jsonl'), join(data, 'config.json')];
  await writeFile(input, `${rows()}\n`);
  const started = async (n: number, version: number) => {
    const when = { count: { event: 'purchase', op: 'ge', n, within: '30d' } };
    await writeFile(config, JSON.stringify({ segments: [{ id: 'buyers', version, when }] }));
    const files = ['--input', input, '--mapping', 'sample', '--config', config];
    return millrace('start', '--data', data, '--threads', '0', ...files);
  };
  expect(await started(2, 1)).toMatchObject({ code: 0 });
  expect(await started(1, 2)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('2 subjects are decided again: definitions have changed'),
  });
  const again = await started(1, 2);
  expect(again).toMatchObject({ code: 0, stderr: expect.not.stringContaining('decided again') });
  const read = ['topics', 'read', 'segment-changes', '--data', data, '--json'];
  const { stdout } = await millrace(...read);
  const changes = (JSON.parse(stdout) as { value: string }[]).map(({ value }) => {
    const { user, type, version, cause, effectiveAt } = JSON.parse(value) as SegmentChange;
    return `${user} ${type} v${version} ${cause} ${(effectiveAt - begin) / day}`;
  });
  // At Ben's own clock: what Ann was told before stands.
  expect(changes.sort()).toEqual(['ann entered v1 event 2', 'ben entered v2 definition 1']);
});
