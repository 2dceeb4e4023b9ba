/**
 * `load`: a bounded run for schedulers. It takes in what is there, ends, and writes a manifest. A
 * night that is loaded again adds nothing, and keeps its first manifest.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { MillraceError } from 'millrace';
import {
  deadLetterTopic,
  type Execution,
  environment,
  execute,
  type Log,
  loadTopology,
  messageOf,
} from 'millrace/engine';
import {
  type Cursor,
  checkTaken,
  type FileInput,
  groupSources,
  inputGroups,
  openKeptLog,
  print,
  printJson,
  readCursors,
  standardInput,
} from '../../../engine/cli/index.ts';
import type { PersonalisationConfig } from '../../personalisation.ts';
import { application, personalisationModule, ready } from '../application.ts';
import { keptParams } from '../configuration.ts';
import { eventMappings, type MappingReader, mappingsOnce } from '../mappings.ts';
import { clockOf } from '../start-report.ts';
import { type TakeInOptions, takeIn } from '../take-in.ts';
import { type CorrectedNight, correctNight } from './correct-night.ts';
import { type Letter, lettersOf } from './night-letters.ts';
import {
  beginNight,
  type ChangedNight,
  changedNights,
  endNight,
  type NightBegin,
} from './nights.ts';

export interface LoadOptions extends TakeInOptions {
  /** Path of the manifest to write. */
  readonly manifest: string;
}

/** A file of the night. */
interface LoadedFile {
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 of its bytes as stored, before decompression. */
  readonly sha256: string;
  /** Rows that were read of it; those of earlier runs are included. */
  readonly rows: number;
  /** How many of these rows became dead letters, by reason. */
  readonly rejected: Readonly<Record<string, number>>;
}

export interface Manifest {
  readonly version: 1;
  readonly application: string;
  /** 'corrected' when a night was given with other rows; 'unchanged' when nothing was new. */
  readonly result: 'loaded' | 'corrected' | 'unchanged';
  /** Whether an earlier run had begun these files. */
  readonly continued: boolean;
  readonly inputs: readonly LoadedFile[];
  /** Nights that were given with other rows than before; `rows` counts them as they are now. */
  readonly corrected: readonly Pick<CorrectedNight, 'files' | 'subjects' | 'events'>[];
  /** Rows of this run: in = out + rejected + skipped, where a row becomes one event. */
  readonly rows: {
    readonly in: number;
    readonly out: number;
    readonly rejected: Readonly<Record<string, number>>;
    readonly skipped: Readonly<Record<string, number>>;
  };
  readonly sources: readonly { readonly name: string; readonly rows: number }[];
  /** Events of this run: in = processed + dropped + dead-lettered. */
  readonly events: {
    readonly in: number;
    readonly processed: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly deadLettered: number;
  };
  /** The event time reached, ISO 8601; null before the first event. */
  readonly watermark: string | null;
}

export async function load(options: LoadOptions): Promise<void> {
  const groups = inputGroups(options.tokens);
  if (groups.length === 0 && options.sources === undefined) {
    throw new MillraceError('USAGE', {
      problem: '`load` needs --input with --mapping, or --sources',
    });
  }
  if (groups.some(({ inputs }) => inputs.includes(standardInput))) {
    throw new MillraceError('USAGE', { problem: '`load` reads files: standard input has no name' });
  }
  let begin: Begin | undefined;
  const mappingOf = mappingsOnce();
  const corrected = await correctNights(options, mappingOf);
  await takeIn(options, {
    mappingOf,
    async begin(execution, sources) {
      begin = await beginOf(execution, sources, corrected);
    },
    async interrupted({ sources }, { log, application }) {
      if (begin !== undefined) await endNight(log, application, begin.night);
      const rows = sources.reduce((sum, { records }) => sum + records, 0);
      throw new MillraceError('LOAD_INTERRUPTED', { rows });
    },
    async report(execution) {
      const { log, application } = execution;
      await endNight(log, application, (begin as Begin).night);
      const manifest = await manifestOf(execution, begin as Begin);
      await keep(options.manifest, manifest);
      if (options.json === true) printJson(manifest);
      else print(textOf(manifest, options.manifest));
      checkTaken(execution.runtime.summary);
    },
  });
}

/**
 * Corrects nights that are given with other rows than before, and lets the application process the
 * corrections.
 */
async function correctNights(
  options: LoadOptions,
  mappingOf: MappingReader,
): Promise<CorrectedNight[]> {
  const env = environment(options.data, options.stateBackend);
  const groups = inputGroups(options.tokens).filter(({ mapping }) => mapping !== undefined);
  const kept = await keptParams(env);
  if (kept?.application !== ready || groups.length === 0) return [];
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const reference = { module: personalisationModule };
  const sources = await groupSources(
    await loadTopology(reference),
    groups,
    () => {},
    eventMappings(mappingOf),
  );
  const log = await openKeptLog(env, ready);
  let changed: ChangedNight[];
  try {
    changed = await changedNights(log, ready, sources);
  } finally {
    await log.close();
  }
  if (changed.length === 0) return [];
  const { threads, logLevel, memory } = options;
  const execution = await execute({
    env,
    reference: { ...reference, params: kept.params },
    threads,
    logLevel,
    mappings: application.mappings,
    ...(memory === undefined ? {} : { settings: { memoryBytes: memory } }),
  });
  const corrected: CorrectedNight[] = [];
  try {
    const { runtime } = execution;
    await runtime.runUntilCaughtUp();
    for (const night of changed) {
      const one = await correctNight(
        execution,
        (kept.params ?? {}) as PersonalisationConfig,
        night,
      );
      say(`${one.files.join(', ')} is corrected: ${one.subjects} subjects are recomputed`);
      corrected.push(one);
      await runtime.runUntilCaughtUp();
    }
    const clock = await clockOf(runtime);
    if (Number.isFinite(clock)) await runtime.advanceIdle(clock);
  } finally {
    await execution.close();
  }
  return corrected;
}

/** What is known before anything is read. */
interface Begin {
  readonly corrected: readonly CorrectedNight[];
  readonly night: NightBegin;
  readonly sources: readonly FileInput[];
  readonly deadLetters: number;
  readonly known: ReadonlySet<string>;
}

async function beginOf(
  { log, application }: Execution,
  sources: readonly FileInput[],
  corrected: readonly CorrectedNight[],
): Promise<Begin> {
  const known = new Set((await filesKnown(log, application)).keys());
  const night = await beginNight(log, application, sources);
  return { corrected, night, sources, deadLetters: await endOf(log, application), known };
}

async function endOf(log: Log, application: string): Promise<number> {
  return log.endOffset({ topic: deadLetterTopic(application), partition: 0 });
}

async function manifestOf(execution: Execution, begin: Begin): Promise<Manifest> {
  const { log, runtime, application } = execution;
  const { sources, counters } = runtime.summary;
  const known = await filesKnown(log, application);
  const letters = await lettersOf(log, application);
  const files = begin.sources.flatMap((source) => source.files);
  const inputs = await Promise.all(
    files.map(async (file): Promise<LoadedFile> => {
      const anew = begin.corrected.find(({ files: all }) => all.includes(basename(file)));
      const refused = anew?.rows.rejected ?? letters.map((one) => ({ ...one, file: one.origin }));
      const rejected = reasonsOf(refused.filter((one) => one.file === file));
      const rows = known.get(basename(file)) ?? 0;
      return { file, ...(await checksum(file)), rows, rejected };
    }),
  );
  const anew = begin.corrected.map((one) => one.rows);
  const taken = sources.reduce((sum, { records }) => sum + records, 0);
  const rows = taken + anew.reduce((sum, one) => sum + one.in, 0);
  const skipped = totals([...sources, ...anew].map((one) => one.skipped));
  const refused =
    sources.reduce((sum, { deadLettered }) => sum + deadLettered, 0) +
    anew.reduce((sum, { rejected }) => sum + rejected.length, 0);
  const left = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  const own = letters.filter(
    ({ offset, stage }) => offset >= begin.deadLetters && stage === 'source',
  );
  const clock = await clockOf(runtime);
  return {
    version: 1,
    application,
    result: begin.corrected.length > 0 ? 'corrected' : rows === 0 ? 'unchanged' : 'loaded',
    continued: files.some((file) => begin.known.has(basename(file))),
    inputs,
    corrected: begin.corrected.map(({ files: of, subjects, events }) => ({
      files: of,
      subjects,
      events,
    })),
    rows: {
      in: rows,
      out: rows - refused - left,
      rejected: reasonsOf([...own, ...anew.flatMap(({ rejected }) => rejected)]),
      skipped,
    },
    sources: sources.map(({ name, records }) => ({ name, rows: records })),
    events: {
      in: counters.in,
      processed: counters.processed,
      dropped: counters.drops,
      deadLettered: counters.deadLettered,
    },
    watermark: Number.isFinite(clock) ? new Date(clock).toISOString() : null,
  };
}

/** Number of rows taken from each file that a source knows, by the file's name. */
async function filesKnown(log: Log, application: string): Promise<Map<string, number>> {
  const known = new Map<string, number>();
  for (const [name, cursor] of await readCursors(log, application)) {
    if (!name.startsWith('source:')) continue;
    const { files } = (cursor ?? {}) as Cursor;
    for (const { name: file, rows } of files ?? []) known.set(file, rows);
  }
  return known;
}

/** Counts by reason, without values and lines: these belong to one row and may be personal. */
function reasonsOf(letters: readonly Pick<Letter, 'reason'>[]): Record<string, number> {
  return totals(letters.map(({ reason }) => ({ [general(reason)]: 1 })));
}

function general(reason: string): string {
  return reason
    .replace(/"(?:[^"\\]|\\.)*"/g, '"…"')
    .replace(/\b(line|member|position) \d+/g, '$1 …')
    .replace(/^(line|member) …:? ?/, '');
}

function totals(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums = new Map<string, number>();
  for (const [reason, count] of counts.flatMap((one) => Object.entries(one))) {
    sums.set(reason, (sums.get(reason) ?? 0) + count);
  }
  return Object.fromEntries([...sums].sort());
}

async function checksum(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(file)) hash.update(part as Buffer);
  return { bytes: (await stat(file)).size, sha256: hash.digest('hex') };
}

/** Writes atomically. The manifest of a loaded night stays when nothing was new. */
async function keep(file: string, manifest: Manifest): Promise<void> {
  if (manifest.result === 'unchanged' && (await isOf(file, manifest))) return;
  const fresh = `${file}.${randomUUID()}`;
  try {
    await writeFile(fresh, `${JSON.stringify(manifest, undefined, 2)}\n`, { flush: true });
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    const problem = `${file} cannot be written: ${messageOf(error)}; the events that were taken in stay`;
    throw new MillraceError('CONFIG_INVALID', { field: '--manifest', problem });
  }
}

/** Whether an existing manifest is of the same files. */
async function isOf(file: string, { inputs }: Manifest): Promise<boolean> {
  const sums = (of: Pick<Manifest, 'inputs'>) => of.inputs.map(({ sha256 }) => sha256).join();
  try {
    return sums(JSON.parse(await readFile(file, 'utf8')) as Manifest) === sums({ inputs });
  } catch {
    return false;
  }
}

function textOf({ result, rows, watermark }: Manifest, file: string): string {
  if (result === 'unchanged') return `nothing new; ${file}`;
  const { in: read, out, rejected, skipped } = rows;
  const sum = (counts: object) =>
    Object.values(counts).reduce((all: number, n) => all + Number(n), 0);
  return `${read} rows read = taken ${out} + rejected ${sum(rejected)} + skipped ${sum(skipped)}; watermark ${watermark}; ${file}`;
}
