import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { backendLaws } from 'millrace/laws';
import backends from './sqlite-backends.js';

const open = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sqlite-state-'));
  const dispose = () => rm(folder, { recursive: true });
  return { backends, directory: join(folder, 'store'), dispose };
};

for (const { name, check } of backendLaws({ open })) test(name, check);
