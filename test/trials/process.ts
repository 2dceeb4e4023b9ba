/** Processes of a trial: started in its folder, bounded in time, ended by their own process id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const nodeArguments = ['--conditions=millrace-source', `--import=${import.meta.resolve('tsx')}`];
/** The command line `millrace` as sources, as arguments of Node. */
export const sourceCommandLine: readonly string[] = [
  ...nodeArguments,
  join(root, 'topologies/app/main.ts'),
];

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

export interface Launch {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  /** Seconds. */
  readonly within: number;
}

/** A process and what it has printed so far. */
export class Running {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';
  #timedOut = false;

  constructor({ command, cwd, env = {}, stdin, within }: Launch) {
    const [program = process.execPath, ...args] = command;
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    // A process that ends without reading its input closes the pipe.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin ?? '');
    const timer = setTimeout(() => {
      this.#timedOut = true;
      child.kill('SIGKILL');
    }, within * 1_000);
    this.ended = new Promise((done, fail) => {
      child.once('error', fail);
      child.once('close', (code, signal) => {
        clearTimeout(timer);
        const [stdout, stderr] = [this.#stdout, this.#stderr];
        done({ code, signal, stdout, stderr, timedOut: this.#timedOut });
      });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Resolves with the match when the output matches; undefined when the process ended first. */
  async says(pattern: RegExp): Promise<RegExpExecArray | undefined> {
    return new Promise((done) => {
      const look = () => {
        const match = pattern.exec(this.#stderr) ?? pattern.exec(this.#stdout);
        if (match !== null) done(match);
      };
      this.#child.stderr?.on('data', look);
      this.#child.stdout?.on('data', look);
      look();
      void this.ended.then(() => done(undefined));
    });
  }
}

/** A script of a trial as a Node process. */
export function nodeCommand(args: readonly string[]): string[] {
  return [process.execPath, ...nodeArguments, ...args];
}

/** The command line `millrace`. */
export function millraceCommand(commandLine: readonly string[], args: readonly string[]): string[] {
  return [process.execPath, ...commandLine, ...args];
}

/** A shell command in which `millrace` is the command line. */
export function shellCommand(commandLine: readonly string[], command: string): string[] {
  const quoted = [process.execPath, ...commandLine].map((part) => `'${part}'`).join(' ');
  return ['bash', '-c', `millrace() { ${quoted} "$@"; }\nset -o pipefail\n${command}`];
}
