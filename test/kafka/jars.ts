/**
 * Apache Kafka's jars, taken from Maven's central repository once and kept in the user's cache, and
 * whether this machine can run them.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const exec = promisify(execFile);
const pom = resolve(import.meta.dirname, 'pom.xml');
const version = '4.1.2';
const oldestJava = 17;

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'millrace-kafka');
const folder = join(cache, version);

/** Why no broker can run here; undefined when one can. */
export async function kafkaProblem(): Promise<string | undefined> {
  const java = await javaVersion();
  if (java === undefined) return `there is no java; Java ${oldestJava} or later is needed`;
  if (java < oldestJava) return `Java is ${java}; ${oldestJava} or later is needed`;
  if (existsSync(folder)) return undefined;
  try {
    await exec('mvn', ['--version']);
    return undefined;
  } catch {
    return "there is no mvn, which fetches Kafka's jars";
  }
}

async function javaVersion(): Promise<number | undefined> {
  try {
    const { stderr, stdout } = await exec('java', ['-version']);
    return Number(/version "(\d+)/.exec(stderr + stdout)?.[1]);
  } catch {
    return undefined;
  }
}

/** The class path with all of Kafka; fetches the jars when they are not in the cache. */
export async function kafkaClassPath(): Promise<string> {
  await mkdir(cache, { recursive: true });
  const lock = join(cache, 'lock');
  while (!existsSync(folder)) {
    if (!(await taken(lock))) {
      await sleep(200);
      continue;
    }
    try {
      if (!existsSync(folder)) await fetchJars();
    } finally {
      await rm(lock, { recursive: true, force: true });
    }
  }
  return join(folder, '*');
}

/** Takes the lock, or looks whether its owner still lives. */
async function taken(lock: string): Promise<boolean> {
  const owner = join(lock, 'pid');
  try {
    await mkdir(lock);
    await writeFile(owner, String(process.pid));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  try {
    process.kill(Number(readFileSync(owner, 'utf8')) || process.pid, 0);
  } catch (error) {
    const dead = (error as NodeJS.ErrnoException).code === 'ESRCH';
    if (dead) await rm(lock, { recursive: true, force: true });
  }
  return false;
}

async function fetchJars(): Promise<void> {
  const incomplete = join(cache, `${version}.${process.pid}`);
  await rm(incomplete, { recursive: true, force: true });
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${incomplete}`];
  await exec('mvn', ['-q', '-B', '-f', pom, ...goal]);
  await rename(incomplete, folder);
}
