/** The form of a trial (test/trials/README.md), and how the trials of a folder are found. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** What a process must have printed and how it must have ended. */
export interface Expected {
  /** Exit code; default 0. `'any'` accepts every code, but no signal. */
  readonly exit?: number | 'any';
  /** Code of the error on standard error, e.g. CONFIG_INVALID. */
  readonly error?: string;
  /** Each text is contained in standard output. */
  readonly stdout?: string | readonly string[];
  readonly stderr?: string | readonly string[];
  /** None of these texts is contained in standard output or standard error. */
  readonly lacks?: string | readonly string[];
  /** Pattern of standard output as JSON, or of its lines where each is JSON. */
  readonly json?: unknown;
  /** Rows of standard output as JSON, in any order: short for `json: { $rows: [...] }`. */
  readonly rows?: readonly unknown[];
}

/** Arguments of a command: a list, or a text that is split at spaces. */
type Arguments = string | readonly string[];

interface ProcessStep {
  /** Text of standard input, or `{ file }`. */
  readonly stdin?: string | { readonly file: string };
  readonly env?: Readonly<Record<string, string>>;
  /** Seconds until the process is killed and the trial has failed; default 120. */
  readonly within?: number;
  readonly expect?: Expected;
}

export interface RunStep extends ProcessStep {
  /** Arguments of the command line `millrace`. */
  readonly run: Arguments;
  /** Sends a signal when standard error or output contains `after`. */
  readonly signal?: { readonly name: NodeJS.Signals; readonly after: string };
}

export interface NodeStep extends ProcessStep {
  /** A script of the trial's folder, `.ts` or `.js`, with arguments. */
  readonly node: Arguments;
}

export interface ShellStep extends ProcessStep {
  /** A shell command; `millrace` is the command line. */
  readonly shell: string;
}

export interface BackgroundStep extends ProcessStep {
  /** Starts `millrace` and goes on when standard error or output matches `until`. */
  readonly start: Arguments;
  /** Regular expression; its first group, if any, becomes `{port}` in later steps. */
  readonly until: string;
}

export interface StopStep {
  /** Sends the signal to the process of the last `start` and waits for its end. */
  readonly stop: NodeJS.Signals;
  readonly within?: number;
  readonly expect?: Expected;
}

export interface HttpStep {
  readonly http: {
    readonly method?: string;
    readonly url: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: unknown;
  };
  readonly expect: { readonly status: number; readonly json?: unknown; readonly text?: string };
}

export interface FileStep {
  /** Writes `text` to a file, or appends it. */
  readonly write?: { readonly file: string; readonly text: string; readonly append?: boolean };
  readonly copy?: { readonly from: string; readonly to: string };
  readonly remove?: string;
  /** Changes every file that ends in `files` below `folder`. */
  readonly damage?: {
    readonly folder: string;
    readonly files: string;
    readonly how: 'flip' | 'zero' | 'truncate';
    /** Where, as a share of the file from 0 to 1. */
    readonly at: number;
  };
}

export type Step = RunStep | NodeStep | ShellStep | BackgroundStep | StopStep | HttpStep | FileStep;

export interface Trial {
  /** What holds, in a sentence. */
  readonly title: string;
  readonly steps: readonly Step[];
  /** Path below the folder that was asked for, without `.trial.json` or `/trial.json`. */
  readonly name: string;
  /** Folder whose files the trial may use: it runs in a copy. */
  readonly folder: string;
}

/** Every trial below `directory`, by name. Throws when a file is not a trial. */
export function trialsIn(directory: string): Trial[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(^|\/)trial\.json$|\.trial\.json$/.test(file))
    .sort()
    .map((file) => readTrial(directory, join(directory, file)));
}

function readTrial(directory: string, file: string): Trial {
  let read: Partial<Trial>;
  try {
    read = JSON.parse(readFileSync(file, 'utf8')) as Partial<Trial>;
  } catch (error) {
    throw new Error(`${file} is not JSON: ${String(error)}`);
  }
  const { title, steps } = read;
  if (typeof title !== 'string' || !Array.isArray(steps) || steps.length === 0) {
    throw new Error(`${file} needs "title", a text, and "steps", a list that is not empty`);
  }
  const name = relative(directory, file).replace(/(\/|\.)?trial\.json$/, '') || 'trial';
  return { title, steps, name, folder: dirname(file) };
}
