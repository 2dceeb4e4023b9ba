/**
 * The native packing and unpacking of record batches, under the sanitizer of undefined behaviour.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const sources = join(root, 'node_modules/node-rdkafka/deps/librdkafka/src/lz4frame.c');

function hasCompiler(): boolean {
  try {
    execFileSync('g++', ['--version'], { stdio: 'ignore' });
    return existsSync(sources);
  } catch {
    return false;
  }
}

it.skipIf(!hasCompiler())(
  'neither overflows nor misreads, whatever a batch says',
  {
    timeout: 300_000,
  },
  () => {
    const script = join(import.meta.dirname, 'sanitize.sh');
    expect(execFileSync('sh', [script], { encoding: 'utf8' })).toBe('nothing undefined\n');
  },
);
