/**
 * `segment what-if`, `segment as-of`: questions that are answered from the log, without the state.
 */
import { instant, type KeptOptions, print, printJson, table } from '../../engine/cli/index.ts';
import type { AsOf } from '../segments/as-of.ts';
import type { CategoryShift, SegmentDifference } from '../what-if.ts';
import { readConfig } from './configuration.ts';
import { withLog } from './kept-personalisation.ts';
import { asOfOf, whatIfOf } from './questions/questions.ts';
import type { SampledWhatIf } from './questions/sampled-what-if.ts';

/**
 * Compares the running configuration with that of a file, over the same events up to the last one.
 */
export async function segmentWhatIf(file: string, options: KeptOptions): Promise<void> {
  const after = await readConfig(file);
  const result = await withLog(options, (kept) => whatIfOf(kept, after));
  if (options.json === true) printJson(result);
  else print(whatIfText(result));
}

function whatIfText({ segments, scores, categories }: SampledWhatIf): string {
  const rows = segments.map((one) => [
    one.id,
    versions(one),
    one.before?.members ?? 0,
    one.after?.members ?? 0,
    one.enter.length,
    one.leave.length,
    one.unchanged,
  ]);
  const { subjects, before, after, shifts, bands } = scores;
  const mean = (sum: number) => (subjects === 0 ? '-' : (sum / subjects).toFixed(2));
  const moved = subjects - (shifts['0'] ?? 0);
  return [
    table(['segment', 'version', 'members', 'then', 'enter', 'leave', 'unchanged'], rows),
    table(
      ['band', 'subjects', 'then'],
      Object.entries(bands).map(([band, [was, will]]) => [band, was, will]),
    ),
    `scores of ${subjects} subjects: mean ${mean(before)}, then ${mean(after)}; ${moved} change`,
    ...(categories === undefined ? [] : [categoriesText(categories)]),
  ].join('\n\n');
}

function categoriesText({ before, after, events, moved }: CategoryShift): string {
  const told = `categories of ${events} events: version ${before ?? 'none'}, then ${after ?? 'none'}`;
  if (moved.length === 0) return `${told}; none changes`;
  const rows = moved.map(({ from = '-', to = '-', events: count }) => [from, to, count]);
  return `${told}\n\n${table(['category', 'then', 'events'], rows)}`;
}

function versions({ before, after, changed }: SegmentDifference): string {
  if (before === undefined) return `new ${after?.version ?? ''}`;
  if (after === undefined) return `${before.version} -> gone`;
  return changed ? `${before.version} -> ${after.version}` : `${before.version}`;
}

export interface AsOfOptions extends KeptOptions {
  readonly segment?: string;
}

/** The members of each segment at an instant, as known then and as known now. */
export async function segmentAsOf(text: string, options: AsOfOptions): Promise<void> {
  const { segment } = options;
  const found = await withLog(options, (kept) => asOfOf(kept, { at: text, segment }));
  if (options.json === true) return printJson(found);
  print(`At ${instant(found.at)}`);
  print('');
  const rows = found.segments.map(asOfRow);
  print(table(['segment', 'known then', 'known now', 'joined since', 'left since'], rows));
  if (segment === undefined) return;
  for (const { knownNow } of found.segments) print(knownNow.join('\n'));
}

function asOfRow({ segment, knownThen, knownNow }: AsOf): (string | number)[] {
  const [then, now] = [new Set(knownThen), new Set(knownNow)];
  const joined = knownNow.filter((one) => !then.has(one)).length;
  const left = knownThen.filter((one) => !now.has(one)).length;
  return [segment, then.size, now.size, joined, left];
}
