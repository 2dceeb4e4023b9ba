/**
 * `dev` as a person uses it: a process of its own, files that are edited, keys that are pressed.
 */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { emptyFolder, launch, millrace, type Running } from './millrace.ts';

const index = resolve(import.meta.dirname, '../../operators/index.ts');

interface Written {
  readonly store?: string;
  readonly hours?: number;
}

/** A topology that counts orders by customer and hour, and imports what it needs to know. */
function source({ store = 'per-hour', hours = 1 }: Written = {}): string {
  return `import { count, hours, topic, topology, tumbling } from ${JSON.stringify(index)};
import { least } from './least.ts';
const orders = topic<string, { customer: string; amount: number }>('orders');
export default topology('orders', (t) => {
  t.stream(orders)
    .filter((order) => order.amount > least)
    .keyBy('by-customer', (order) => order.customer)
    .window(tumbling({ size: hours(${hours}), grace: 0 }))
    .aggregate('${store}', count());
  return {};
});
`;
}

async function project() {
  const folder = await emptyFolder();
  const at = (name: string) => join(folder, name);
  const write = (name: string, text: string) => writeFile(at(name), text);
  await write('orders.ts', source());
  await write('least.ts', 'export const least = 0;\n');
  const row = { id: 'o1', customer: 'ann', amount: 12, at: '2026-01-31T09:30:00Z' };
  await write('orders.jsonl', `${JSON.stringify(row)}\n`);
  const input = ['--input', at('orders.jsonl'), '--topic', 'orders', '--key', 'id', '--time', 'at'];
  const begin = (...more: readonly string[]) => {
    const args = ['dev', at('orders.ts'), ...input, '--data', at('data'), ...more];
    const running = launch('topologies/app/main.ts', args, { MILLRACE_KAFKA_BROKERS: '' });
    onTestFinished(() => {
      running.child.kill('SIGKILL');
    });
    return running;
  };
  return { at, write, begin };
}

/** Resolves when it has said `text` once more than before; answers what it said since. */
function saysNext(running: Running): (text: string) => Promise<string> {
  let from = 0;
  return async (text) => {
    const look = () => running.said().indexOf(text, from);
    while (look() < 0) {
      const more = new Promise((done) => running.child.stderr?.once('data', done));
      const ended = running.ended.then((end) => {
        throw new Error(`ended (${end.code}) without saying ${text}; it said ${running.said()}`);
      });
      if (look() < 0) await Promise.race([more, ended]);
    }
    const end = look() + text.length;
    const since = running.said().slice(from, end);
    from = end;
    return since;
  };
}

const started = '/console/\n';

async function addressIn(said: string): Promise<string> {
  return /console on (http:\S+)\/console\//.exec(said)?.[1] ?? expect.fail(said);
}

/**
 * The windows of ann, as the process that runs knows them, once there are so many: it may tell its
 * address before its tasks are open.
 */
async function windows(url: string, store: string, least: number): Promise<unknown[]> {
  for (;;) {
    const answer = await fetch(`${url}/v1/stores/${store}/windows/ann`);
    const { rows = [] } = (await answer.json()) as { rows?: unknown[] };
    if (answer.status === 200 && rows.length >= least) return rows;
    await new Promise((done) => setTimeout(done, 50));
  }
}

test('an edit begins again with what is kept, an error waits, and loss is asked for', async () => {
  const { write, begin } = await project();
  const running = begin();
  const says = saysNext(running);
  const url = await addressIn(await says(started));
  expect((await fetch(`${url}/console/`)).status).toBe(200);
  const before = await windows(url, 'per-hour', 1);
  expect(before).toHaveLength(1);

  await write('least.ts', 'export const least = 1;\n');
  expect(await says('finishing the cycle')).toMatch(/keep +store +per-hour/);
  expect(await addressIn(await says(started))).toBe(url);
  expect(await windows(url, 'per-hour', 1)).toEqual(before);

  await write('least.ts', 'export const least = (;\n');
  expect(await says('waiting for the next edit')).toContain('least.ts:1:22');
  expect(await windows(url, 'per-hour', 1)).toEqual(before);

  await write('orders.ts', source({ hours: 2 }));
  await write('least.ts', 'export const least = 1;\n');
  expect(await says('the version before runs on meanwhile')).toMatch(/refuse +store +per-hour/);
  expect(await windows(url, 'per-hour', 1)).toEqual(before);
  running.child.stdin?.write('d');
  await says(started);
  const after = await windows(url, 'per-hour', 1);
  expect(after).toHaveLength(1);
  expect(after).not.toEqual(before);

  running.child.kill('SIGINT');
  expect(await running.ended).toMatchObject({ code: 0, signal: null });
  await expect(fetch(`${url}/health`)).rejects.toThrow();
});

test('it waits for what is not there yet, tells of bad settings, and may lose state unasked', async () => {
  const { at, write, begin } = await project();
  await write('orders.ts', "export { default } from './later.ts';\n");
  const running = begin('--drop-state');
  const says = saysNext(running);
  expect(await says('waiting for the next edit')).toContain('./later.ts');
  await write('later.ts', source({ hours: -1 }));
  expect(await says('waiting for the next edit')).toMatch(/window\.size: must be .*later\.ts:\d/);
  const mark = JSON.stringify(at('mark'));
  const unless = `if (!existsSync(${mark})) throw new Error('no table yet');\n`;
  await write('later.ts', `import { existsSync } from 'node:fs';\n${unless}${source()}`);
  expect(await says('waiting for the next edit; s starts')).toContain('no table yet');
  await write('mark', '');
  running.child.stdin?.write('s');
  await says(started);
  await write('later.ts', source({ store: 'other' }));
  await says('--drop-state: leave per-hour behind');
  const url = await addressIn(await says(started));
  expect(await windows(url, 'other', 0)).toEqual([]);
  // Begun anew, it reads its input again.
  running.child.stdin?.write('r');
  await says(started);
  expect(await windows(url, 'other', 1)).toHaveLength(1);
  running.child.stdin?.write('q');
  expect(await running.ended).toMatchObject({ code: 0, signal: null });
});

test('where it is killed nothing runs on; a version that hangs ends by the deadline', async () => {
  const { write, begin } = await project();
  const killed = begin();
  const url = await addressIn(await saysNext(killed)(started));
  killed.child.kill('SIGKILL');
  await killed.ended;
  const answers = () =>
    fetch(`${url}/health`).then(
      () => true,
      () => false,
    );
  while (await answers()) await new Promise((done) => setTimeout(done, 50));
  await write(
    'least.ts',
    "export const least = 0;\nprocess.on('SIGTERM', () => { for (;;) {} });\n",
  );
  const hangs = begin('--stop-within', '100');
  await hangs.says('/console/');
  hangs.child.kill('SIGINT');
  expect(await hangs.ended).toMatchObject({ code: 130, signal: null });
});

test('standard input is for keys', async () => {
  const { at } = await project();
  const ended = await millrace('dev', at('orders.ts'), '--input', '-', '--topic', 'orders');
  expect(ended).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('error USAGE: dev reads'),
  });
});
