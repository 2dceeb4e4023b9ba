/** Runs one trial in a copy of its folder and tells the first thing that differs. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { difference } from './match.ts';
import {
  type Ended,
  millraceCommand,
  nodeCommand,
  Running,
  shellCommand,
  sourceCommandLine,
} from './process.ts';
import type { Expected, FileStep, HttpStep, RunStep, Step, Trial } from './trial.ts';

/** Trials run inside the source tree, so that their modules import `millrace` by its name. */
const workFolder = resolve(import.meta.dirname, '../../.trials');
const defaultSeconds = 120;

interface Stage {
  readonly cwd: string;
  readonly commandLine: readonly string[];
  background: Running | undefined;
  port: string;
}

/**
 * @param commandLine of `millrace`, as arguments of Node
 * @returns what differs, with the number of its step; undefined when the trial has passed
 */
export async function runTrial(
  trial: Trial,
  commandLine: readonly string[] = sourceCommandLine,
): Promise<string | undefined> {
  await mkdir(workFolder, { recursive: true });
  const cwd = await mkdtemp(join(workFolder, 'trial-'));
  const stage: Stage = { cwd, commandLine, background: undefined, port: '' };
  try {
    await cp(trial.folder, cwd, { recursive: true });
    for (const [i, step] of trial.steps.entries()) {
      const problem = await runStep(step, stage);
      if (problem !== undefined) return `step ${i + 1}: ${problem}`;
    }
    return undefined;
  } finally {
    stage.background?.kill('SIGKILL');
    await stage.background?.ended;
    await rm(cwd, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runStep(step: Step, stage: Stage): Promise<string | undefined> {
  if ('run' in step || 'node' in step || 'shell' in step) return runProcess(step, stage);
  if ('start' in step) return startBackground(step, stage);
  if ('stop' in step) return stopBackground(step, stage);
  if ('http' in step) return ask(step, stage);
  await changeFiles(step, stage.cwd);
  return undefined;
}

type Foreground = Extract<Step, { run: unknown } | { node: unknown } | { shell: unknown }>;

async function runProcess(step: Foreground, stage: Stage): Promise<string | undefined> {
  const running = new Running({
    command: commandOf(step, stage),
    cwd: stage.cwd,
    within: step.within ?? defaultSeconds,
    ...(step.env === undefined ? {} : { env: step.env }),
    ...(step.stdin === undefined ? {} : { stdin: await inputOf(step.stdin, stage) }),
  });
  const signal = (step as RunStep).signal;
  if (signal !== undefined) {
    await running.says(new RegExp(escaped(signal.after)));
    running.kill(signal.name);
  }
  return problemOf(await running.ended, step.expect ?? {});
}

function commandOf(step: Foreground, stage: Stage): string[] {
  if ('run' in step) return millraceCommand(stage.commandLine, argumentsOf(step.run, stage));
  if ('node' in step) return nodeCommand(argumentsOf(step.node, stage));
  return shellCommand(stage.commandLine, step.shell.replaceAll('{port}', stage.port));
}

function argumentsOf(args: string | readonly string[], { port }: Stage): string[] {
  const list = typeof args === 'string' ? args.split(' ').filter((arg) => arg !== '') : args;
  return list.map((arg) => arg.replaceAll('{port}', port));
}

async function inputOf(stdin: string | { readonly file: string }, { cwd }: Stage) {
  return typeof stdin === 'string' ? stdin : readFile(join(cwd, stdin.file));
}

async function startBackground(
  step: Extract<Step, { start: unknown }>,
  stage: Stage,
): Promise<string | undefined> {
  const running = new Running({
    command: millraceCommand(stage.commandLine, argumentsOf(step.start, stage)),
    cwd: stage.cwd,
    within: step.within ?? defaultSeconds,
    ...(step.env === undefined ? {} : { env: step.env }),
  });
  stage.background = running;
  const match = await running.says(new RegExp(step.until, 'm'));
  if (match !== undefined) {
    stage.port = match[1] ?? stage.port;
    return undefined;
  }
  const { code, stderr } = await running.ended;
  return `ended with ${code} before it printed ${step.until}: ${stderr}`;
}

async function stopBackground(
  step: Extract<Step, { stop: unknown }>,
  stage: Stage,
): Promise<string | undefined> {
  const running = stage.background;
  if (running === undefined) return 'nothing was started';
  running.kill(step.stop);
  const timer = setTimeout(() => running.kill('SIGKILL'), (step.within ?? 30) * 1_000);
  const ended = await running.ended;
  clearTimeout(timer);
  stage.background = undefined;
  return problemOf(ended, step.expect ?? {});
}

async function ask({ http, expect }: HttpStep, { port }: Stage): Promise<string | undefined> {
  const { method = 'GET', url, headers = {}, body } = http;
  const answer = await fetch(url.replaceAll('{port}', port), {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (answer.status !== expect.status) {
    return `status ${answer.status}, not ${expect.status}: ${text}`;
  }
  if (expect.text !== undefined && !text.includes(expect.text)) {
    return `the answer lacks ${expect.text}: ${text}`;
  }
  return expect.json === undefined
    ? undefined
    : difference(parsed(text), expect.json, 'the answer');
}

function problemOf(ended: Ended, expected: Expected): string | undefined {
  const { code, signal, stdout, stderr, timedOut } = ended;
  const said = `\nstandard error: ${stderr.slice(-2_000)}\nstandard output: ${stdout.slice(0, 2_000)}`;
  if (timedOut) return `did not end in time${said}`;
  const { exit = 0, error } = expected;
  if (signal !== null) return `ended by ${signal}${said}`;
  if (exit !== 'any' && code !== exit) return `ended with ${code}, not ${exit}${said}`;
  if (error !== undefined && !new RegExp(`^error ${error}\\b`, 'm').test(stderr)) {
    return `does not say error ${error}${said}`;
  }
  for (const text of listOf(expected.stdout)) {
    if (!stdout.includes(text)) return `standard output lacks ${text}${said}`;
  }
  for (const text of listOf(expected.stderr)) {
    if (!stderr.includes(text)) return `standard error lacks ${text}${said}`;
  }
  for (const text of listOf(expected.lacks)) {
    if (stdout.includes(text) || stderr.includes(text)) return `prints ${text}${said}`;
  }
  return jsonProblem(stdout, expected);
}

function jsonProblem(stdout: string, { json, rows }: Expected): string | undefined {
  if (json === undefined && rows === undefined) return undefined;
  const value = parsed(stdout);
  if (value === undefined) return `standard output is not JSON: ${stdout.slice(0, 2_000)}`;
  const found = json === undefined ? undefined : difference(value, json);
  return found ?? (rows === undefined ? undefined : difference(value, { $rows: rows }));
}

/** A text as JSON, or as a list of its lines where each of them is JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    try {
      return lines.map((line) => JSON.parse(line) as unknown);
    } catch {
      return undefined;
    }
  }
}

async function changeFiles(step: FileStep, cwd: string): Promise<void> {
  const { write, copy, remove, damage } = step;
  if (write !== undefined) {
    await mkdir(dirname(join(cwd, write.file)), { recursive: true });
    await writeFile(join(cwd, write.file), write.text, { flag: write.append === true ? 'a' : 'w' });
  }
  if (copy !== undefined) {
    await rm(join(cwd, copy.to), { recursive: true, force: true });
    await cp(join(cwd, copy.from), join(cwd, copy.to), { recursive: true });
  }
  if (remove !== undefined) await rm(join(cwd, remove), { recursive: true, force: true });
  if (damage !== undefined) await damageFiles(damage, cwd);
}

type Damage = NonNullable<FileStep['damage']>;

async function damageFiles({ folder, files, how, at }: Damage, cwd: string): Promise<void> {
  const below = await readdir(join(cwd, folder), { recursive: true });
  const named = below.filter((file) => file.endsWith(files)).map((file) => join(cwd, folder, file));
  let damaged = 0;
  for (const file of named) {
    if (!(await stat(file)).isFile()) continue;
    const bytes = await readFile(file);
    if (bytes.length === 0) continue;
    const place = Math.min(bytes.length - 1, Math.floor(bytes.length * at));
    if (how === 'flip') bytes[place] = (bytes[place] as number) ^ 1;
    if (how === 'zero') bytes.fill(0, place, place + 4_096);
    await writeFile(file, how === 'truncate' ? bytes.subarray(0, place) : bytes);
    damaged++;
  }
  if (damaged === 0) throw new Error(`no file below ${folder} ends in ${files}`);
}

function listOf(texts: string | readonly string[] | undefined): readonly string[] {
  if (texts === undefined) return [];
  return typeof texts === 'string' ? [texts] : texts;
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
