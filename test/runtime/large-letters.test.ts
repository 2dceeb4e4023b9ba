/** Dead letters fit their log: the beginning of what is too large, and that it was cut. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { topic, topology, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { FileSource } from '../../engine/connect/file-source.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { decodeHeaders, encodeHeaders } from '../../engine/record/headers.ts';
import { cutHeader, fittedLetter } from '../../engine/record/letter-headers.ts';
import { replayLetters } from '../../engine/runtime/replay/replay.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { emptyFolder } from '../process/millrace.ts';

const most = 2_000;
const hour = 3_600_000;

test.each([
  ['a value', 10, 5_000, { reason: 'bad' }],
  ['a row beside the value', 0, 1_500, { reason: 'bad', row: 'r'.repeat(1_500) }],
  ['headers of the record', 0, 100, { reason: 'bad', 'header.big': 'h'.repeat(3_000) }],
  ['a key', 5_000, 100, { reason: 'bad' }],
])('%s that is too large', (_, key, value, headers) => {
  const letter = {
    key: Buffer.alloc(key, 1),
    value: Buffer.alloc(value, 2),
    headers: encodeHeaders(headers),
  };
  const fitted = fittedLetter(letter, most);
  const size = (bytes: Uint8Array | null) => bytes?.byteLength ?? 0;
  expect(size(fitted.key) + size(fitted.value) + size(fitted.headers)).toBeLessThanOrEqual(most);
  expect(decodeHeaders(fitted.headers)).toEqual({ reason: 'bad', [cutHeader]: String(value) });
  expect(fittedLetter(letter, 100_000)).toBe(letter);
});

test('a row and a record that are too large for the log go on as letters that fit', async () => {
  const words = topic<string, string>('words', { value: utf8, partitions: 1 });
  const out = topic<string, string>('out', { value: utf8, partitions: 1 });
  const job = topology('large', (t) => {
    t.stream(words)
      .map((word) => {
        if (word.startsWith('refused')) throw new Error('refused');
        return `${word}, longer${'.'.repeat(100)}`;
      })
      .to(out);
  });
  const file = join(await emptyFolder(), 'rows.jsonl');
  const texts = ['small', 'w'.repeat(3_000), 'w'.repeat(1_960), `refused${'x'.repeat(1_900)}`];
  await writeFile(file, texts.map((word) => JSON.stringify({ word })).join('\n'));
  const log = Object.assign(new MemoryLog(), { limits: { bytes: most, aheadMs: hour } });
  const source = new FileSource<string, string>({
    name: 'rows',
    files: [file],
    topic: words,
    format: 'jsonl',
    needed: [],
    map: ({ word }) => ({
      key: 'k',
      value: String(word),
      timestamp: word === 'small' ? Date.UTC(2098, 0, 1) : Date.now(),
    }),
  });
  const backends = new MemoryBackends();
  const runtime = await Runtime.start({
    topology: job,
    application: 'large',
    log,
    stateDirectory: 'state',
    sources: [source],
    startHosts: async (config) => [new TaskHost(job, config, backends)],
  });
  await runtime.runUntilCaughtUp();
  await runtime.close();
  const at = { topic: 'large-dead-letters', partition: 0 };
  const letters = await log.read(at, 0, { records: 10 });
  const told = Array.from({ length: letters?.count ?? 0 }, (_, i) => {
    const headers = decodeHeaders(letters?.headerBytes(i) ?? Buffer.alloc(0));
    const value = letters?.value(i) as Buffer;
    const size = (letters?.headerBytes(i).byteLength ?? 0) + value.byteLength;
    expect(size).toBeLessThanOrEqual(most);
    expect(letters?.timestamps[i]).toBeLessThanOrEqual(Date.now() + hour);
    return `${headers['stage']} ${headers[cutHeader]}`;
  });
  expect(told.sort()).toEqual(['future undefined', 'process 1907', 'produce 1960', 'source 3011']);
  const report = await replayLetters({ log, application: 'large', now: Date.now() });
  expect(report).toMatchObject({
    ...{ letters: 4, replayed: 0 },
    skipped: { 'too large': 3, 'too far ahead': 1 },
  });
});
