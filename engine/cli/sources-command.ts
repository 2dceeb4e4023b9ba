/**
 * `sources lint` checks the file of `--sources`. `sources test` fetches from one source and shows
 * the result.
 */
import { MillraceError } from '../base/errors.ts';
import { recordsOf } from '../connect/file-options.ts';
import { mappedOf, type PulledRow } from '../connect/pull/puller.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { instant, print, printJson, table } from './output.ts';
import {
  lintSources,
  mistakenSources,
  type PulledSource,
  pulledSources,
  readSources,
} from './pulled-sources.ts';
import type { ShippedApplication } from './shipped-application.ts';

export interface SourcesOptions {
  readonly json?: boolean;
}

export interface TestOptions extends SourcesOptions {
  readonly sources: string;
  /** The topology that reads the source; default: that of the application. */
  readonly module?: string;
  readonly limit: number;
}

/** Throws an error that lists every mistake with its path. */
export async function lintCommand(
  file: string,
  { json }: SourcesOptions,
  application: ShippedApplication,
): Promise<void> {
  const mistakes = await lintSources(file, application);
  if (json === true) printJson({ mistakes });
  else for (const { path, problem } of mistakes) process.stderr.write(`${path}: ${problem}\n`);
  if (mistakes.length === 1) throw mistakenSources(file, mistakes);
  if (mistakes.length > 1) {
    const problem = `has ${mistakes.length} mistakes, named above`;
    throw new MillraceError('CONFIG_INVALID', { field: file, problem });
  }
  if (json === true) return;
  const specs = Object.entries(await readSources(file, application));
  const about = specs.map(([name, { kind, mapping = '', schedule, everySeconds }]) => {
    const when = schedule ?? (everySeconds === undefined ? '' : `every ${everySeconds} s`);
    return [name, kind, mapping, when];
  });
  print(`${specs.length} sources: valid`);
  if (about.length > 0) print(table(['source', 'kind', 'mapping', 'when'], about));
}

/** The outcome of the fetched rows. */
interface Tested {
  readonly source: string;
  rows: number;
  readonly raw: unknown[];
  readonly events: { readonly at: number; readonly key: unknown; readonly value: unknown }[];
  /** Rows by reason. */
  readonly rejected: Record<string, number>;
  readonly skipped: Record<string, number>;
}

/** Fetches from the real source, from the start; writes nothing and stores no position. */
export async function testCommand(
  name: string,
  options: TestOptions,
  application: ShippedApplication,
): Promise<void> {
  const specs = await readSources(options.sources, application);
  const spec = specs[name];
  if (spec === undefined) {
    const names = Object.keys(specs).join(', ') || 'none';
    throw new MillraceError('USAGE', {
      problem: `there is no source ${name}; there are: ${names}`,
    });
  }
  const module = options.module ?? application.module;
  const [source] = await pulledSources(
    { [name]: spec },
    {
      application,
      topology: await loadTopology({ module }),
      isReady: options.module === undefined,
      warn: (text) => process.stderr.write(`${text}\n`),
    },
  );
  const tested = await test(source as PulledSource, options.limit);
  if (options.json === true) printJson(tested);
  else print(textOf(tested));
}

async function test(source: PulledSource, limit: number): Promise<Tested> {
  const tested: Tested = {
    source: source.name,
    ...{ rows: 0, raw: [], events: [], rejected: {}, skipped: {} },
  };
  const stop = new AbortController();
  try {
    for await (const { rows } of source.puller.run(undefined, stop.signal)) {
      for (const row of rows.slice(0, limit - tested.rows)) note(source, row, tested);
      if (tested.rows >= limit) break;
    }
    return tested;
  } finally {
    stop.abort();
    await source.puller.close();
  }
}

function note(source: PulledSource, row: PulledRow, tested: Tested): void {
  const count = (of: Record<string, number>, reason: string) => {
    of[reason] = (of[reason] ?? 0) + 1;
  };
  tested.rows++;
  tested.raw.push(row.fields ?? row.raw);
  const mapped = mappedOf(source, row);
  if (mapped === 'skip') count(tested.skipped, 'not wanted');
  else if ('skip' in mapped) count(tested.skipped, mapped.skip);
  else if ('reject' in mapped) count(tested.rejected, mapped.reject);
  for (const { key, value, timestamp } of recordsOf(mapped)) {
    tested.events.push({ at: timestamp, key, value });
  }
}

function textOf({ source, rows, raw, events, rejected, skipped }: Tested): string {
  const parts = [`source ${source}: ${rows} rows fetched; nothing was written`];
  if (raw.length > 0) parts.push(`Rows\n${raw.map((row) => JSON.stringify(row)).join('\n')}`);
  const mapped = events.map(({ at, key, value }) => [instant(at), key, JSON.stringify(value)]);
  if (mapped.length > 0) parts.push(table(['time', 'key', 'event'], mapped));
  for (const [what, counts] of Object.entries({ rejected, skipped })) {
    const lines = Object.entries(counts).map(([reason, count]) => [count, reason]);
    if (lines.length > 0) parts.push(table([what, 'because'], lines));
  }
  return parts.join('\n\n');
}
