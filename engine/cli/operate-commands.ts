/** Commands that change an application or its data: pause, resume, reset, dead-letters. */
import type { Command } from 'commander';
import { dataOption, jsonOption } from './common-options.ts';
import { deadLetters, type ReadOptions } from './inspect.ts';
import { reading } from './inspect-commands.ts';
import { addPause, type PauseOptions, pauseCommand } from './pause-command.ts';
import { addReplay, type ReplayCommandOptions, replayCommand } from './replay-command.ts';
import { addReset, type ResetCommandOptions, resetCommand } from './reset-command.ts';
import type { ShippedApplication } from './shipped-application.ts';

export function addOperateCommands(program: Command, application: ShippedApplication): void {
  for (const [name, about] of [
    ['pause', 'stop reading, and keep partitions and state; over restarts, until it is resumed'],
    ['resume', 'go on reading where it was paused, without a loss'],
  ] as const) {
    addPause(program.command(name))
      .description(about)
      .addOption(dataOption())
      .addOption(jsonOption())
      .action((options: PauseOptions) => pauseCommand(name === 'pause', options));
  }
  addReset(program.command('reset'))
    .addOption(dataOption())
    .addOption(jsonOption())
    .action((options: ResetCommandOptions) => resetCommand(options));
  const letters = program.command('dead-letters');
  reading(letters.description('records that were refused, and why; replay'))
    .option('--application <name>', 'whose; default: what ran last in the data folder')
    .action((options: ReadOptions) => deadLetters(options));
  addReplay(letters.command('replay')).action((_: unknown, command: Command) =>
    replayCommand(command.optsWithGlobals<ReplayCommandOptions>(), application.mappings),
  );
}
