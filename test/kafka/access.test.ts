/**
 * A broker that asks who is there: TLS, login, and exactly the rights that `topics plan` lists.
 * With them a job runs; with one less, a wrong password or another host's certificate it says what
 * is wrong.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Access } from '../../engine/log/kafka/adapter/least-access.ts';
import { type Ended, launch } from '../process/millrace.ts';
import { type Broker, startBroker } from './broker.ts';
import { kafkaAvailable } from './shared.ts';

const exec = promisify(execFile);
const password = 'c4nary-p4ssword';
const module = 'test/kafka/secured-job.ts';
const partitions = 2;

describe.skipIf(!(await kafkaAvailable()))('a broker that asks who is there', () => {
  let folder = '';
  let broker: Broker;
  let environment: Record<string, string> = {};
  let acls: readonly Access[] = [];
  let runs = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-access-'));
    const keystore = join(folder, 'broker.p12');
    const store = ['-keystore', keystore, '-storepass', password, '-alias', 'broker'];
    const subject = ['-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1', '-keyalg', 'EC'];
    await exec('keytool', ['-genkeypair', ...store, ...subject, '-storetype', 'PKCS12']);
    const certificate = join(folder, 'ca.pem');
    await exec('keytool', ['-exportcert', '-rfc', ...store, '-file', certificate]);
    await writeFile(join(folder, 'password'), `${password}\n`);
    broker = await startBroker({
      users: { app: password },
      authorise: true,
      keystore: { file: keystore, password },
    });
    environment = {
      MILLRACE_KAFKA_BROKERS: broker.address,
      MILLRACE_KAFKA_TLS: 'true',
      MILLRACE_KAFKA_TLS_CA_FILE: certificate,
      MILLRACE_KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
      MILLRACE_KAFKA_SASL_USERNAME: 'app',
      MILLRACE_KAFKA_SASL_PASSWORD_FILE: join(folder, 'password'),
      MILLRACE_KAFKA_CONNECT_TIMEOUT_MS: '20000',
    };
    acls = await plannedAcls();
    for (const access of merged(acls)) await change('--add', access);
  }, 600_000);

  afterAll(async () => {
    await broker?.stop('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  async function plannedAcls(): Promise<Access[]> {
    const { MILLRACE_KAFKA_BROKERS: _, ...rest } = environment;
    const args = ['topics', 'plan', module, '--partitions', String(partitions)];
    const { stdout, stderr } = await launch(
      'topologies/app/main.ts',
      [...args, '--topic', 'secured-orders', '--brokers', broker.internal, '--json'],
      Object.fromEntries(Object.keys(rest).map((name) => [name, ''])),
    ).ended;
    if (stdout === '') throw new Error(stderr);
    return (JSON.parse(stdout) as { acls: Access[] }).acls;
  }

  async function change(what: '--add' | '--remove', access: Access & { names: string[] }) {
    const { operation, resource, pattern, names } = access;
    const { code, stderr } = await broker.tool('org.apache.kafka.tools.AclCommand', [
      ...[what, '--force', '--allow-principal', 'User:app', '--operation', operation],
      ...names.flatMap((name) => [`--${resource}`, name]),
      ...['--resource-pattern-type', pattern],
    ]);
    expect({ code, stderr }).toMatchObject({ code: 0 });
  }

  /** Runs the job until it has caught up, on a state folder of its own. */
  function run(args: readonly string[] = [], own: Readonly<Record<string, string>> = {}) {
    return launch(
      'topologies/app/main.ts',
      [
        ...['run', module, '--until-caught-up', '--threads', '0', '--log-level', 'info'],
        ...['--partitions', String(partitions), '--data', join(folder, `data-${runs++}`), ...args],
      ],
      { ...environment, ...own },
    ).ended;
  }

  async function inputOption(): Promise<string[]> {
    const input = join(folder, 'orders.jsonl');
    const rows = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({ id: `o${i}`, customer: `c${i % 3}`, at: 1_700_000_000_000 + i }),
    );
    await writeFile(input, `${rows.join('\n')}\n`);
    const fields = ['--key', 'id', '--time', 'at', '--time-format', 'epoch-ms'];
    return ['--input', input, '--topic', 'secured-orders', ...fields];
  }

  async function order(customer: string): Promise<void> {
    const line = `${JSON.stringify({ customer })}\n`;
    const args = ['--topic', 'secured-orders'];
    await broker.tool('org.apache.kafka.tools.ConsoleProducer', args, line);
  }

  async function counts(): Promise<Record<string, number>> {
    const seen = await broker.readCommitted('secured-counts');
    const values = seen.map(({ key, value }) => [String(key), Number(String(value))] as const);
    // Counts only grow: more than one new value would be an order counted twice.
    return Object.fromEntries(values.sort(([, one], [, other]) => one - other));
  }

  function expectFailure(ended: Ended, ...said: readonly (string | RegExp)[]) {
    expect(ended.code).not.toBe(0);
    for (const text of said) expect(ended.stderr).toMatch(text);
    expect(ended.stdout + ended.stderr).not.toContain(password);
  }

  test('with exactly the rights listed, a job makes its topics, reads, writes, commits', async () => {
    const { code, stdout, stderr } = await run(await inputOption());
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout + stderr).not.toContain(password);
    // Encrypted and logged in by Millrace's own connections, too.
    expect(stdout + stderr).toContain('"transport":"direct"');
    expect(stdout + stderr).not.toContain('the Kafka client fetches');
    expect(await counts()).toEqual({ c0: 10, c1: 10, c2: 10 });
  });

  test.each([
    ['secured-counts', 'c0'],
    ['secured-by-customer-repartition', 'c1'],
    ['secured-orders-changelog', 'c2'],
  ])(
    'without the right to write %s it says so, and loses nothing',
    async (name, customer) => {
      const access = acls.find((one) => one.name === name && one.operation === 'Write');
      if (access === undefined) throw new Error(`no right to write ${name} is listed`);
      const right = { ...access, names: [name] };
      await order(customer);
      await change('--remove', right);
      expectFailure(await run(), 'KAFKA_REFUSED', /authori[sz]ation failed|may not see it/i, name);
      await change('--add', right);
      const before = await counts();
      expect(before[customer]).toBe(10);
      expect(await run()).toMatchObject({ code: 0 });
      expect(await counts()).toEqual({ ...before, [customer]: 11 });
    },
    120_000,
  );

  test.each(['group', 'topic'] as const)(
    'without the right to read its %s any more it ends, also while nothing comes, and loses nothing',
    async (resource) => {
      const isIt = (one: Access) => one.resource === resource && one.operation === 'Read';
      const access = acls.find((one) => isIt(one) && !one.name.includes('-by-'));
      if (access === undefined) throw new Error(`no right to read a ${resource} is listed`);
      const right = { ...access, names: [access.name] };
      const before = await counts();
      const running = launch(
        'topologies/app/main.ts',
        [
          ...['run', module, '--threads', '0', '--log-level', 'info'],
          ...['--partitions', String(partitions), '--data', join(folder, `data-${runs++}`)],
        ],
        environment,
      );
      onTestFinished(() => void running.child.kill('SIGKILL'));
      await running.says('"task":"1_1"');
      await change('--remove', right);
      const taken = performance.now();
      expectFailure(await running.ended, 'KAFKA_REFUSED', /authori[sz]ation failed/i);
      expect(performance.now() - taken).toBeLessThan(10_000);
      await order('c0');
      await change('--add', right);
      expect(await run()).toMatchObject({ code: 0 });
      expect(await counts()).toEqual({ ...before, c0: (before['c0'] ?? 0) + 1 });
    },
    120_000,
  );

  test('with a wrong password it is refused, at once', async () => {
    const own = {
      MILLRACE_KAFKA_SASL_PASSWORD: 'wrong',
      MILLRACE_KAFKA_SASL_PASSWORD_FILE: '',
    };
    expectFailure(await run([], own), 'KAFKA_REFUSED', /authentication/i);
  });

  test('a certificate of another host is refused', async () => {
    const brokers = broker.address.replace('127.0.0.1', 'localhost');
    const own = { MILLRACE_KAFKA_BROKERS: brokers };
    expectFailure(await run([], own), 'KAFKA_REFUSED', /certificate/i);
  });
});

/** One entry for many names, as the tool takes them. */
function merged(acls: readonly Access[]): (Access & { names: string[] })[] {
  const groups = new Map<string, Access & { names: string[] }>();
  for (const access of acls) {
    const key = `${access.operation} ${access.resource} ${access.pattern}`;
    const group = groups.get(key) ?? { ...access, names: [] };
    group.names.push(access.name);
    groups.set(key, group);
  }
  return [...groups.values()];
}
