/**
 * A real Apicurio registry for tests, from Maven's central repository, in memory, in a process of
 * its own.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { kafkaProblem } from '../kafka/jars.ts';
import { mustRun } from '../kafka/questions.ts';

const exec = promisify(execFile);
const version = '2.6.13.Final';
const artifact = `io.apicurio:apicurio-registry-app:${version}:tar.gz:all`;
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace-registry');
const startMs = 300_000;

/**
 * False where there is no Java or Maven, for `describe.skipIf`; in continuous integration an error.
 */
export async function registryAvailable(): Promise<boolean> {
  const problem = existsSync(join(cache, version)) ? undefined : await kafkaProblem();
  if (problem === undefined) return true;
  if (mustRun()) throw new Error(`the suites that need a schema registry cannot run: ${problem}`);
  process.stderr.write(`The suites that need a schema registry are skipped: ${problem}.\n`);
  return false;
}

/** The folder with the runner; fetched when it is not in the cache. */
async function installed(): Promise<string> {
  const folder = join(cache, version);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const incomplete = await mkdtemp(join(cache, 'incomplete-'));
  try {
    const copy = ['dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${incomplete}`];
    await exec('mvn', ['-q', '-B', ...copy]);
    const [archive = ''] = await readdir(incomplete);
    await exec('tar', ['-xzf', join(incomplete, archive), '-C', incomplete]);
    await rm(join(incomplete, archive));
    // Another run may have been faster.
    await rename(incomplete, folder).catch(() => {});
  } finally {
    await rm(incomplete, { recursive: true, force: true });
  }
  return folder;
}

export interface RunningRegistry {
  /** Of the API that Confluent's registry has. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startRegistry(): Promise<RunningRegistry> {
  const folder = await installed();
  const port = await freePort();
  const work = await mkdtemp(join(tmpdir(), 'millrace-registry-'));
  const jar = join(folder, `apicurio-registry-app-${version}-runner.jar`);
  const child = spawn('java', ['-Xmx384m', '-XX:+UseSerialGC', '-jar', jar], {
    cwd: work,
    env: { ...process.env, QUARKUS_HTTP_PORT: String(port), QUARKUS_HTTP_HOST: '127.0.0.1' },
    stdio: 'ignore',
  });
  const ended = new Promise<void>((done) => child.once('close', () => done()));
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    process.off('exit', kill);
    kill();
    await ended;
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  };
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`;
  for (const end = Date.now() + startMs; ; await sleep(100)) {
    const answer = await fetch(`${url}/subjects`).catch(() => undefined);
    if (answer?.status === 200) return { url, stop };
    if (child.exitCode !== null || Date.now() > end) {
      await stop();
      throw new Error('the schema registry does not start');
    }
  }
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });
}
