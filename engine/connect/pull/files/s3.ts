/**
 * The objects of a bucket with the S3 protocol. An object is fetched into a temporary file, then
 * read.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { optionalPackage } from '../../../base/optional-package.ts';
import { awsError, awsSettings, awsTimeouts } from '../aws.ts';
import type { Secrets } from '../secrets.ts';
import { type FileStore, type FoundFile, fitting, type LocalFile } from './files-puller.ts';
import type { S3Spec } from './files-spec.ts';

const daySeconds = 86_400;

export class S3Store implements FileStore {
  readonly byTime: boolean;
  readonly #source: string;
  readonly #spec: S3Spec;
  readonly #secrets: Secrets;
  #client: Promise<S3Client> | undefined;

  constructor(source: string, spec: S3Spec, secrets: Secrets) {
    this.#source = source;
    this.#spec = spec;
    this.byTime = (spec.list ?? 'modified') === 'modified';
    this.#secrets = secrets;
  }

  async list(after: string | undefined, signal: AbortSignal): Promise<readonly FoundFile[]> {
    const { bucket, prefix, pattern, list = 'modified' } = this.#spec;
    const { ListObjectsV2Command } = await this.#package();
    const client = await this.#connected();
    const fits = fitting(pattern);
    const files: FoundFile[] = [];
    let ContinuationToken: string | undefined;
    do {
      const input = {
        Bucket: bucket,
        ...(prefix === undefined ? {} : { Prefix: prefix }),
        ...(list === 'key' && after !== undefined ? { StartAfter: after } : {}),
        ...(ContinuationToken === undefined ? {} : { ContinuationToken }),
      };
      const answer = await this.#asked(() =>
        client.send(new ListObjectsV2Command(input), { abortSignal: signal }),
      );
      for (const { Key, ETag = '', LastModified } of answer.Contents ?? []) {
        if (Key === undefined || !fits(Key.slice(Key.lastIndexOf('/') + 1))) continue;
        const at = LastModified?.getTime() ?? 0;
        files.push({ name: Key, mark: ETag, at, place: `s3://${bucket}/${Key}` });
      }
      ContinuationToken = answer.IsTruncated === true ? answer.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
    if (list === 'modified') files.sort((a, b) => a.at - b.at || (a.name < b.name ? -1 : 1));
    return files;
  }

  /** Fetches exactly the listed object: the same name with other content is another object. */
  async fetch({ name, mark }: FoundFile, signal: AbortSignal): Promise<LocalFile> {
    const { GetObjectCommand } = await this.#package();
    const client = await this.#connected();
    const folder = await mkdtemp(join(tmpdir(), 'millrace-s3-'));
    const release = () => rm(folder, { recursive: true, force: true });
    // The whole key, because files are identified by name, and names in different prefixes may be
    // equal.
    const path = join(folder, name.replaceAll('/', '!').slice(-200));
    try {
      const input = {
        Bucket: this.#spec.bucket,
        Key: name,
        ...(mark === '' ? {} : { IfMatch: mark }),
      };
      await this.#asked(async () => {
        const { Body } = await client.send(new GetObjectCommand(input), { abortSignal: signal });
        await pipeline(Body as Readable, createWriteStream(path));
      });
      return { path, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  forgetsBefore(newest: number): number {
    const { list = 'modified', overlapSeconds = daySeconds } = this.#spec;
    return list === 'key' ? Number.POSITIVE_INFINITY : newest - overlapSeconds * 1_000;
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    client?.destroy();
  }

  #package() {
    return optionalPackage(this.#source, '@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'));
  }

  #connected(): Promise<S3Client> {
    this.#client ??= (async () => {
      const { S3Client } = await this.#package();
      const settings = await awsSettings(this.#source, this.#spec, this.#secrets);
      return new S3Client({
        ...settings,
        forcePathStyle: this.#spec.pathStyle === true,
        requestHandler: awsTimeouts,
      });
    })();
    return this.#client;
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw awsError(this.#source, error);
    }
  }
}
