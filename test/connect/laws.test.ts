/**
 * The file source keeps the laws of connectors: rows, refused rows and rows that are not wanted.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { connectorLaws } from '../../engine/laws/index.ts';
import { source } from './take.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-connector-'));
  const lines = ['who,at'];
  for (let i = 0; i < 40; i++) {
    if (i % 7 === 3) lines.push('skip,1');
    else if (i % 7 === 5) lines.push(',1');
    else lines.push(`w${i % 5},${i * 10}`);
  }
  const text = `${lines.join('\n')}\n`;
  await writeFile(join(folder, 'a.csv'), text);
  await writeFile(join(folder, 'b.csv.gz'), gzipSync(text.replaceAll('w1', 'v1')));
});
afterAll(() => rm(folder, { recursive: true }));

describe('file source', () => {
  const make = () => source({ files: [join(folder, 'a.csv'), join(folder, 'b.csv.gz')] });
  for (const { name, check } of connectorLaws({ make })) test(name, check);
});
