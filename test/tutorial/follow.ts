/**
 * Follows docs/TUTORIAL.md as a reader would: writes its files, makes its edits, runs its commands,
 * presses its keys, and compares what is told with the page. The project finds the source tree as
 * the package.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { builtCommandLine } from '../built.ts';

const root = resolve(import.meta.dirname, '../..');

/** A block of the page, or a remark `[//]: # (...)`, which readers do not see. */
interface Block {
  /** Of a block `sh until Ctrl-C`, `ts`, `text`; a remark is 'remark'. */
  readonly kind: string;
  readonly text: string;
}

/** The blocks of the page under headings that `isPart` takes. */
export async function blocksOf(isPart: (heading: string) => boolean): Promise<Block[]> {
  const page = await readFile(join(root, 'docs/TUTORIAL.md'), 'utf8');
  const parts = page.split(/^(?=## )/m).filter((part) => isPart(part.split('\n')[0] ?? ''));
  return parts.flatMap((part) =>
    [...part.matchAll(/^```([^\n]+)\n([\s\S]*?)^```$|^\[\/\/\]: # \((.*)\)$/gm)].map(
      ([, kind = 'remark', text = '', remark = '']) => ({ kind, text: text || remark }),
    ),
  );
}

export class Reader {
  readonly #folder: string;
  readonly #replace: (command: string) => string;
  /** What the last command has told. */
  #told = '';
  #terminal:
    | { readonly child: ChildProcess; told: string; readonly ended: Promise<number | null> }
    | undefined;

  /** @param replace what in commands is other here: ports, brokers */
  constructor(folder: string, replace: (command: string) => string) {
    this.#folder = folder;
    this.#replace = replace;
  }

  /** Throws where the page is wrong. */
  async follow(blocks: readonly Block[]): Promise<void> {
    for (const { kind, text } of blocks) {
      try {
        await this.#do(kind, text);
      } catch (error) {
        throw new Error(`at ${kind}:\n${text}\n${(error as Error).message}`);
      }
    }
  }

  /** Ends what still runs. */
  async close(): Promise<void> {
    this.#terminal?.child.kill('SIGKILL');
    await this.#terminal?.ended;
  }

  async #do(kind: string, text: string): Promise<void> {
    if (kind === 'sh project') await this.#makeProject();
    else if (kind === 'sh') await this.#run(text);
    else if (kind === 'sh until Ctrl-C') await this.#begin(text);
    else if (kind === 'ts') await this.#edit(text);
    else if (kind === 'text') this.#compare(text);
    else if (kind === 'remark') await this.#remark(text);
    else throw new Error(`nobody knows what to do with a block of ${kind}`);
  }

  async #makeProject(): Promise<void> {
    const create = join(root, 'packages/create-millrace/create.mjs');
    await promisify(execFile)(process.execPath, [create, this.#folder]);
    // In place of npm install.
    const modules = join(this.#folder, 'node_modules');
    await mkdir(join(modules, '.bin'), { recursive: true });
    await symlink(root, join(modules, 'millrace'));
    await symlink(join(root, 'node_modules/tsx'), join(modules, 'tsx'));
    const bin = join(modules, '.bin/millrace');
    await writeFile(bin, `#!/bin/sh\nexec node ${builtCommandLine} "$@"\n`);
    await chmod(bin, 0o755);
  }

  get #environment() {
    return {
      ...process.env,
      MILLRACE_HTTP: '0',
      npm_config_update_notifier: 'false',
    };
  }

  async #run(commands: string): Promise<void> {
    this.#told = '';
    const child = spawn('bash', ['-c', `set -euo pipefail\n${this.#replace(commands)}`], {
      cwd: this.#folder,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      this.#told += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const code = await new Promise((done) => child.on('close', done));
    if (code !== 0) throw new Error(`exit code ${code}\n${this.#told}\n${errors}`);
  }

  /** Begins a command in the first terminal; it has begun when it tells its address. */
  async #begin(command: string): Promise<void> {
    // npm would not pass a signal on to what it runs.
    const { scripts } = JSON.parse(await readFile(join(this.#folder, 'package.json'), 'utf8'));
    const script = /^npm run (\S+)/.exec(command)?.[1];
    const line = script === undefined ? command : (scripts[script] as string);
    const path = `${join(this.#folder, 'node_modules/.bin')}:${process.env['PATH']}`;
    const child = spawn('bash', ['-c', `exec ${this.#replace(line).replace(/^npx /, '')}`], {
      cwd: this.#folder,
      env: { ...this.#environment, PATH: path },
    });
    const ended = new Promise<number | null>((done) => child.on('close', done));
    const terminal = { child, told: '', ended };
    child.stderr.on('data', (chunk: Buffer) => {
      terminal.told += chunk.toString();
    });
    this.#terminal = terminal;
    await this.#says('/console/\n');
  }

  async #edit(text: string): Promise<void> {
    const [head = '', ...lines] = text.split('\n');
    const [, file = '', before] = /^\/\/ (\S+?)(?:, in place of: (.*))?$/.exec(head) ?? [];
    const path = join(this.#folder, file);
    await mkdir(dirname(path), { recursive: true });
    if (before === undefined) return writeFile(path, lines.join('\n'));
    const source = await readFile(path, 'utf8');
    if (source.split(before).length !== 2) throw new Error(`${file} has no one '${before}'`);
    await writeFile(
      path,
      source.replace(before, () => lines.join('\n').trimEnd()),
    );
  }

  async #remark(text: string): Promise<void> {
    const terminal = this.#terminal;
    if (terminal === undefined) throw new Error('nothing runs in the first terminal');
    if (text === 'dev says') this.#told = await this.#says('/console/\n');
    else if (text === 'dev asks') this.#told = await this.#says('runs on meanwhile\n');
    else if (text.startsWith('press ')) {
      terminal.child.stdin?.write(text.slice('press '.length));
      await this.#says('/console/\n');
    } else if (text === 'stop') {
      terminal.child.kill('SIGINT');
      const code = await terminal.ended;
      if (code !== 0) throw new Error(`exit code ${code}\n${terminal.told}`);
      this.#terminal = undefined;
    } else throw new Error(`nobody knows the remark ${text}`);
  }

  /** Waits for a text in the first terminal; answers what was told up to it, and forgets that. */
  async #says(text: string): Promise<string> {
    const terminal = this.#terminal;
    if (terminal === undefined) throw new Error('nothing runs in the first terminal');
    while (!terminal.told.includes(text)) {
      const more = new Promise((done) => terminal.child.stderr?.once('data', done));
      const ended = terminal.ended.then(() => 'ended');
      if ((await Promise.race([more, ended])) === 'ended' && !terminal.told.includes(text)) {
        throw new Error(`it ended without saying ${text}:\n${terminal.told}`);
      }
    }
    const end = terminal.told.indexOf(text) + text.length;
    const told = terminal.told.slice(0, end);
    terminal.told = terminal.told.slice(end);
    return told;
  }

  /** Each line must have been told, in order; `...` stands for any. */
  #compare(text: string): void {
    let from = 0;
    for (const line of text.split('\n').filter((one) => one !== '' && one !== '...')) {
      const at = this.#told.indexOf(line.trimStart(), from);
      if (at < 0) throw new Error(`it does not tell '${line}'; it told\n${this.#told}`);
      from = at + line.trimStart().length;
    }
  }
}
