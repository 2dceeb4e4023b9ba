/** Files as they appear, in a folder and in a bucket: complete ones only, each row once. */
import { appendFile, copyFile, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import S3rver from 's3rver';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../engine/base/clock.ts';
import { type FileStore, FilesPuller } from '../../../engine/connect/pull/files/files-puller.ts';
import type { CompleteSpec, S3Spec } from '../../../engine/connect/pull/files/files-spec.ts';
import { FolderStore } from '../../../engine/connect/pull/files/folder.ts';
import { S3Store } from '../../../engine/connect/pull/files/s3.ts';
import type { RowOptions } from '../../../engine/connect/rows.ts';
import { take } from '../take.ts';
import { noSecrets, nothing, type Pulled, pull } from './pulling.ts';

const byName = (file: string): RowOptions => ({
  format: /\.csv(\.gz)?$/.test(file) ? 'csv' : 'jsonl',
  needed: [],
});

const filesOf = (store: FileStore) => ({
  puller: new FilesPuller({ name: 'files', store, order: 'file', rowOptions: byName }),
});

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return folder;
}

const line = (id: string) => `${JSON.stringify({ id, value: 1 })}\n`;
const lines = (ids: readonly string[]) => ids.map(line).join('');
const next = ({ cursor }: Pulled): Pulled => nothing(cursor);

test('a name is of one kind of source: the position of another is not taken for its own', async () => {
  const pulled = { kind: 'folder', position: {}, eventTime: null };
  const files = [join(await emptyFolder(), 'a.csv')];
  await expect(take({ files }, pulled)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  const known = { eventTime: null, files: [] };
  const folder = filesOf(new FolderStore('f', { kind: 'folder', path: '/' }, systemClock));
  await expect(pull(folder, nothing(known))).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
});

describe('a folder', () => {
  const source = (path: string, complete: CompleteSpec = { by: 'rename' }, pattern?: string) =>
    filesOf(
      new FolderStore(
        'files',
        { kind: 'folder', path, complete, ...(pattern === undefined ? {} : { pattern }) },
        systemClock,
      ),
    );

  test('JSON lines, CSV and gzip, in the order of names; what is new the next time', async () => {
    const folder = await emptyFolder();
    await writeFile(join(folder, 'b.csv'), 'id,value\n2,x\n3,"y\nz"\n');
    await writeFile(join(folder, 'a.jsonl.gz'), gzipSync(lines(['1'])));
    await writeFile(join(folder, '.hidden.csv'), 'id,value\n9,9\n');
    await writeFile(join(folder, 'notes.txt'), 'no');
    const first = await pull(source(folder));
    expect(first.records).toEqual(['1 1', '2 "x"', '3 "y\\nz"']);
    expect((await pull(source(folder), next(first))).records).toEqual([]);
    await writeFile(join(folder, 'c.jsonl'), lines(['4', '5']));
    const second = await pull(source(folder), next(first));
    expect(second.records).toEqual(['4 1', '5 1']);
    // One that has grown goes on; a copy under another name is known.
    await appendFile(join(folder, 'c.jsonl'), line('6'));
    await copyFile(join(folder, 'b.csv'), join(folder, 'copy.csv'));
    expect((await pull(source(folder), next(second))).records).toEqual(['6 1']);
  });

  test('killed at each chunk: every row once, also where rows are alike', async () => {
    const folder = await emptyFolder();
    const many = Array.from({ length: 2_500 }, (_, i) => String(i % 1_000));
    await writeFile(join(folder, 'a.jsonl'), lines(many));
    await writeFile(join(folder, 'b.jsonl'), lines(['x', 'x']));
    for (let killAfter = 1; killAfter <= 4; killAfter++) {
      const killed = await pull(source(folder), nothing(), { killAfter });
      const { records } = await pull(source(folder), killed);
      expect(records).toEqual([...many, 'x', 'x'].map((id) => `${id} 1`));
    }
  });

  test('one that is being written is waited for: by its age, a marker or a rename', async () => {
    const folder = await emptyFolder();
    const file = join(folder, 'a.jsonl');
    await writeFile(file, lines(['1']));
    const stable: CompleteSpec = { by: 'stable', seconds: 3_600 };
    expect((await pull(source(folder, stable))).records).toEqual([]);
    const old = new Date(systemClock.now() - 3_601_000);
    await utimes(file, old, old);
    expect((await pull(source(folder, stable))).records).toEqual(['1 1']);
    expect((await pull(source(folder, { by: 'marker' }))).records).toEqual([]);
    await writeFile(`${file}.done`, '');
    expect((await pull(source(folder, { by: 'marker' }))).records).toEqual(['1 1']);
    await writeFile(join(folder, 'b.jsonl.part'), lines(['2']));
    expect((await pull(source(folder))).records).toEqual(['1 1']);
    await rename(join(folder, 'b.jsonl.part'), join(folder, 'b.jsonl'));
    expect((await pull(source(folder, { by: 'rename' }, 'b*'))).records).toEqual(['2 1']);
  });

  test('rows that are none are dead letters; a file changed behind our back is refused', async () => {
    const folder = await emptyFolder();
    const file = join(folder, 'a.jsonl');
    await writeFile(file, `${lines(['1'])}{"id":\n[]\n${lines(['2'])}`);
    const first = await pull(source(folder));
    expect(first.records).toEqual(['1 1', '2 1']);
    expect(first.deadLetters.map(({ text, from }) => [text, from])).toEqual([
      ['{"id":', file],
      ['[]', file],
    ]);
    expect(first.skipped).toEqual({});
    expect(first.read).toBe(4);
    await writeFile(file, lines(['0', '1', '2']));
    await expect(pull(source(folder), next(first))).rejects.toThrow(/is not the one read before/);
  });

  test('a folder that is not there is waited for', async () => {
    const folder = join(await emptyFolder(), 'later');
    await expect(pull(source(folder))).rejects.toMatchObject({ code: 'SOURCE_UNAVAILABLE' });
  });
});

describe('a bucket', () => {
  let url = '';
  let client: S3Client;
  const secrets = { ...noSecrets, env: { ID: 'S3RVER', SECRET: 'S3RVER' } };

  beforeAll(async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-test-'));
    const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory });
    const { port } = await server.run();
    url = `http://127.0.0.1:${port}`;
    const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
    client = new S3Client({
      endpoint: url,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials,
    });
    return async () => {
      client.destroy();
      await server.close();
      await rm(directory, { recursive: true });
    };
  });

  const put = (Bucket: string, Key: string, Body: string | Buffer) =>
    client.send(new PutObjectCommand({ Bucket, Key, Body }));
  const create = (Bucket: string) => client.send(new CreateBucketCommand({ Bucket }));
  const source = (bucket: string, more: Partial<S3Spec> = {}) => {
    const credentials = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'SECRET' } };
    const spec: S3Spec = {
      kind: 's3',
      bucket,
      endpoint: url,
      pathStyle: true,
      credentials,
      ...more,
    };
    return filesOf(new S3Store('files', spec, secrets));
  };

  test.each(['modified', 'key'] as const)('objects as they appear, listed by %s', async (list) => {
    const bucket = `shop-${list}`;
    await create(bucket);
    await put(bucket, 'in/dt=1/a.jsonl', lines(['1', '2']));
    await put(bucket, 'in/dt=2/a.jsonl', gzipSync(lines(['1', '3'])));
    await put(bucket, 'other/a.jsonl', lines(['9']));
    const spec = { prefix: 'in/', list };
    const first = await pull(source(bucket, spec));
    expect(first.records).toEqual(['1 1', '2 1', '1 1', '3 1']);
    expect(first.deadLetters).toEqual([]);
    await put(bucket, 'in/dt=3/a.csv.gz', gzipSync('id,value\n4,x\n'));
    const second = await pull(source(bucket, spec), next(first));
    expect(second.records).toEqual(['4 "x"']);
    expect((await pull(source(bucket, spec), next(second))).records).toEqual([]);
  });

  test('killed at each chunk: every row once', async () => {
    await create('kills');
    const many = Array.from({ length: 2_100 }, (_, i) => String(i));
    await put('kills', 'a.jsonl', lines(many));
    await put('kills', 'b.jsonl', lines(['x']));
    for (let killAfter = 1; killAfter <= 4; killAfter++) {
      const killed = await pull(source('kills'), nothing(), { killAfter });
      const { records } = await pull(source('kills'), killed);
      expect(records).toEqual([...many, 'x'].map((id) => `${id} 1`));
    }
  });

  test('an object put again: what is new of it when it goes on, refused when it is another', async () => {
    await create('again');
    await put('again', 'a.jsonl', lines(['1']));
    const first = await pull(source('again'));
    await put('again', 'a.jsonl', lines(['1', '2']));
    const second = await pull(source('again'), next(first));
    expect(second.records).toEqual(['2 1']);
    await put('again', 'a.jsonl', lines(['0', '1', '2']));
    await expect(pull(source('again'), next(second))).rejects.toThrow(/is not the one read before/);
  });

  test('a bucket that is not there, and credentials that are wrong, are named', async () => {
    await expect(pull(source('nowhere'))).rejects.toThrow(/NoSuchBucket/);
    const credentials = { accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'ID2' } };
    await expect(pull(source('nowhere', { credentials }))).rejects.toThrow(/ID2 is not set/);
  });
});
