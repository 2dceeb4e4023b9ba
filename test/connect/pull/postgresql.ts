/** A PostgreSQL server of this test's own, from the packages of the system. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';

const exec = promisify(execFile);
const installed = '/usr/lib/postgresql';

/** Where the server's programs are; undefined when it is not installed. */
export function postgresBin(): string | undefined {
  const versions = existsSync(installed) ? readdirSync(installed) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  const bin = newest === undefined ? undefined : join(installed, newest, 'bin');
  return bin !== undefined && existsSync(join(bin, 'initdb')) ? bin : undefined;
}

export interface Postgres {
  readonly port: number;
  readonly query: pg.Client['query'];
  /** Ends at once, as on a crash. */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** Listens on the loopback interface, with a superuser `postgres` whose password is `secret`. */
export async function startPostgres(bin: string): Promise<Postgres> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-postgres-'));
  const isRoot = process.getuid?.() === 0;
  // The server refuses to run as root.
  const as = isRoot ? ['runuser', '-u', 'postgres', '--'] : ['env'];
  if (isRoot) {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await exec('id', [flag, 'postgres'])).stdout)),
    );
    await chown(directory, uid as number, gid as number);
  }
  const [program = '', ...prefix] = as;
  const data = join(directory, 'data');
  const init = [
    '-D',
    data,
    '-U',
    'postgres',
    '-A',
    'trust',
    '-E',
    'UTF8',
    '--no-sync',
    '--locale=C',
  ];
  await exec(program, [...prefix, join(bin, 'initdb'), ...init], { cwd: directory });
  const port = await freePort();
  let child: ReturnType<typeof spawn> | undefined;
  let client = new pg.Client();
  const start = async () => {
    const options = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', directory, '-F'];
    child = spawn(program, [...prefix, join(bin, 'postgres'), ...options], {
      cwd: directory,
      stdio: 'ignore',
    });
    for (;;) {
      client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
      client.on('error', () => {});
      try {
        await client.connect();
        return;
      } catch {
        if (child.exitCode !== null) throw new Error(`PostgreSQL ended with ${child.exitCode}`);
        await new Promise((done) => setTimeout(done, 50));
      }
    }
  };
  const end = async (mode: 'immediate' | 'fast') => {
    const ended = new Promise((done) => child?.once('exit', done));
    await client.end().catch(() => {});
    const stop = [join(bin, 'pg_ctl'), 'stop', '-D', data, '-m', mode, '-w'];
    await exec(program, [...prefix, ...stop], { cwd: directory });
    await ended;
  };
  await start();
  return {
    port,
    query: ((...args: [string]) => client.query(...args)) as pg.Client['query'],
    start,
    kill: () => end('immediate'),
    stop: async () => {
      await end('immediate').catch(() => {});
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
