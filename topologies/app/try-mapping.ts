/**
 * `mapping`: checks a mapping, and shows what it makes of the rows of a file without taking them
 * in.
 */
import {
  inputFiles,
  instant,
  print,
  printJson,
  recordsOf,
  rowsOf,
  table,
} from '../../engine/cli/index.ts';
import { draftOf } from '../field-catalogue.ts';
import { eventMap } from '../ingest/event-map.ts';
import type { Mapping } from '../ingest/mapping.ts';
import { readCatalogue } from './catalogue-file.ts';
import { readMapping, rowOptions } from './mappings.ts';

export interface TryOptions {
  readonly input?: readonly string[];
  /** The most rows that are read. */
  readonly rows: number;
  /** Catalogue of fields to check against. */
  readonly catalogue?: string;
  /** Print a draft of a catalogue instead. */
  readonly fields?: boolean;
  readonly json?: boolean;
}

/** Results for the rows that were read. */
interface Tried {
  readonly mapping: string;
  rows: number;
  /** Events by class, skipped rows by reason. */
  readonly events: Record<string, number>;
  readonly skipped: Record<string, number>;
  refused: number;
  /** The first refused rows. */
  readonly problems: { readonly file: string; readonly line: number; readonly reason: string }[];
  readonly first: {
    readonly at: number;
    readonly subject: string;
    readonly event: object;
  }[];
}

const shown = 5;

export async function tryMapping(name: string, options: TryOptions): Promise<void> {
  const mapping = await readMapping(name);
  if (options.fields === true) return printJson(draftOf([mapping]));
  (await readCatalogue(options.catalogue, '--catalogue'))?.checkMapping(mapping);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const files = await inputFiles(options.input ?? [], say);
  const tried = await triedOn(mapping, files, options.rows);
  if (options.json === true) printJson(tried);
  else print(textOf(tried, files.length > 0));
}

async function triedOn(mapping: Mapping, files: readonly string[], limit: number): Promise<Tried> {
  const events = new Map<string, number>();
  const skipped = new Map<string, number>();
  const found: Pick<Tried, 'problems' | 'first'> = { problems: [], first: [] };
  const counts = { rows: 0, refused: 0 };
  const map = eventMap(mapping);
  const count = (of: Map<string, number>, what: string) => of.set(what, (of.get(what) ?? 0) + 1);
  for (const file of files) {
    for await (const { fields, problem = 'it is not a row', empty, line } of rowsOf(
      file,
      rowOptions(mapping),
    )) {
      if (counts.rows === limit) break;
      counts.rows++;
      const mapped = fields === undefined ? { reject: problem } : map(fields, `row ${counts.rows}`);
      if (empty !== undefined) count(skipped, empty);
      else if ('skip' in mapped) count(skipped, mapped.skip);
      else if ('reject' in mapped) {
        counts.refused++;
        const { problems } = found;
        if (problems.length < shown) problems.push({ file, line, reason: mapped.reject });
      }
      for (const { key, timestamp, value } of recordsOf(mapped)) {
        count(events, value.class);
        const { first } = found;
        if (first.length < shown) first.push({ at: timestamp, subject: key, event: value });
      }
    }
  }
  const named = { events: Object.fromEntries(events), skipped: Object.fromEntries(skipped) };
  return { mapping: mapping.name, ...counts, ...named, ...found };
}

function textOf({ mapping, rows, refused, ...tried }: Tried, isTried: boolean): string {
  const parts = [`mapping ${mapping} is valid`];
  if (!isTried) return parts.join('\n');
  parts.push(`Of ${rows} rows ${refused} would be dead letters.`);
  const counts = Object.entries(tried.events).map(([name, n]) => ['event', name, n]);
  counts.push(...Object.entries(tried.skipped).map(([why, n]) => ['skipped', why, n]));
  parts.push(table(['what', 'class or reason', 'count'], counts));
  const events = tried.first.map(({ at, subject, event }) => [
    instant(at),
    subject,
    JSON.stringify(event),
  ]);
  if (events.length > 0) parts.push(table(['time', 'subject', 'event'], events));
  const problems = tried.problems.map(({ line, reason }) => [line, reason]);
  if (problems.length > 0) parts.push(table(['line', 'refused because'], problems));
  return parts.join('\n\n');
}
