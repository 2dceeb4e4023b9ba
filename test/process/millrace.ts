/** Runs the command line, or another script of the source tree, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { onTestFinished } from 'vitest';
import { builtScript } from '../built.ts';

const root = resolve(import.meta.dirname, '../..');
const loader = ['--conditions=millrace-source', '--import=tsx'];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /**
   * Resolves when standard error has said `text`; rejects when the process ends first.
   * @param from how much of standard error, in characters, is past and does not count
   */
  says(text: string, from?: number): Promise<void>;
  /** All of standard error so far. */
  said(): string;
}

/**
 * In tests the command line, and what is started often, runs as it is shipped (test/built.ts): it
 * starts in a tenth of the time that sources take. Programs beside the tests, for which nothing was
 * built, run the sources.
 */
function nodeArguments(script: string): string[] {
  const built = process.env['VITEST'] === undefined ? undefined : builtScript(script);
  return built === undefined ? [...loader, join(root, script)] : [built];
}

/**
 * @param script path in the source tree
 * @param env added to this process's own
 */
export function launch(script: string, args: readonly string[], env = {}): Running {
  const child = spawn(process.execPath, [...nodeArguments(script), ...args], {
    cwd: root,
    env: { ...process.env, ...env },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Ended>((done) => {
    child.on('close', (code, signal) => done({ code, signal, stdout, stderr }));
  });
  const says = (text: string, from = 0) =>
    new Promise<void>((done, fail) => {
      const look = () => {
        if (stderr.includes(text, from)) done();
      };
      child.stderr?.on('data', look);
      look();
      void ended.then(() => fail(new Error(`ended without saying ${text}; it said ${stderr}`)));
    });
  return { child, ended, says, said: () => stderr };
}

export function millrace(...args: readonly string[]): Promise<Ended> {
  return launch('topologies/app/main.ts', args).ended;
}

/** An empty folder that is deleted when the test is over. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
