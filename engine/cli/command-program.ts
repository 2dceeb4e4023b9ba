/** A program of commands: its name and version, how it fails, and its exit code. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { packageRoot } from '../base/package-files.ts';
import { onUnhandled } from '../base/unhandled.ts';
import { addInspectCommands } from './inspect-commands.ts';
import { addOperateCommands } from './operate-commands.ts';
import { endWhenNobodyReads, report } from './output.ts';
import { addRunCommands } from './run-commands.ts';
import type { ShippedApplication } from './shipped-application.ts';

/** Exit code of wrong usage. */
const usage = 2;
/** Longest time from the end of a command to the end of the process. */
const leftOpenMs = 1_000;

/** The program `millrace` without a command. */
export function commandLine(): Command {
  const packageFile = new URL('package.json', packageRoot);
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  return new Command('millrace')
    .description('Stream processing for Node.js: topologies, windows, state, exactly once.')
    .version(version)
    .option('--stack', 'show where an error comes from')
    .showHelpAfterError('(--help lists commands and options)')
    .exitOverride();
}

/** The commands that work with any topology. */
export function addEngineCommands(program: Command, application: ShippedApplication): void {
  program.commandsGroup('Any topology:');
  addRunCommands(program, application);
  addInspectCommands(program, application);
  addOperateCommands(program, application);
}

/** Runs the command of the process's arguments and sets the exit code. Call once. */
export async function runProgram(program: Command): Promise<void> {
  onUnhandled(process, (error) => {
    process.exit(report(error, process.argv.includes('--stack')));
  });
  endWhenNobodyReads();
  const code = await codeOf(program);
  // Pending requests to brokers cannot be cancelled; a failed run does not wait for their answers.
  if (code !== 0) process.exit(code);
  process.exitCode = 0;
  // Everything is done and printed: timers or connections left open by user code must not delay the
  // exit.
  process.stdout.write('', () => setTimeout(() => process.exit(), leftOpenMs).unref());
}

async function codeOf(program: Command): Promise<number> {
  try {
    await program.parseAsync();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage;
    return report(error, program.opts<{ stack?: boolean }>().stack === true);
  }
}
