/** Commands that run a topology module: run, dev, plan. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { count, partitionCount } from '../base/settings.ts';
import {
  atEndOption,
  dataOption,
  freshOption,
  httpHostOption,
  httpOption,
  idleAfterOption,
  jsonOption,
  logLevelOption,
  logOption,
  maxDriftOption,
  memoryOption,
  orphanOption,
  sourcesOption,
  stateBackendOption,
  statsdOption,
  stopWithinOption,
  threadsOption,
} from './common-options.ts';
import type { DevOptions } from './dev/dev.ts';
import { inputOptions } from './input-groups.ts';
import { addKafkaOptions } from './kafka-options.ts';
import { numberOption } from './number-option.ts';
import { type PlanOptions, planDeployment } from './plan-command.ts';
import { type RunOptions, run } from './run-command.ts';
import type { ShippedApplication } from './shipped-application.ts';

export function addRunCommands(program: Command, application: ShippedApplication): void {
  addRun(program, application);
  addDev(program, application);
  addKafkaOptions(program.command('plan <module>'))
    .description('what becomes of the state that is there, store by store, when a topology is run')
    .option('--application <name>', "names changelogs and state; default the topology's name")
    .addOption(numberOption('--partitions <n>', 'of new topics', partitionCount))
    .addOption(orphanOption())
    .addOption(logOption())
    .addOption(dataOption())
    .addOption(jsonOption())
    .action((module: string, options: PlanOptions) => planDeployment(resolve(module), options));
}

function addRun(program: Command, application: ShippedApplication): void {
  const ran = inputOptions();
  const command = addKafkaOptions(program.command('run <module>'))
    .description('run a topology module (.ts or .js) on the embedded log or on Kafka')
    .option('--application <name>', "names changelogs and state; default the topology's name")
    .addOption(numberOption('--partitions <n>', 'of new topics', partitionCount))
    .addOption(idleAfterOption())
    .addOption(stopWithinOption())
    .addOption(maxDriftOption())
    .addOption(atEndOption())
    .addOption(orphanOption());
  addInput(command, ran)
    .addOption(
      new Option(
        '--on-offset-lost <policy>',
        'when the log no longer has what comes next: stop, or go on at its start or its end',
      ).choices(['stop', 'earliest', 'latest']),
    )
    .addOption(
      numberOption(
        '--records-per-cycle <n>',
        'read of a partition from one commit to the next, at most; fewer commit sooner with a backlog',
        count(1),
      ),
    )
    .option('--until-caught-up', 'end when every topic is read to its end')
    .addOption(sourcesOption())
    .addOption(dataOption())
    .addOption(stateBackendOption())
    .addOption(logOption())
    .addOption(memoryOption())
    .addOption(threadsOption())
    .addOption(freshOption())
    .addOption(httpOption())
    .addOption(httpHostOption())
    .addOption(statsdOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .action((module: string, options: RunOptions) =>
      run(module, { ...options, tokens: ran.tokens }, application),
    );
}

/** The inputs and how their rows become records; several groups are allowed. */
function addInput(command: Command, ran: ReturnType<typeof inputOptions>): Command {
  return command
    .addOption(
      ran.option(
        'input',
        '--input <path...>',
        'files, folders or patterns whose rows become records: CSV or JSON lines; - is standard input. Again, with the options below, for another topic',
      ),
    )
    .addOption(
      ran.option(
        'mapping',
        '--mapping <name>',
        'of the --input beside it: a mapping to events, shipped or a path (docs/MAPPINGS.md)',
      ),
    )
    .addOption(
      ran.option(
        'topic',
        '--topic <name>',
        'that the --input beside it is written to; of a mapping: events when left out',
      ),
    )
    .addOption(ran.option('key', '--key <field>', "field of a row that is the record's key"))
    .addOption(ran.option('time', '--time <field>', "field of a row that is the record's time"))
    .addOption(
      ran.option(
        'timeFormat',
        '--time-format <format>',
        'iso (when left out), epoch-ms, epoch-s or a pattern in UTC',
      ),
    );
}

/** Input is read again when state is discarded, so only files are possible. */
function addDev(program: Command, application: ShippedApplication): void {
  const given = inputOptions();
  program
    .command('dev <module>')
    .description('run a topology module while you write it: begins again after each edit')
    .option('--application <name>', "names changelogs and state; default the topology's name")
    .addOption(numberOption('--partitions <n>', 'of new topics', partitionCount))
    .addOption(
      given.option('input', '--input <path...>', 'files, folders or patterns, as of `run`'),
    )
    .addOption(given.option('mapping', '--mapping <name>', 'of the --input beside it'))
    .addOption(given.option('topic', '--topic <name>', 'that the --input beside it is written to'))
    .addOption(given.option('key', '--key <field>', "field of a row that is the record's key"))
    .addOption(given.option('time', '--time <field>', "field of a row that is the record's time"))
    .addOption(given.option('timeFormat', '--time-format <format>', 'as of `run`'))
    .option('--drop-state', 'lose state that an edit cannot keep, without being asked')
    .addOption(idleAfterOption())
    .addOption(maxDriftOption())
    .addOption(atEndOption())
    .addOption(stopWithinOption())
    .addOption(sourcesOption())
    .addOption(dataOption())
    .addOption(stateBackendOption())
    .addOption(memoryOption())
    .addOption(threadsOption().default(0))
    .addOption(httpOption())
    .addOption(httpHostOption())
    .addOption(logLevelOption())
    .action(async (module: string, options: DevOptions) => {
      // Loaded on demand, because the other commands need no compiler.
      const { dev } = await import('../../engine/cli/dev/dev.ts');
      const code = await dev(
        module,
        { ...options, tokens: given.tokens },
        application.versionProgram,
      );
      if (code !== 0) process.exit(code);
    });
}
