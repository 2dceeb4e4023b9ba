/**
 * `dev`: runs a topology and restarts it after each edit of the module or its imports. State is
 * kept if `plan` allows it; before losing any, it asks. If a module does not work, the error is
 * reported, and the previous version keeps running until the next edit.
 */
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { MillraceError } from '../../base/errors.ts';
import { standardInput } from '../../connect/content.ts';
import type { Change } from '../../graph/deployment.ts';
import { standardPort } from '../common-options.ts';
import { stopWithinMs } from '../interrupt.ts';
import { table } from '../output.ts';
import { lostBy, type Planned } from '../plan-command.ts';
import type { Begin, VersionOptions } from './dev-protocol.ts';
import { readKeys } from './keys.ts';
import { Version } from './topology-version.ts';
import { type Build, shortPath, watchModule } from './watch.ts';

export interface DevOptions extends VersionOptions {
  /** Drop state without asking. */
  readonly dropState?: boolean;
}

const interruptedCode = 130;
const kept: Begin = { fresh: false, orphan: [] };

/**
 * Returns the exit code after an interrupt.
 * @param versionProgram that runs one version: it calls `serveVersion`
 */
export async function dev(
  module: string,
  options: DevOptions,
  versionProgram: URL,
): Promise<number> {
  if (options.tokens.some(({ name, value }) => name === 'input' && value === standardInput)) {
    const problem =
      'dev reads keys from standard input: give --input a file, which can be read again';
    throw new MillraceError('USAGE', { problem });
  }
  const path = resolve(module);
  const http = await lastingPort(options);
  const session = new Session(path, { ...options, http }, versionProgram);
  if ((process.env['MILLRACE_KAFKA_BROKERS'] ?? '') !== '') {
    say('the embedded log is used; MILLRACE_KAFKA_BROKERS is for `run`');
  }
  say(`watching ${shortPath(path)} and what it imports; r starts over, q ends`);
  const watch = await watchModule(path, (build) => session.built(build));
  const keys = readKeys((key) => session.key(key));
  process.on('SIGINT', () => session.interrupt());
  process.on('SIGTERM', () => session.interrupt());
  const code = await session.ended;
  keys.close();
  await watch.close();
  return code;
}

function say(text: string): void {
  process.stderr.write(`dev: ${text}\n`);
}

/**
 * The default port, or a free one. It stays the same across edits, so that an open page keeps
 * working.
 */
async function lastingPort({ http, httpHost }: DevOptions): Promise<number> {
  const probe = (port: number) =>
    new Promise<number | undefined>((resolved) => {
      const server = createServer();
      server.once('error', () => resolved(undefined));
      server.listen(port, httpHost ?? '127.0.0.1', () => {
        const address = server.address();
        const found = typeof address === 'object' && address !== null ? address.port : port;
        server.close(() => resolved(found));
      });
    });
  // If a requested port is in use, the listening process reports it.
  if (http !== undefined && http !== 0) return http;
  const usual = http === undefined ? await probe(standardPort) : undefined;
  return usual ?? (await probe(0)) ?? standardPort;
}

type Built = Extract<Build, { kind: 'built' }>;

/** A version that waits for an answer, because it would drop state. */
interface Asking {
  readonly version: Version;
  readonly hash: string;
  readonly begin: Begin;
}

/** The running version, the next one, and the open question. Works on one thing at a time. */
class Session {
  readonly ended: Promise<number>;
  readonly #module: string;
  readonly #versionProgram: URL;
  readonly #options: VersionOptions;
  readonly #dropState: boolean;
  readonly #stopWithinMs: number;
  #end: (code: number) => void = () => {};
  #turn: Promise<void> = Promise.resolve();
  #running: Version | undefined;
  /** Of the code that runs. */
  #runningHash = '';
  /** Loaded, but not yet started. */
  #loading: Version | undefined;
  #asking: Asking | undefined;
  /** The newest build; older ones are skipped. */
  #newest: Build | undefined;
  #isEnding = false;

  constructor(module: string, { dropState = false, ...options }: DevOptions, versionProgram: URL) {
    this.#module = module;
    this.#versionProgram = versionProgram;
    this.#options = options;
    this.#dropState = dropState;
    this.#stopWithinMs = options.stopWithin ?? stopWithinMs;
    this.ended = new Promise((resolved) => {
      this.#end = resolved;
    });
  }

  built(build: Build): void {
    this.#newest = build;
    // The version that is loading belongs to an earlier edit.
    void this.#loading?.stop();
    this.#next(async () => {
      if (build !== this.#newest) return;
      const wasAsking = this.#forgetAsking();
      if (build.kind === 'failed') {
        process.stderr.write(`${build.problems}\n`);
        return this.#waits();
      }
      if (this.#running !== undefined && build.hash === this.#runningHash) {
        if (wasAsking) say('this is what runs: nothing is lost');
        return;
      }
      await this.#try(build, (planned) => this.#lossless(planned));
    });
  }

  key(key: string): void {
    if (key === '\u0003' || key === 'q') this.interrupt();
    if (key === 'r') this.#next(() => this.#anew());
    if (key === 's') this.#next(() => this.#again());
    if (key === 'd') this.#next(() => this.#dropAsked());
  }

  /** Finishes the cycle and commits; a second call stops at once. */
  interrupt(): void {
    if (this.#isEnding) {
      void this.#running?.stop();
      return;
    }
    this.#isEnding = true;
    void this.#loading?.stop();
    this.#forgetAsking();
    const running = this.#running;
    const stopped = running?.stop();
    void this.#turn
      .then(async () => (await stopped) ?? (running === undefined ? 0 : interruptedCode))
      .then((code) => this.#end(code));
  }

  #next(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(() => (this.#isEnding ? undefined : work()));
  }

  async #dropAsked(): Promise<void> {
    const asking = this.#asking;
    this.#asking = undefined;
    if (asking !== undefined) await this.#switch(asking);
  }

  /** A version that failed for a reason outside its code may work now. */
  async #again(): Promise<void> {
    const build = this.#newest;
    if (this.#running !== undefined || this.#asking !== undefined) return;
    if (build?.kind !== 'built') return this.#waits();
    await this.#try(build, (planned) => this.#lossless(planned));
  }

  async #anew(): Promise<void> {
    this.#forgetAsking();
    const build = this.#newest;
    if (build?.kind !== 'built') return this.#waits();
    await this.#try(build, () => ({ fresh: true, orphan: [] }));
  }

  /** Loads a version, and starts it if `decide` returns how. */
  async #try(build: Built, decide: (planned: Planned) => Begin | undefined): Promise<void> {
    const { hash } = build;
    const version = new Version(
      this.#versionProgram,
      this.#module,
      this.#options,
      this.#stopWithinMs,
    );
    this.#loading = version;
    const planned = await version.planned;
    this.#loading = undefined;
    if (planned === undefined) {
      // A newer edit replaced this version; only that one is reported.
      if (build === this.#newest && !this.#isEnding) this.#waits();
      return;
    }
    const begin = decide(planned);
    if (begin !== undefined) return this.#switch({ version, hash, begin });
    const lost = lostBy(planned.changes);
    const how = howToLose(lost);
    if (this.#dropState) {
      say(`--drop-state: ${this.#toldOf(how)}`);
      return this.#switch({ version, hash, begin: how });
    }
    this.#asking = { version, hash, begin: how };
    say(`press d (or start with --drop-state) and ${this.#toldOf(how)}; or edit again`);
    if (this.#running !== undefined) say('the version before runs on meanwhile');
  }

  /**
   * How to start a version without dropping state. If it would drop state, reports it and returns
   * undefined.
   */
  #lossless({ changes }: Planned): Begin | undefined {
    const lost = lostBy(changes);
    const told = lost.length > 0 ? changes : changes.filter(({ verdict }) => verdict !== 'new');
    if (told.length > 0) {
      const rows = told.map(({ verdict, type, name, why }) => [verdict, type, name, why]);
      say(lost.length === 0 ? 'state is kept:' : 'this edit loses state:');
      process.stderr.write(`${table(['', 'what', 'name', 'why'], rows)}\n`);
    }
    return lost.length === 0 ? kept : undefined;
  }

  #toldOf({ fresh, orphan }: Begin): string {
    if (!fresh) return `leave ${orphan.join(', ')} behind: later versions cannot go on with it`;
    return `begin anew: log and state in ${this.#options.data} are deleted, input files are read from their start`;
  }

  async #switch({ version, hash, begin }: Asking): Promise<void> {
    const before = this.#running;
    this.#running = undefined;
    await before?.stop();
    if (this.#isEnding) {
      await version.stop();
      return;
    }
    this.#running = version;
    this.#runningHash = hash;
    version.begin(begin);
    void version.ended.then((code) => {
      if (this.#running !== version || this.#isEnding) return;
      this.#running = undefined;
      say(`it ended with ${code === null ? 'a signal' : `exit code ${code}`}`);
      this.#waits();
    });
  }

  #waits(): void {
    if (this.#running !== undefined) say('the version before runs on; waiting for the next edit');
    else say('waiting for the next edit; s starts it again');
  }

  /** Returns true if a question was open. */
  #forgetAsking(): boolean {
    const asking = this.#asking;
    void asking?.version.stop();
    this.#asking = undefined;
    return asking !== undefined;
  }
}

/** An unreadable store cannot be continued; a store without a step stays where it is. */
function howToLose(lost: readonly Change[]): Begin {
  if (lost.some(({ verdict }) => verdict === 'refuse')) return { fresh: true, orphan: [] };
  return { fresh: false, orphan: lost.map(({ name }) => name) };
}
