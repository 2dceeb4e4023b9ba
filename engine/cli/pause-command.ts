/**
 * `pause` and `resume`: in the running process, for the next start, or for all processes on Kafka.
 */
import type { Command } from 'commander';
import { count } from '../base/settings.ts';
import type { Topology } from '../graph/graph.ts';
import type { Log } from '../log/log.ts';
import { readCursors } from '../runtime/cursors.ts';
import { checkPause, type PauseChange, type Paused, writePause } from '../runtime/pause.ts';
import { plan } from '../runtime/start-plan.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { addKafkaOptions } from './kafka-options.ts';
import { type KeptOptions, withWrittenLog } from './kept-application.ts';
import { numberOption } from './number-option.ts';
import { print, printJson } from './output.ts';

export interface PauseOptions extends KeptOptions {
  readonly topic?: string;
  readonly partition?: number;
  readonly source?: string;
  readonly application?: string;
}

export function addPause(command: Command): Command {
  return addKafkaOptions(command)
    .option('--topic <name>', 'only this topic that is read; default: the whole application')
    .addOption(numberOption('--partition <n>', 'only this partition of it', count(0)))
    .option('--source <name>', 'only this source, such as a file or a table')
    .option('--application <name>', 'whose; default: what ran last in the data folder');
}

export async function pauseCommand(pause: boolean, options: PauseOptions): Promise<void> {
  const { topic, partition, source } = options;
  const change: PauseChange = { pause, topic, partition, source };
  const { application, paused, when } = await withWrittenLog(options, {
    running: async (process) => ({
      application: process.application,
      paused: await process.pause(change),
      when: '',
    }),
    stopped: async ({ log, application, reference, isShared }) => {
      const topology = reference && (await loadTopology(reference));
      await check(log, application, topology, change);
      const paused = await writePause(log, application, change);
      const when = isShared
        ? '; its processes see it within a second'
        : '; nothing runs now, the next start sees it';
      return { application, paused, when };
    },
  });
  if (options.json === true) printJson({ application, paused });
  else print(`${application}: ${pausedText(paused)}${when}`);
}

/** Without a topology any topic of the log is allowed. */
async function check(
  log: Log,
  application: string,
  topology: Topology | undefined,
  change: PauseChange,
): Promise<void> {
  const existing = await log.topics();
  const cursors = await readCursors(log, application);
  const read =
    topology === undefined
      ? undefined
      : plan({ application, topology, existing, written: [] }).tasks.flatMap(
          ({ topics }) => topics,
        );
  const topics = existing
    .filter(({ name }) => read === undefined || read.includes(name))
    .map(({ name, partitions }) => [name, partitions] as const);
  const sources = [...cursors.keys()].flatMap((name) =>
    name.startsWith('source:') ? [name.slice('source:'.length)] : [],
  );
  checkPause(change, { topics: new Map(topics), sources });
}

function pausedText({ all, topics, partitions, sources }: Paused): string {
  const parts = [
    ...(all ? ['the whole application'] : []),
    ...topics.map((name) => `topic ${name}`),
    ...partitions.map((name) => `partition ${name}`),
    ...sources.map((name) => `source ${name}`),
  ];
  return parts.length === 0 ? 'nothing is paused' : `paused: ${parts.join(', ')}`;
}
