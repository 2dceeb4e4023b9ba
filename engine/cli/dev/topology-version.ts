/**
 * One version of the topology, in its own process, so that module caches do not survive an edit.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Planned } from '../plan-command.ts';
import type { Begin, FromVersion, ToVersion, VersionOptions } from './dev-protocol.ts';

/** Extra time after its own deadline for the process to end. */
const graceMs = 2_000;

export class Version {
  /** The effect on the state; undefined if the process has ended after reporting the reason. */
  readonly planned: Promise<Planned | undefined>;
  /** Its exit code; null if it was ended by a signal. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #stopWithinMs: number;

  /**
   * @param program the process's own module: it calls `serveVersion`
   * @param stopWithinMs from the first signal to the end of the process, at most
   */
  constructor(program: URL, module: string, options: VersionOptions, stopWithinMs: number) {
    this.#stopWithinMs = stopWithinMs;
    const child = fork(fileURLToPath(program), [], {
      // Ctrl-C reaches only this process, which forwards it once.
      detached: true,
      env: onEmbeddedLog(process.env),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.ended = new Promise((resolve) => {
      child.once('error', () => resolve(1));
      child.once('exit', (code) => resolve(code));
    });
    const planned = new Promise<Planned>((resolve) => {
      child.once('message', (message: FromVersion) => resolve(message));
    });
    this.planned = Promise.race([planned, this.ended.then(() => undefined)]);
    this.#send({ kind: 'load', module, options });
  }

  /** Starts it, after the previous version has ended. */
  begin(begin: Begin): void {
    this.#send({ kind: 'begin', begin });
  }

  /** Stops it, after its current cycle; a second call stops it at once. Returns its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#stopWithinMs + graceMs);
    const code = await this.ended;
    clearTimeout(timer);
    return code;
  }

  #send(message: ToVersion): void {
    // A process that has just ended receives nothing; `ended` reports it.
    this.#child.send(message, () => {});
  }
}

/** Without the brokers of the environment: edits run on the embedded log. */
function onEmbeddedLog(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith('MILLRACE_KAFKA_'));
  return Object.fromEntries(kept);
}
