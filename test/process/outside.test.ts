/** Logs and state backends from outside: chosen by module or by value, over restarts. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { msgpack } from 'millrace';
import {
  BatchBuilder,
  type ExecutionOptions,
  environment,
  execute,
  type LogFactory,
  MemoryLog,
} from 'millrace/engine';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const here = (name: string) => resolve(import.meta.dirname, name);
const [backendModule, logModule] = [here('outside/backends.ts'), here('outside/log.ts')];
const reference = { module: here('job-package.ts') };

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-outside-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Runs the job until it has caught up; answers what its table says. */
async function ran(options: Omit<ExecutionOptions, 'reference'>, click?: number) {
  const execution = await execute({ reference, ...options, answers: false });
  try {
    if (click !== undefined) {
      const writer = await execution.log.openWriter('test');
      const builder = new BatchBuilder();
      builder.append(Buffer.from(`c${click}`), msgpack().encode({ page: 'p' }), click);
      const appends = [{ topic: 'clicks', partition: 0, batch: builder.finishAt(0) }];
      await writer.commit({ appends, offsets: [], commitId: click });
      await writer.close();
    }
    await execution.runtime.runUntilCaughtUp();
    return (await execution.runtime.query('per-page')).map(({ value }) => value);
  } finally {
    await execution.close();
  }
}

test('by module, and again without being named', async () => {
  const data = join(folder, 'by-module');
  const env = environment(data, backendModule);
  expect(await ran({ env, threads: 0, log: logModule }, 1)).toEqual([1]);
  const state = join(data, 'state');
  expect(readdirSync(state).every((task) => existsSync(join(state, task, 'from-outside')))).toBe(
    true,
  );
  expect([existsSync(join(data, 'own-log')), existsSync(join(data, 'log'))]).toEqual([true, false]);
  // The data directory knows both.
  const again = environment(data);
  expect(again.stateBackend).toBe(backendModule);
  expect(await ran({ env: again, threads: 0 }, 2)).toEqual([2]);
});

test('a log by value', async () => {
  const log = new MemoryLog();
  const factory: LogFactory = { open: async () => log };
  const env = environment(join(folder, 'by-value'));
  expect(await ran({ env, threads: 0, log: factory }, 1)).toEqual([1]);
  expect((await log.topics()).some(({ name }) => name === 'clicks')).toBe(true);
});

describe('what is no adapter is refused', () => {
  const refusal = (error: unknown) => (error as Error).message;

  test('a backend that is neither a name nor a module', () => {
    expect(() => environment(join(folder, 'none'), 'rocks')).toThrow(
      /state-backend.*'rocksdb-native', 'rocksdb'.*rocks is neither/s,
    );
  });

  test.each([
    ['a module that exports no log', here('job-package.ts'), /log.*LogFactory.*open/s],
    ['a module that is not there', here('nowhere.ts'), /log.*cannot be loaded/s],
    ['a value without open', {} as LogFactory, /log.*LogFactory.*open/s],
  ])('%s', async (_, log, expected) => {
    const env = environment(join(folder, 'bad-log'));
    const error = await ran({ env, threads: 0, log }).catch(refusal);
    expect(error).toMatch(expected);
  });

  test('a backend module that exports none', async () => {
    const env = environment(join(folder, 'bad-backend'), here('job-package.ts'));
    expect(await ran({ env, threads: 0 }).catch(refusal)).toMatch(
      /state-backend.*BackendFactory.*open, destroy/s,
    );
  });

  test('state of one backend is not read by another', async () => {
    const data = join(folder, 'two');
    await ran({ env: environment(data, backendModule), threads: 0 }, 1);
    expect(() => environment(data, 'rocksdb-native')).toThrow(/cannot read.*option `fresh`/s);
    expect(environment(data, 'rocksdb-native', true).stateBackend).toBe('rocksdb-native');
  });
});
