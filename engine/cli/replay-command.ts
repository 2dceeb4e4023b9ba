/** `dead-letters replay`: in the running process, in the log of the last run, or on Kafka. */
import type { Command } from 'commander';
import type { RowMappings } from '../connect/row-mapping.ts';
import { answerReplay, type ReplayQuestion } from '../embed/answer-replay.ts';
import type { ReplayReport } from '../runtime/replay/replay.ts';
import { whereOf, whereTexts } from '../runtime/replay/where.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { addKafkaOptions } from './kafka-options.ts';
import { type KeptOptions, withWrittenLog } from './kept-application.ts';
import { print, printJson, table } from './output.ts';

export interface ReplayCommandOptions extends KeptOptions {
  readonly where?: readonly string[];
  readonly afterFix?: boolean;
  readonly dryRun?: boolean;
  readonly mapping?: string;
  readonly application?: string;
}

export function addReplay(command: Command): Command {
  const names = Object.entries(whereTexts).map(([name, text]) => `  ${name.padEnd(10)} ${text}`);
  return addKafkaOptions(command)
    .description('write the records of dead letters back to where they came from, each once')
    .option('--where <name=value...>', 'only these; of a name several times: one of them')
    .option('--after-fix', 'also what failed again after a replay: its cause is mended now')
    .option('--dry-run', 'only show what would be replayed, and what would not and why')
    .option('--mapping <name>', 'of rows, instead of the mappings that their letters name')
    .addHelpText('after', `\nNames of --where:\n${names.join('\n')}`);
}

export async function replayCommand(
  options: ReplayCommandOptions,
  mappings: RowMappings,
): Promise<void> {
  const question: ReplayQuestion = {
    where: whereOf(options.where ?? []),
    afterFix: options.afterFix === true,
    dryRun: options.dryRun === true,
    ...(options.mapping === undefined ? {} : { mapping: options.mapping }),
  };
  const report = await withWrittenLog(options, {
    running: (process) => process.replay(question),
    stopped: async ({ log, application, reference }) => {
      const topology = reference && (await loadTopology(reference));
      return answerReplay({ log, application, topology, mappings }, question);
    },
  });
  if (options.json === true) printJson(report);
  else print(reportText(report));
}

/** As a person reads it. */
export function reportText(report: ReplayReport): string {
  const { application, dryRun, letters, replayed, records, skipped } = report;
  const lines = [
    dryRun
      ? `${replayed} of ${letters} dead letters of ${application} would be replayed; nothing was written`
      : `${replayed} of ${letters} dead letters of ${application} were replayed, as ${records} records`,
  ];
  const rows = [
    ...listed('stage', report.stages),
    ...listed('step', report.steps),
    ...listed('topic', report.topics),
    ...listed('left', skipped),
  ];
  if (rows.length > 0) lines.push(table(['by', 'of', 'letters'], rows));
  const tried = skipped['tried before'] ?? 0;
  if (tried > 0) {
    lines.push(
      'what failed again after a replay is tried only with --after-fix, once it is mended',
    );
  }
  return lines.join('\n');
}

function listed(by: string, counts: Readonly<Record<string, number>>): unknown[][] {
  return Object.entries(counts).map(([name, letters]) => [by, name === '' ? '-' : name, letters]);
}
