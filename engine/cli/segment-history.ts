/** `segment what-if`, `segment as-of`: questions that the log answers, apart from the state. */
import { events, segmentChanges } from '../../topologies/event.ts';
import { instantReader } from '../../topologies/ingest/instant.ts';
import {
  checkPersonalisation,
  type PersonalisationConfig,
} from '../../topologies/personalisation.ts';
import { type AsOf, asOf } from '../../topologies/segments/as-of.ts';
import { checkSize } from '../../topologies/segments/plan.ts';
import type { Arrival } from '../../topologies/subject-run.ts';
import { type SegmentDifference, type WhatIf, whatIf } from '../../topologies/what-if.ts';
import { MillraceError } from '../base/errors.ts';
import type { Log } from '../log/log.ts';
import { environment, openLog, readApplication } from './environment.ts';
import { instant, print, printJson, table } from './output.ts';
import { personalisationModule, readConfig } from './start.ts';
import { recordsOf } from './verify/topic-reader.ts';

interface HistoryOptions {
  readonly data: string;
  readonly json?: boolean;
}

/** Opens the log of what `start` ran; the configuration is the one that ran last. */
async function withLog<T>(
  data: string,
  use: (log: Log, config: PersonalisationConfig) => Promise<T>,
): Promise<T> {
  const env = environment(data);
  const { topology: reference } = await readApplication(env);
  if (reference.module !== personalisationModule) {
    const problem = `${env.directory} holds another application; segment is for what \`start\` ran`;
    throw new MillraceError('USAGE', { problem });
  }
  const log = await openLog(env, 'segment');
  try {
    return await use(log, (reference.params ?? {}) as PersonalisationConfig);
  } finally {
    await log.close();
  }
}

/** The configuration that ran beside the one of the file, over the same events, up to the last of them. */
export async function segmentWhatIf(file: string, options: HistoryOptions): Promise<void> {
  const after = await readConfig(file);
  const { segments } = checkPersonalisation(after);
  const result = await withLog(options.data, async (log, before) => {
    const subjects = new Map<string, Arrival[]>();
    let until = 0;
    for await (const { key, value, timestamp: at } of recordsOf(log, events)) {
      until = Math.max(until, at);
      const own = subjects.get(key);
      if (own === undefined) subjects.set(key, [{ event: value, at }]);
      else own.push({ event: value, at });
    }
    return whatIf(before, after, subjects, until);
  });
  for (const segment of segments) {
    const found = result.segments.find(({ id }) => id === segment.id);
    checkSize(segment, found?.after?.members ?? 0);
  }
  if (options.json === true) printJson(result);
  else print(whatIfText(result));
}

function whatIfText({ segments, scores }: WhatIf): string {
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
  ].join('\n\n');
}

function versions({ before, after, changed }: SegmentDifference): string {
  if (before === undefined) return `new ${after?.version ?? ''}`;
  if (after === undefined) return `${before.version} -> gone`;
  return changed ? `${before.version} -> ${after.version}` : `${before.version}`;
}

export interface AsOfOptions extends HistoryOptions {
  readonly segment?: string;
}

/** Who was in each segment at an instant, as known then and as known now. */
export async function segmentAsOf(text: string, options: AsOfOptions): Promise<void> {
  const at = instantReader('iso', 'UTC')(text);
  if (typeof at === 'string') {
    throw new MillraceError('CONFIG_INVALID', { field: 'instant', problem: `${text} ${at}` });
  }
  const found = await withLog(options.data, async (log) => {
    const changes = [];
    for await (const { value } of recordsOf(log, segmentChanges)) changes.push(value);
    return asOf(changes, at);
  });
  const { segment } = options;
  const rows = segment === undefined ? found : found.filter((one) => one.segment === segment);
  if (options.json === true) return printJson({ at, segments: rows });
  print(`At ${instant(at)}`);
  print('');
  print(
    table(['segment', 'known then', 'known now', 'joined since', 'left since'], rows.map(asOfRow)),
  );
  if (segment !== undefined) for (const { knownNow } of rows) print(knownNow.join('\n'));
}

function asOfRow({ segment, knownThen, knownNow }: AsOf): (string | number)[] {
  const [then, now] = [new Set(knownThen), new Set(knownNow)];
  const joined = knownNow.filter((one) => !then.has(one)).length;
  const left = knownThen.filter((one) => !now.has(one)).length;
  return [segment, then.size, now.size, joined, left];
}
