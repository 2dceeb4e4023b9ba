/** `reset`: shows what would be deleted of an application, and deletes it with --yes. */
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { instantIn } from '../base/instant-text.ts';
import { planReset, type ResetPlan, type ResetTo, reset } from '../runtime/reset.ts';
import { loadTopology } from '../thread/load-topology.ts';
import { addKafkaOptions } from './kafka-options.ts';
import { type KeptOptions, withWrittenLog } from './kept-application.ts';
import { instant, print, printJson, table } from './output.ts';

export interface ResetCommandOptions extends KeptOptions {
  readonly to: string;
  readonly yes?: boolean;
  readonly module?: string;
  readonly application?: string;
}

export function addReset(command: Command): Command {
  return addKafkaOptions(command)
    .description('forget offsets, state and what lies between steps, so that all is computed anew')
    .option(
      '--to <where>',
      'input is read from: earliest, latest, or a time (ISO 8601)',
      'earliest',
    )
    .option('--yes', 'do it; without it is only shown')
    .option('--module <path>', 'its topology; default: what ran last in the data folder')
    .option('--application <name>', 'which; default: what ran last in the data folder');
}

export async function resetCommand(options: ResetCommandOptions): Promise<void> {
  const to = toOf(options.to);
  const done = await withWrittenLog(options, {
    running: async ({ application }) => {
      const problem = 'a process of it runs in the data folder';
      throw new MillraceError('APPLICATION_RUNS', { application, problem });
    },
    stopped: async ({ log, application, reference, env }) => {
      const known = options.module === undefined ? reference : { module: resolve(options.module) };
      if (known === undefined) {
        const problem = `the topology of ${application} is not known here: name it by --module`;
        throw new MillraceError('USAGE', { problem });
      }
      const topology = await loadTopology(known);
      const given = { log, application, topology, to };
      if (options.yes !== true) return planReset(given);
      const planned = await reset(given);
      // The next start would delete it anyway, because it predates the reset.
      await rm(env.stateDirectory, { recursive: true, force: true });
      return planned;
    },
  });
  if (options.json === true) printJson({ ...done, done: options.yes === true });
  else print(resetText(done, options.yes === true));
}

function toOf(text: string): ResetTo {
  if (text === 'earliest' || text === 'latest') return text;
  const at = instantIn(text);
  if (at !== undefined) return at;
  const problem = `must be earliest, latest or a time such as 2026-05-01T12:00:00Z, is ${text}`;
  throw new MillraceError('CONFIG_INVALID', { field: '--to', problem });
}

function resetText({ application, to, inputs, internal, kept }: ResetPlan, done: boolean): string {
  const where = typeof to === 'number' ? `the first record from ${instant(to)} on` : to;
  const blocks = [
    done
      ? `${application} was reset to ${where}`
      : `a reset of ${application} to ${where} would do:`,
  ];
  if (inputs.length > 0) {
    const rows = inputs.map(({ topic, partition, committed, next }) => [
      ...[topic, partition, committed ?? '-', next],
    ]);
    blocks.push(table(['input', 'partition', 'read up to', 'reads from'], rows));
  }
  if (internal.length > 0) {
    const rows = internal.map(({ topic, records }) => [topic, records]);
    blocks.push(table(['emptied', 'records'], rows));
  }
  if (kept.length > 0) blocks.push(`kept as they are: ${kept.join(', ')}`);
  blocks.push(
    done
      ? 'its state is forgotten; the next run computes it anew, and writes its results again'
      : 'and forget its state. Nothing was changed: add --yes to do it',
  );
  return blocks.join('\n\n');
}
