/** `load`: a bounded run with a manifest; the same night again does nothing. */
import { createHash } from 'node:crypto';
import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { emptyFolder, launch, millrace } from './millrace.ts';

const row = (id: string, minute: number, more = {}) =>
  JSON.stringify({
    id,
    subject: 'ann',
    class: 'email_open',
    item: id,
    time: new Date(Date.UTC(2026, 0, 31, 0, minute)).toISOString(),
    ...more,
  });

/** An offset for each topic partition: what has been written. */
async function ends(data: string): Promise<unknown> {
  return JSON.parse((await millrace('topics', '--json', '--data', data)).stdout);
}

test('a night is loaded once, and the manifest says what became of it', async () => {
  const folder = await emptyFolder();
  const data = join(folder, 'data');
  const night = join(folder, 'night-31.jsonl.gz');
  const file = join(folder, 'manifest.json');
  const lines = [
    row('1', 1),
    row('2', 2),
    row('2', 2),
    row('3', 3, { time: '31.01.2026' }),
    row('4', 4, { time: '1.2.2026' }),
    row('5', 5, { subject: '' }),
    '{"id":',
    row('6', 6),
  ];
  const bytes = gzipSync(`${lines.join('\n')}\n`);
  await writeFile(night, bytes);
  const load = (...more: string[]) =>
    millrace(
      ...['load', '--manifest', file, '--data', data, '--threads', '0'],
      ...(more.length > 0 ? more : ['--input', night, '--mapping', 'sample']),
    );
  expect(await load()).toMatchObject({ code: 0 });
  const text = await readFile(file, 'utf8');
  const manifest = JSON.parse(text);
  const rejected = {
    'is not JSON: Unexpected end of JSON input': 1,
    'there is no subject in subject': 1,
  };
  const sum = (counts: object) => Object.values(counts).reduce((all, n) => all + n, 0);
  expect(manifest).toMatchObject({
    version: 1,
    application: 'personalisation',
    result: 'loaded',
    continued: false,
    rows: { in: 8, out: 4, rejected, skipped: {} },
    sources: [{ name: 'sample', rows: 8 }],
    events: { in: 4, processed: 3, dropped: { 'profiles|duplicate': 1 }, deadLettered: 0 },
    watermark: '2026-01-31T00:06:00.000Z',
    inputs: [
      {
        file: night,
        bytes: bytes.byteLength,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        rows: 8,
        rejected,
      },
    ],
  });
  // Reasons do not show what stands in a row, so rows with one mistake are counted together.
  expect(sum(manifest.rows.rejected)).toBe(4);
  expect(Object.keys(manifest.rows.rejected)).toHaveLength(3);
  expect(text).not.toContain('31.01.2026');

  const before = await ends(data);
  const again = await load();
  expect(again).toMatchObject({ code: 0 });
  expect(again.stdout).toContain('nothing new');
  expect(await ends(data)).toEqual(before);
  expect(await readFile(file, 'utf8')).toBe(text);

  const wrong = await load('--sources', join(folder, 'none.json'));
  expect(wrong.code).toBe(2);
}, 600_000);

test('a load that is interrupted says how far it came, and writes no manifest', async () => {
  const folder = await emptyFolder();
  const [data, night] = [join(folder, 'data'), join(folder, 'night.jsonl')];
  const file = join(folder, 'manifest.json');
  // More than can be read before it is interrupted.
  const rows = Array.from({ length: 300_000 }, (_, i) => row(`${i}`, i % 60));
  await writeFile(night, rows.join('\n'));
  const args = ['load', '--manifest', file, '--data', data, '--threads', '0'];
  const given = ['--input', night, '--mapping', 'sample', '--log-level', 'info'];
  const { child, ended, says } = launch('topologies/app/main.ts', [...args, ...given]);
  await says('"running"');
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  expect(stderr).toMatch(/^error LOAD_INTERRUPTED: the load was interrupted after \d+ rows/m);
  expect(code).toBe(1);
  await expect(readFile(file, 'utf8')).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a load of standard input is refused before anything is read', async () => {
  const folder = await emptyFolder();
  const data = join(folder, 'data');
  const { code, stderr } = await millrace(
    ...['load', '--manifest', join(folder, 'manifest.json'), '--data', data],
    ...['--input', '-', '--mapping', 'sample'],
  );
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error USAGE: `load` reads files: standard input has no name/m);
  await expect(access(data)).rejects.toMatchObject({ code: 'ENOENT' });
});
