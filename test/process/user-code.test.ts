/** What user code must not be able to do: end a run without a word, or keep it from ending. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { emptyFolder, launch } from './millrace.ts';

async function runOn(module: string, args: readonly string[], env = {}) {
  const folder = await emptyFolder();
  const input = join(folder, 'rows.jsonl');
  const rows = Array.from({ length: 20 }, (_, n) =>
    JSON.stringify({ id: `k${n % 4}`, n, at: '2026-01-31T09:30:00Z' }),
  );
  await writeFile(input, `${rows.join('\n')}\n`);
  const named = ['--input', input, '--topic', 'rows', '--key', 'id', '--time', 'at'];
  const data = ['--data', join(folder, 'data')];
  return launch('topologies/app/main.ts', ['run', module, ...named, ...data, ...args], env);
}

/** Each starts processes, on machines that have other work. */
vi.setConfig({ testTimeout: 240_000 });

describe('an unhandled rejection in user code', () => {
  const said = /unhandled rejection in user code, test\/process\/floating-module\.ts:7: telemetry/;

  test('on the main thread names module and line', async () => {
    const args = ['--until-caught-up', '--threads', '0'];
    const { ended } = await runOn('test/process/floating-module.ts', args);
    const { code, stderr } = await ended;
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(said) });
    expect(stderr).toMatch(/error UNHANDLED: .*\nremedy: /);
  });

  test('in a worker names them as well, and what was committed counts', async () => {
    const args = ['--until-caught-up', '--threads', '1', '--json'];
    const { ended } = await runOn('test/process/floating-module.ts', args);
    const { code, stderr, stdout } = await ended;
    expect(stderr).toMatch(said);
    // The commit may have been done before the worker died, or the rejection may come three times
    // more.
    if (code === 0) expect(JSON.parse(stdout).counters).toMatchObject({ in: 20, processed: 20 });
    else expect(stderr).toMatch(/WORKER_FAILED/);
  });
});

describe('SIGTERM ends the run within its deadline', () => {
  test.each(['loop', 'promise'])('user code hangs: %s', async (hang) => {
    const args = ['--threads', '1', '--stop-within', '500'];
    const run = await runOn('test/process/hanging-module.ts', args, { HANG: hang });
    await run.says('user code hangs');
    run.child.kill('SIGTERM');
    const { code, signal, stderr } = await run.ended;
    expect({ code, signal, stderr }).toMatchObject({
      code: 130,
      signal: null,
      stderr: expect.stringContaining('not done within 500 ms: leaving at once'),
    });
  });
});
