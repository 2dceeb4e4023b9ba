/** `describe --live`: the state of time in the process that runs in a data folder. */
import { days, hours, minutes } from '../base/duration.ts';
import { MillraceError } from '../base/errors.ts';
import { environment, readApplication } from '../embed/environment.ts';
import { runningProcess } from '../embed/local-questions.ts';
import type {
  Holder,
  SourceTimeReport,
  TaskTimeReport,
  TimeReport,
} from '../runtime/time-report.ts';
import { instant, print, printJson, table } from './output.ts';

export interface LiveOptions {
  readonly data: string;
  readonly json: boolean;
}

export async function describeLive({ data, json }: LiveOptions): Promise<void> {
  const env = environment(data);
  const { application } = await readApplication(env);
  const running = await runningProcess(env);
  if (running === undefined) {
    const problem = `${application} does not run in ${env.directory} now; start it there, or name the folder of a process that runs by --data`;
    throw new MillraceError('USAGE', { problem });
  }
  const report = await running.time();
  if (json) printJson(report);
  else print(liveText(report));
}

export function liveText({ application, at, newest, sources, tasks }: TimeReport): string {
  const blocks = [`${application} at ${instant(at)}, newest source time ${shown(newest)}`];
  if (sources.length > 0) blocks.push(table(sourceHeader, sources.map(sourceRow)));
  if (tasks.length > 0) blocks.push(table(taskHeader, tasks.map(taskRow)));
  const steps = tasks.flatMap((task) =>
    task.steps.map(({ step, time, behindMs, nextDue }) => [
      ...[task.task, step, shown(time), span(behindMs)],
      shown(nextDue),
    ]),
  );
  if (steps.length > 0) blocks.push(table(stepHeader, steps));
  return blocks.join('\n\n');
}

const sourceHeader = [
  ...['source', 'partition', 'state', 'source time', 'behind clock', 'records waiting', 'refused'],
];
const taskHeader = [
  ...['task', 'goes by', 'watermark', 'behind newest', 'behind clock', 'waits for'],
];
const stepHeader = ['task', 'step', 'time', 'behind newest', 'next due'];

function sourceRow(source: SourceTimeReport): unknown[] {
  const { topic, partition, state, sourceTime, lagMs, records, refused } = source;
  return [topic, partition, state, shown(sourceTime), span(lagMs), records, refused];
}

function taskRow(task: TaskTimeReport): unknown[] {
  const { by, watermark, behindMs, lagMs, heldBackBy } = task;
  const [first, ...others] = heldBackBy;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  const holder = first === undefined ? '-' : `${holderText(first)}${more}`;
  return [task.task, by, shown(watermark), span(behindMs), span(lagMs), holder];
}

function holderText(holder: Holder): string {
  if (holder.kind === 'task') return `task ${holder.task}, which does not run here`;
  return `${holder.topic}/${holder.partition} (${holder.state})`;
}

function shown(time: number | null): string {
  return time === null ? '-' : instant(time);
}

const units = [
  ['d', days(1)],
  ['h', hours(1)],
  ['m', minutes(1)],
  ['s', 1_000],
] as const;

/** A duration in its greatest unit, with one decimal. */
function span(ms: number | null): string {
  if (ms === null) return '-';
  const [name, size] = units.find(([, least]) => ms >= least) ?? (['ms', 1] as const);
  return `${Math.floor((10 * ms) / size) / 10}${name}`;
}
