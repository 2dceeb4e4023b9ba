/**
 * `segment lint`, `segment plan`: check a configuration, and say what each segment keeps of a
 * subject and costs.
 */
import { MillraceError } from 'millrace';
import { print, printJson, table } from '../../engine/cli/index.ts';
import { lintPersonalisation, warnPersonalisation } from '../personalisation.ts';
import type { Kept, SegmentPlan } from '../segments/segment-plan.ts';
import { readConfig } from './configuration.ts';
import { segmentPlans } from './questions/segment-plans.ts';

interface PlanOptions {
  readonly json?: boolean;
  readonly eventsPerDay?: number;
}

/** Prints every mistake with its path, and throws the first one. */
export async function lint(file: string, options: PlanOptions): Promise<void> {
  const config = await readConfig(file);
  const mistakes = lintPersonalisation(config);
  if (mistakes.length > 1) {
    for (const { path, problem } of mistakes) process.stderr.write(`${path}: ${problem}\n`);
    const problem = `has ${mistakes.length} mistakes, named above`;
    throw new MillraceError('CONFIG_INVALID', { field: file, problem });
  }
  await plan(file, options);
  for (const { path, problem } of warnPersonalisation(config)) {
    process.stderr.write(`warning: ${path}: ${problem}\n`);
  }
}

export async function plan(file: string, options: PlanOptions): Promise<void> {
  const eventsPerDay = options.eventsPerDay ?? 1;
  const { scored, channels, segments: plans } = segmentPlans(await readConfig(file), eventsPerDay);
  if (options.json === true) {
    printJson({ channels, segments: plans });
    return;
  }
  print(`${scored} scored classes, ${plans.length} segments: valid`);
  print('');
  print(
    table(
      ['segment', 'version', 'hash', 'bytes', 'timers', 'late by', 'purposes', 'keeps'],
      plans.map((one) => [
        one.id,
        one.version,
        one.hash,
        one.bytesPerSubject,
        one.timers,
        duration(one.latency),
        one.purposes.join(', '),
        keptText(one),
      ]),
    ),
  );
  print('');
  print(`bytes are for each subject, at ${eventsPerDay} events of each class a day`);
}

/** Kept classes that are shown of a segment; the JSON has all. */
const keptShown = 12;

function keptText({ keeps, traits, readsScore }: SegmentPlan): string {
  const parts = [...new Set(keeps.map(classText)), ...traits.map((name) => `trait ${name}`)];
  if (readsScore) parts.push('the score');
  const more = parts.length - keptShown;
  const shown = more > 0 ? [...parts.slice(0, keptShown), `and ${more} more`] : parts;
  return shown.length === 0 ? 'nothing' : shown.join('; ');
}

function classText({ class: name, reach, newest }: Kept): string {
  const until = reach === undefined ? 'for ever' : `for ${duration(reach)}`;
  return newest === undefined ? `${name} ${until}` : `${newest} newest ${name} ${until}`;
}

function duration(ms: number): string {
  const units: [number, string][] = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ];
  const [size, unit] = units.find(([one]) => ms % one === 0) ?? [1, 'ms'];
  return `${ms / size} ${unit}`;
}
