/**
 * `load`: a bounded run for schedulers. It takes in what is there, ends, and writes a manifest. The same
 * night again brings nothing new, and leaves the manifest of the first time as it is.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { MillraceError, messageOf } from '../base/errors.ts';
import { standardInput } from '../connect/content.ts';
import type { Cursor } from '../connect/cursor.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';
import { decodeHeaders } from '../record/headers.ts';
import { readCursors } from '../runtime/cursors.ts';
import type { Execution } from './execution.ts';
import { inputGroups } from './input-groups.ts';
import { print, printJson } from './output.ts';
import { type StartOptions, takeIn } from './start.ts';
import { checkTaken, clockOf } from './start-report.ts';
import type { FileInput } from './topic-input.ts';

export type LoadOptions = Omit<StartOptions, 'top'> & {
  readonly manifest: string;
};

/** A file of the night. */
interface LoadedFile {
  readonly file: string;
  readonly bytes: number;
  /** Of its bytes, as they lie there. */
  readonly sha256: string;
  /** Rows of it that were read, also by earlier runs. */
  readonly rows: number;
  /** Of these, rows that became dead letters, by reason. */
  readonly rejected: Readonly<Record<string, number>>;
}

export interface Manifest {
  readonly version: 1;
  readonly application: string;
  /** 'unchanged': there was nothing new. */
  readonly result: 'loaded' | 'unchanged';
  /** An earlier run had begun these files. */
  readonly continued: boolean;
  readonly inputs: readonly LoadedFile[];
  /** Of this run: in = out + rejected + skipped, where a row becomes one event. */
  readonly rows: {
    readonly in: number;
    readonly out: number;
    readonly rejected: Readonly<Record<string, number>>;
    readonly skipped: Readonly<Record<string, number>>;
  };
  readonly sources: readonly { readonly name: string; readonly rows: number }[];
  /** Of this run: in = processed + dropped + dead-lettered. */
  readonly events: {
    readonly in: number;
    readonly processed: number;
    readonly dropped: Readonly<Record<string, number>>;
    readonly deadLettered: number;
  };
  /** How far event time has come, ISO 8601; null before the first event. */
  readonly watermark: string | null;
}

export async function load(options: LoadOptions): Promise<void> {
  if (inputGroups(options.tokens).length === 0 && options.sources === undefined) {
    throw new MillraceError('USAGE', {
      problem: '`load` needs --input with --mapping, or --sources',
    });
  }
  let begin: Begin | undefined;
  await takeIn(
    { ...options, top: 0 },
    {
      async begin(execution, sources) {
        begin = await beginOf(execution, sources);
      },
      async interrupted({ sources }) {
        const rows = sources.reduce((sum, { records }) => sum + records, 0);
        throw new MillraceError('LOAD_INTERRUPTED', { rows });
      },
      async report(execution) {
        const manifest = await manifestOf(execution, begin as Begin);
        await keep(options.manifest, manifest);
        if (options.json === true) printJson(manifest);
        else print(textOf(manifest, options.manifest));
        checkTaken(execution.runtime.summary);
      },
    },
  );
}

/** What is known before anything is read. */
interface Begin {
  readonly sources: readonly FileInput[];
  readonly deadLetters: number;
  readonly known: ReadonlySet<string>;
}

async function beginOf({ log, application }: Execution, sources: readonly FileInput[]) {
  if (sources.some(({ files }) => files.includes(standardInput))) {
    throw new MillraceError('USAGE', { problem: '`load` reads files: standard input has no name' });
  }
  const known = new Set((await filesKnown(log, application)).keys());
  return { sources, deadLetters: await endOf(log, application), known };
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
      const rejected = reasonsOf(letters.filter(({ origin }) => origin === file));
      const rows = known.get(basename(file)) ?? 0;
      return { file, ...(await checksum(file)), rows, rejected };
    }),
  );
  const rows = sources.reduce((sum, { records }) => sum + records, 0);
  const skipped = totals(sources.map((source) => source.skipped));
  const refused = sources.reduce((sum, { deadLettered }) => sum + deadLettered, 0);
  const left = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  const own = letters.filter(
    ({ offset, stage }) => offset >= begin.deadLetters && stage === 'source',
  );
  const clock = await clockOf(runtime);
  return {
    version: 1,
    application,
    result: rows === 0 ? 'unchanged' : 'loaded',
    continued: files.some((file) => begin.known.has(basename(file))),
    inputs,
    rows: { in: rows, out: rows - refused - left, rejected: reasonsOf(own), skipped },
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

/** Rows taken of each file that a source knows, by the file's name. */
async function filesKnown(log: Log, application: string): Promise<Map<string, number>> {
  const known = new Map<string, number>();
  for (const [name, cursor] of await readCursors(log, application)) {
    if (!name.startsWith('source:')) continue;
    const { files } = (cursor ?? {}) as Cursor;
    for (const { name: file, rows } of files ?? []) known.set(file, rows);
  }
  return known;
}

interface Letter {
  readonly offset: number;
  readonly stage: string;
  readonly reason: string;
  readonly origin: string;
}

async function lettersOf(log: Log, application: string): Promise<Letter[]> {
  const at = { topic: deadLetterTopic(application), partition: 0 };
  const letters: Letter[] = [];
  for (let from = await log.startOffset(at); ; ) {
    const batch = await log.read(at, from, { records: 10_000 });
    if (batch === undefined) return letters;
    for (let i = 0; i < batch.count; i++) {
      const { stage = '', reason = '', topic: origin = '' } = decodeHeaders(batch.headerBytes(i));
      letters.push({ offset: batch.offsets[i] as number, stage, reason, origin });
    }
    from = batch.nextOffset;
  }
}

/** Counts by reason, without the values and lines in it: they are of one row, and may be personal. */
function reasonsOf(letters: readonly Letter[]): Record<string, number> {
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

/** Whole or not at all. That of a night that is loaded stays when there was nothing new in it. */
async function keep(file: string, manifest: Manifest): Promise<void> {
  if (manifest.result === 'unchanged' && (await isOf(file, manifest))) return;
  const fresh = `${file}.${randomUUID()}`;
  try {
    await writeFile(fresh, `${JSON.stringify(manifest, undefined, 2)}\n`, { flush: true });
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    const problem = `${file} cannot be written: ${messageOf(error)}; what was taken in stays`;
    throw new MillraceError('CONFIG_INVALID', { field: '--manifest', problem });
  }
}

/** The manifest that is there is of the same files. */
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
