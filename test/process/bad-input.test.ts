/** Bad input: one clear message with its remedy, an exit code, no stack, and nothing lost. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { emptyFolder, launch, millrace } from './millrace.ts';

const jobModule = 'test/process/job-module.ts';

const line = (i: number, more: object = {}) =>
  JSON.stringify({
    id: `e${i}`,
    subject: `s${i % 3}`,
    class: 'email_open',
    item: `m${i}`,
    time: new Date(Date.UTC(2026, 0, 1) + i * 3_600_000).toISOString(),
    ...more,
  });
const lines = (n: number) => Array.from({ length: n }, (_, i) => line(i));

interface Start {
  readonly folder: string;
  readonly input: string;
  readonly mapping?: string;
  readonly more?: readonly string[];
}

function start({ folder, input, mapping = 'sample', more = [] }: Start) {
  const data = join(folder, 'data');
  const threads = ['--threads', '0'];
  return millrace(
    'start',
    '--data',
    data,
    '--input',
    input,
    '--mapping',
    mapping,
    ...threads,
    ...more,
  );
}

/** Starts over a file of this content, in a folder of its own. */
async function startOver(content: string | Buffer, name = 'input.jsonl') {
  const folder = await emptyFolder();
  const input = join(folder, name);
  await writeFile(input, content);
  return { folder, input, ...(await start({ folder, input })) };
}

async function deadLettersIn(folder: string) {
  const { stdout } = await millrace('dead-letters', '--data', join(folder, 'data'), '--json');
  return JSON.parse(stdout) as { value: string; headers: { reason: string } }[];
}

interface Outcome {
  readonly code: number | null;
  readonly stderr: string;
}

/** One message, one remedy, no stack. */
function expectError({ code, stderr }: Outcome, exit: number, name: string, text: string | RegExp) {
  expect({ code, stderr }).toMatchObject({ code: exit });
  const [first, remedy] = stderr.split('\n').filter((one) => /^(error|remedy)/.test(one));
  expect(first).toMatch(new RegExp(`^error ${name}: `));
  expect(first).toMatch(text);
  expect(remedy).toMatch(/^remedy: \w/);
  expect(stderr).not.toMatch(/^\s+at /m);
}

/**
 * Mounts a small file system in memory and answers how to take it away; undefined without the
 * right.
 */
function mount(folder: string, options: string): (() => void) | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
    return () => execFileSync('umount', [folder]);
  } catch {
    return undefined;
  }
}

async function readOnly(folder: string): Promise<() => Promise<void>> {
  await chmod(folder, 0o555);
  return () => chmod(folder, 0o755);
}

describe('input files', () => {
  test('an empty file is no error: there is nothing to do', async () => {
    const { code, stdout } = await startOver('');
    expect(stdout).not.toContain('Bands');
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('No events: '),
    });
  });

  test('a missing file', async () => {
    const folder = await emptyFolder();
    const input = join(folder, 'none.jsonl');
    expectError(await start({ folder, input }), 2, 'INPUT_MISSING', 'none.jsonl');
  });

  test('a mapping that does not exist, does not fit the columns, or refuses every row', async () => {
    const folder = await emptyFolder();
    const input = join(folder, 'input.csv');
    await writeFile(input, 'a,b\n1,2\n');
    expectError(
      await start({ folder, input, mapping: 'nobody' }),
      2,
      'MAPPING_INVALID',
      /nobody.*shipped are amazon-ses, brevo, cdnow, .*yammer-users/,
    );
    expectError(
      await start({ folder, input, mapping: 'online-retail' }),
      2,
      'MAPPING_INVALID',
      /CustomerID.*it has a, b/,
    );
    const rows = Array.from({ length: 60 }, (_, i) => `X${i},1,2026/01/01,UK`);
    await writeFile(input, ['InvoiceNo,CustomerID,InvoiceDate,Country', ...rows].join('\n'));
    expectError(
      await start({ folder, input, mapping: 'online-retail' }),
      2,
      'MAPPING_INVALID',
      /all of the first 60 rows are refused; the last because time "2026\/01\/01" does not fit/,
    );
  });

  test('not UTF-8: what came before stays taken in, and a mended file goes on', async () => {
    const head = `${lines(9_000).join('\n')}\n`;
    const broken = Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0xfe]), Buffer.from('\n')]);
    const ended = await startOver(broken);
    expectError(ended, 1, 'INPUT_BROKEN', 'not UTF-8');
    const mended = Buffer.concat([Buffer.from(head), Buffer.from('  \n')]);
    await writeFile(ended.input, mended);
    const again = await start({ ...ended, more: ['--json'] });
    expect(again.stderr).toContain('continuing from the committed position');
    const report = JSON.parse(again.stdout) as {
      subjects: number;
      summary: { sources: { records: number }[] };
    };
    expect(report.subjects).toBe(3);
    // All rows before the break were taken in: none is read again.
    expect(report.summary.sources[0]?.records).toBe(0);
  });

  test('a truncated gzip file', async () => {
    const whole = gzipSync(`${lines(5_000).join('\n')}\n`);
    const ended = await startOver(whole.subarray(0, whole.length >> 1), 'input.jsonl.gz');
    expectError(ended, 1, 'INPUT_BROKEN', /gzip data is damaged or cut off after \d+ bytes/);
  });

  test('a line of 50 MB', async () => {
    const folder = await emptyFolder();
    const input = join(folder, 'input.jsonl');
    await writeFile(input, `${lines(10).join('\n')}\n`);
    const file = await open(input, 'a');
    await file.write('x'.repeat(50 * 1024 * 1024));
    await file.close();
    expectError(await start({ folder, input }), 1, 'INPUT_BROKEN', 'line 11 is longer than');
  });

  test('a date of the year 9999, a null subject and wrong types are dead letters with their text', async () => {
    const odd = [
      line(1, { time: '9999-01-01T00:00:00Z' }),
      line(2, { subject: null }),
      line(3, { class: 7 }),
      line(4, { time: 12 }),
      line(5, { time: '2026-01-01 10:00' }),
      '[1, 2]',
    ];
    const { folder, code, stdout } = await startOver([...lines(20), ...odd].join('\n'));
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('of 3'),
    });
    const letters = await deadLettersIn(folder);
    expect(letters.map(({ value, headers }) => [value, headers.reason])).toEqual([
      [odd[0], 'time "9999-01-01T00:00:00Z" is outside 1970 to 2099'],
      [odd[1], 'there is no subject in subject'],
      [odd[2], 'class 7 is not text'],
      [odd[3], 'time "12" does not fit iso, e.g. 2026-01-31T09:30:00Z'],
      [odd[4], 'time "2026-01-01 10:00" does not fit iso, e.g. 2026-01-31T09:30:00Z'],
      ['1', 'line 26 is not a JSON object'],
      ['2', 'line 26 is not a JSON object'],
    ]);
  });

  test('another file in place of the one that was begun', async () => {
    const ended = await startOver(lines(20).join('\n'));
    await writeFile(ended.input, [line(7), ...lines(30)].join('\n'));
    const problem = /differs before the place up to which it was read, byte \d+ \(20 rows\)/;
    expectError(await start(ended), 2, 'INPUT_CHANGED', problem);
    await writeFile(ended.input, lines(30).join('\n'));
    const grown = await start({ ...ended, more: ['--json'] });
    const { summary } = JSON.parse(grown.stdout) as { summary: { sources: object[] } };
    expect(summary.sources).toEqual([expect.objectContaining({ records: 10 })]);
  });
});

describe('the data folder', () => {
  test('a second process is told who holds it', async () => {
    const data = await emptyFolder();
    const first = launch('topologies/app/main.ts', [
      'run',
      jobModule,
      '--data',
      data,
      '--threads',
      '0',
    ]);
    await first.says('tasks on');
    // It asks the process that runs; who wants to run as well is refused.
    expect(await millrace('topics', '--data', data)).toMatchObject({ code: 0 });
    const second = await millrace('run', jobModule, '--data', data, '--threads', '0');
    expectError(second, 2, 'LOG_LOCKED', `in use by process ${first.child.pid} (job)`);
    first.child.kill('SIGINT');
    expect(await first.ended).toMatchObject({ code: 0 });
  });

  test('two interrupts leave at once', async () => {
    const data = await emptyFolder();
    const running = launch('topologies/app/main.ts', [
      'run',
      jobModule,
      '--data',
      data,
      '--threads',
      '0',
    ]);
    await running.says('tasks on');
    running.child.kill('SIGSTOP');
    running.child.kill('SIGTERM');
    running.child.kill('SIGINT');
    running.child.kill('SIGCONT');
    const { code, stderr } = await running.ended;
    expect([0, 130]).toContain(code);
    expect(stderr).toContain('once more to leave at once');
  });

  test('a folder that may not be written', async () => {
    const folder = await emptyFolder();
    // Permissions do not bind the superuser; a read-only file system does.
    const release = mount(folder, 'ro') ?? (await readOnly(folder));
    try {
      const data = ['--data', join(folder, 'data'), '--threads', '0'];
      const ended = await millrace('run', jobModule, ...data);
      expectError(ended, 1, 'LOG_UNAVAILABLE', /cannot be used: .*(read-only|permission)/);
    } finally {
      await release();
    }
  });

  test('a full disk: what is committed stays, and with more space the run goes on', async (context) => {
    const folder = await emptyFolder();
    const disk = join(folder, 'disk');
    await mkdir(disk);
    const release = mount(disk, 'size=3m');
    if (release === undefined) return context.skip('a size-limited disk needs the right to mount');
    try {
      const input = join(folder, 'input.jsonl');
      // Three years of hours that are over: what lies ahead of the wall clock is refused.
      const time = (i: number) => new Date(Date.UTC(2020, 0, 1) + i * 3_600_000).toISOString();
      const many = Array.from({ length: 30_000 }, (_, i) =>
        line(i, { subject: `s${i}`, time: time(i) }),
      );
      await writeFile(input, many.join('\n'));
      const run = (more: readonly string[] = []) => start({ folder: disk, input, more });
      expectError(await run(), 1, 'DISK_FULL', 'no space left');
      execFileSync('mount', ['-o', 'remount,size=300m', disk]);
      const ended = await run(['--json']);
      expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: 0 });
      expect(JSON.parse(ended.stdout)).toMatchObject({ subjects: 30_000 });
    } finally {
      release();
    }
  });

  test('a damaged log is exit code 3, and stays as it is', async () => {
    const data = await emptyFolder();
    await millrace('run', jobModule, '--data', data, '--threads', '0', '--until-caught-up');
    const current = join(data, 'log', 'db', 'CURRENT');
    const before = await readFile(current);
    await truncate(current, 3);
    const ended = await millrace('topics', '--data', data);
    expectError(ended, 3, 'LOG_CORRUPT', 'damaged');
    await writeFile(current, before);
    expect(await millrace('topics', '--data', data)).toMatchObject({ code: 0 });
  });
});

describe('usage', () => {
  test('a configuration is linted: valid with what it keeps, or the field and the nearest spelling', async () => {
    const file = join(await emptyFolder(), 'config.json');
    const docs = await readFile('docs/SEGMENTS.md', 'utf8');
    const [, example = ''] = /```json\n([\s\S]*?)```/.exec(docs) ?? [];
    await writeFile(file, example);
    const { code, stdout } = await millrace('lint', file);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('purchase for 365 d'),
    });
    await writeFile(file, example.replace('"abandoned"', '"abandonned"'));
    const wrong = await millrace('lint', file);
    expectError(wrong, 2, 'CONFIG_INVALID', 'did you mean abandoned?');
    expect(wrong.stderr).toContain('segments.0.when.and.0');
  });

  test('an unknown option, command, store or topic', async () => {
    const data = await emptyFolder();
    const unknown = await millrace('start', '--colour', 'red');
    expect(unknown).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("unknown option '--colour'"),
    });
    expect(await millrace('stat')).toMatchObject({ code: 2 });
    expectError(await millrace('topics', '--data', data), 2, 'USAGE', 'nothing has run in');
    await millrace('run', jobModule, '--data', data, '--threads', '0', '--until-caught-up');
    expectError(await millrace('query', 'sums', '--data', data), 2, 'STORE_UNKNOWN', 'totals');
    const read = await millrace('topics', 'read', 'nowhere', '--data', data);
    expectError(read, 2, 'TOPIC_UNKNOWN', 'nowhere');
  });

  test.each([
    ['throws while loading', "throw new Error('no licence');", 'no licence'],
    ['has a syntax error', 'export default {', 'could not be loaded'],
    ['exports no topology', 'export default 7;', 'its default export is not a topology'],
    ['imports what is not there', "import 'left-pad-of-mars';", 'left-pad-of-mars'],
  ])('a topology module that %s', async (_, code, problem) => {
    const folder = await emptyFolder();
    const module = join(folder, 'topology.ts');
    await writeFile(module, code);
    for (const threads of ['0', '1']) {
      const ended = await millrace(
        'run',
        module,
        '--data',
        join(folder, 'data'),
        '--threads',
        threads,
      );
      expectError(ended, 2, 'TOPOLOGY_MODULE', problem);
    }
    const withStack = await millrace('--stack', 'describe', module);
    expect(withStack.stderr).toMatch(/^\s+at /m);
  });
});
