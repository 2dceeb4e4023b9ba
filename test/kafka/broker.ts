/**
 * A real Apache Kafka broker for tests: one node that is also its controller, on free ports of the
 * loopback interface, in a process of its own that ends with the process that started it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kafkaClassPath } from './jars.ts';
import {
  type ReadOptions,
  readCommitted,
  runTool,
  type SeenRecord,
  type ToolResult,
} from './tools.ts';

export interface BrokerOptions {
  /** Broker settings beside those that suit tests, e.g. `{ 'message.max.bytes': 1000 }`. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /**
   * Where the broker's data lies; default a folder of its own that goes with it. Given twice: a
   * restart.
   */
  readonly directory?: string;
  /** Names and passwords: clients must log in, by PLAIN or SCRAM-SHA-512. */
  readonly users?: Readonly<Record<string, string>>;
  /** Users may do only what access-control lists allow; tools may do everything. */
  readonly authorise?: boolean;
  /** Another node of this broker's cluster, which is its only controller. */
  readonly joins?: Broker;
  /** PKCS #12 with the broker's private key and certificate. Clients must speak TLS. */
  readonly keystore?: { readonly file: string; readonly password: string };
}

type Signal = 'SIGTERM' | 'SIGKILL';

const startMs = 90_000;
const stopMs = 30_000;
const started = 'Kafka Server started';

/** What clients and Kafka's tools may do with a broker that somebody else owns. */
export class BrokerClient {
  /** host:port for clients. */
  readonly address: string;
  /** host:port without login or encryption, for tools. */
  readonly internal: string;

  constructor(address: string, internal: string) {
    this.address = address;
    this.internal = internal;
  }

  /** Runs one of Kafka's tools, e.g. 'org.apache.kafka.tools.TopicCommand', on this broker. */
  tool(name: string, args: readonly string[], input?: string): Promise<ToolResult> {
    return runTool(name, ['--bootstrap-server', this.internal, ...args], input);
  }

  /** All committed records of a topic, by Kafka's console consumer. */
  readCommitted(topic: string, options?: ReadOptions): Promise<SeenRecord[]> {
    return readCommitted(this.internal, topic, options);
  }
}

export class Broker extends BrokerClient {
  readonly directory: string;
  readonly #temporary: boolean;
  #process: ChildProcess | undefined;
  #watchdog: ChildProcess | undefined;
  #ended = Promise.resolve();

  /** Use `startBroker`. */
  constructor(directory: string, temporary: boolean, addresses: readonly [string, string]) {
    super(...addresses);
    this.directory = directory;
    this.#temporary = temporary;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('the broker does not run');
    return pid;
  }

  /** Starts the broker's process on the data it has, and waits until it serves. */
  async start(): Promise<void> {
    const logFile = join(this.directory, 'broker.log');
    const log = await open(logFile, 'a');
    const before = (await stat(logFile)).size;
    const child = spawn(
      'java',
      [
        ...['-Xms96m', '-Xmx384m', '-XX:+UseSerialGC', '-cp', await kafkaClassPath()],
        '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
        '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info',
        ...['kafka.Kafka', join(this.directory, 'server.properties')],
      ],
      { detached: true, stdio: ['ignore', log.fd, log.fd] },
    );
    await log.close();
    this.#process = child;
    this.#ended = new Promise((done) => child.once('close', () => done()));
    this.#watchdog = watch(this.pid, this.#temporary ? this.directory : '');
    for (const end = Date.now() + startMs; ; ) {
      const said = (await readFile(logFile)).subarray(before).toString();
      if (said.includes(started)) return;
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > end) {
        await this.#halt('SIGKILL');
        throw new Error(`the broker does not start: ${said.slice(-2_000)}`);
      }
      await sleep(50);
    }
  }

  /** Ends the process and, when its folder is its own, deletes its data. */
  async stop(signal: Signal = 'SIGTERM'): Promise<void> {
    await this.#halt(signal);
    if (this.#temporary) await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Ends the process at once; the data stays. */
  kill(): Promise<void> {
    return this.#halt('SIGKILL');
  }

  /** The same broker, ports and data again. */
  async restart(signal: Signal = 'SIGTERM'): Promise<void> {
    await this.#halt(signal);
    await this.start();
  }

  /** Holds the process still: connections stay open and nothing answers. */
  pause(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async #halt(signal: Signal): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    // A process that is held still ends only when it goes on.
    if (signal === 'SIGTERM') child.kill('SIGCONT');
    child.kill(signal);
    const patience = setTimeout(() => child.kill('SIGKILL'), stopMs);
    await this.#ended;
    clearTimeout(patience);
    this.#process = undefined;
    // Its work is done: it must not outlive the process whose id it knows.
    this.#watchdog?.kill('SIGKILL');
    this.#watchdog = undefined;
  }
}

/** Starts a broker; on a `directory` that holds one already, that one again. */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const { directory = await mkdtemp(join(tmpdir(), 'millrace-kafka-')) } = options;
  const temporary = options.directory === undefined;
  try {
    const file = join(directory, 'server.properties');
    if (!existsSync(file)) {
      await mkdir(directory, { recursive: true });
      await format(directory, file, options);
    }
    const text = await readFile(file, 'utf8');
    const address = (name: string) =>
      new RegExp(`^advertised.listeners=.*\\b${name}://([^,\\s]+)`, 'm').exec(text)?.[1] ?? '';
    const broker = new Broker(directory, temporary, [address('CLIENT'), address('INTERNAL')]);
    await broker.start();
    return broker;
  } catch (error) {
    if (temporary) await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

async function format(directory: string, file: string, options: BrokerOptions): Promise<void> {
  const { users = {} } = options;
  const properties = await propertiesOf(directory, options);
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
  await writeFile(file, `${lines.join('\n')}\n`);
  const scram = Object.entries(users).flatMap(([name, password]) => [
    '--add-scram',
    `SCRAM-SHA-512=[name=${name},password=${password}]`,
  ]);
  const { joins } = options;
  const id =
    joins === undefined
      ? randomBytes(16).toString('base64url').replace(/^-/, 'A')
      : await clusterOf(joins);
  // With version 2 a broker that comes back completes a transaction that timed out without telling
  // the partitions, which hang for good then (seen on 4.3.1).
  const features = ['--feature', 'transaction.version=1'];
  const first = joins === undefined ? ['--standalone', ...features] : [];
  const args = ['format', ...first, '-t', id, '-c', file, ...scram];
  const { code, stdout, stderr } = await runTool('kafka.tools.StorageTool', args);
  if (code !== 0) throw new Error(`the broker's folder cannot be formatted: ${stdout}${stderr}`);
}

async function clusterOf({ directory }: Broker): Promise<string> {
  const properties = await readFile(join(directory, 'log', 'meta.properties'), 'utf8');
  return /^cluster\.id=(.*)$/m.exec(properties)?.[1] ?? '';
}

async function controllerOf({ directory }: Broker): Promise<string> {
  const properties = await readFile(join(directory, 'server.properties'), 'utf8');
  return /^controller\.quorum\.bootstrap\.servers=(.*)$/m.exec(properties)?.[1] ?? '';
}

async function propertiesOf(directory: string, options: BrokerOptions) {
  const { users, authorise = false, keystore, settings, joins } = options;
  const [client, internal, controller] = await freePorts(3);
  const at = (port: number | undefined) => `127.0.0.1:${port}`;
  const transport = keystore === undefined ? 'PLAINTEXT' : 'SSL';
  const protocol = users === undefined ? transport : `SASL_${transport}`;
  const served = `CLIENT://${at(client)},INTERNAL://${at(internal)}`;
  return {
    ...(joins === undefined
      ? {
          'process.roles': 'broker,controller',
          'node.id': 1,
          'controller.quorum.bootstrap.servers': at(controller),
          listeners: `${served},CONTROLLER://${at(controller)}`,
        }
      : {
          'process.roles': 'broker',
          'node.id': 2,
          'controller.quorum.bootstrap.servers': await controllerOf(joins),
          listeners: served,
        }),
    'advertised.listeners': served,
    'listener.security.protocol.map': `CLIENT:${protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    'log.dirs': join(directory, 'log'),
    'auto.create.topics.enable': false,
    // One node, few files, few threads.
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'log.cleaner.dedupe.buffer.size': 8_388_608,
    'log.index.size.max.bytes': 1_048_576,
    // Event times of tests lie years back: by Kafka's default of a week they would be deleted.
    'log.retention.ms': -1,
    'log.retention.check.interval.ms': 86_400_000,
    // Members that die are missed soon, and nobody waits for more of them.
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    'group.consumer.min.session.timeout.ms': 1_000,
    'group.consumer.session.timeout.ms': 6_000,
    'group.consumer.min.heartbeat.interval.ms': 200,
    'group.consumer.heartbeat.interval.ms': 500,
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': 500,
    // After SIGKILL the node is let in again when its old session has ended.
    'broker.session.timeout.ms': 4_000,
    'broker.heartbeat.interval.ms': 500,
    ...(users === undefined ? {} : saslProperties(users)),
    ...(keystore === undefined ? {} : tlsProperties(keystore)),
    ...(authorise
      ? {
          'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'super.users': 'User:ANONYMOUS',
        }
      : {}),
    ...settings,
  };
}

function saslProperties(users: Readonly<Record<string, string>>) {
  const known = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`);
  const modules = 'org.apache.kafka.common.security';
  return {
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-512',
    'listener.name.client.plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required ${known.join(' ')};`,
    'listener.name.client.scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
  };
}

function tlsProperties({ file, password }: { readonly file: string; readonly password: string }) {
  return {
    'listener.name.client.ssl.keystore.type': 'PKCS12',
    'listener.name.client.ssl.keystore.location': file,
    'listener.name.client.ssl.keystore.password': password,
    'listener.name.client.ssl.key.password': password,
  };
}

/** Ports that are free now; all are held until all are known, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((done, fail) => {
          const server = createServer().once('error', fail);
          server.listen(0, '127.0.0.1', () => done(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

/**
 * A shell that waits for the end of its standard input, which comes when this process ends in
 * whatever way, and then ends the broker and deletes its folder if one is named.
 */
function watch(pid: number, directory: string): ChildProcess {
  const script = 'cat >/dev/null; kill -KILL "$1"; [ -z "$2" ] || { sleep 1; rm -rf "$2"; }';
  const child = spawn('sh', ['-c', script, 'watchdog', String(pid), directory], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  child.stdin?.on('error', () => {});
  return child;
}
