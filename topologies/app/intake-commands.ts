/** Commands that take events in: start, load, serve, gateway. */
import type { Command } from 'commander';
import { count, ms } from 'millrace/engine';
import {
  addKafkaOptions,
  atEndOption,
  dataOption,
  freshOption,
  httpHostOption,
  httpOption,
  idleAfterOption,
  inputOptions,
  jsonOption,
  logLevelOption,
  logOption,
  longestTimerMs,
  maxDriftOption,
  memoryOption,
  numberOption,
  sourcesOption,
  stateBackendOption,
  statsdOption,
  stopWithinOption,
  threadsOption,
} from '../../engine/cli/index.ts';
import type { GatewayAloneOptions } from './gateway-alone.ts';
import { type LoadOptions, load } from './nights/load-night.ts';
import { type ServeOptions, serve } from './serve.ts';
import { type StartOptions, start } from './start.ts';

export function addIntakeCommands(program: Command): void {
  addStart(program);
  addLoad(program);
  addServe(program);
  addGateway(program);
}

function addStart(program: Command): void {
  const started = inputOptions();
  program
    .command('start')
    .description('take in a log, or a sample, and show engagement scores and segments')
    .addOption(
      started.option(
        'input',
        '--input <path...>',
        'files, folders or patterns: CSV or JSON, plain or gzip; - reads standard input. Repeat it with --mapping for another log',
      ),
    )
    .addOption(
      started.option(
        'mapping',
        '--mapping <name>',
        'mapping for the --input beside it: the name of a shipped one, or a path (docs/MAPPINGS.md)',
      ),
    )
    .addOption(
      started.option('topic', '--topic <name>', 'topic that --input is written to: events'),
    )
    .option('--config <file>', 'JSON file with engagement and segments')
    .addOption(sourcesOption())
    .option(
      '--catalogue <file>',
      'JSON file that names every field; mappings that use others are refused',
    )
    .addOption(idleAfterOption())
    .addOption(maxDriftOption())
    .addOption(atEndOption())
    .addOption(numberOption('--top <n>', 'subjects shown', count(0)).default(10))
    .option('--serve', 'stay up after the report, with the console; the default on a terminal')
    .option('--no-serve', 'end after the report, even on a terminal')
    .option(
      '--gateway <file>',
      'for --serve: JSON file with accounts, webhooks and limits (docs/SOURCES.md)',
    )
    .addOption(dataOption())
    .addOption(stateBackendOption())
    .addOption(logOption())
    .addOption(memoryOption())
    .addOption(threadsOption())
    .addOption(stopWithinOption())
    .addOption(freshOption())
    .addOption(httpOption())
    .addOption(httpHostOption())
    .addOption(statsdOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .action((options: StartOptions) => start({ ...options, tokens: started.tokens }));
}

function addLoad(program: Command): void {
  const loaded = inputOptions();
  program
    .command('load')
    .description('take in a night of files or sources, write a manifest of the result, and end')
    .requiredOption('--manifest <file>', 'JSON file to write: rows, checksums, watermark')
    .addOption(
      loaded.option('input', '--input <path...>', 'files, folders or patterns, as for `start`'),
    )
    .addOption(loaded.option('mapping', '--mapping <name>', 'mapping for the --input beside it'))
    .addOption(sourcesOption())
    .option('--catalogue <file>', 'JSON file that names every field; others are refused')
    .option('--config <file>', 'JSON file with engagement and segments')
    .addOption(dataOption())
    .addOption(stateBackendOption())
    .addOption(memoryOption())
    .addOption(threadsOption())
    .addOption(stopWithinOption())
    .addOption(logLevelOption())
    .addOption(jsonOption())
    .action((options: LoadOptions) => load({ ...options, tokens: loaded.tokens }));
}

function addServe(program: Command): void {
  addKafkaOptions(program.command('serve'))
    .description(
      'take events in, score them and answer questions over HTTP (docs/SOURCES.md); goes on with what `start` ran',
    )
    .option(
      '--config <file>',
      'JSON file with engagement and segments, for the first run in a data folder',
    )
    .option('--gateway <file>', 'JSON file with accounts, webhooks and limits (docs/SOURCES.md)')
    .addOption(sourcesOption())
    .addOption(dataOption())
    .addOption(memoryOption())
    .addOption(threadsOption())
    .addOption(stopWithinOption())
    .addOption(idleAfterOption())
    .addOption(maxDriftOption())
    .addOption(atEndOption())
    .addOption(
      numberOption(
        '--verify-every <ms>',
        'interval at which a sample is recomputed in SQL; 0: never',
        ms(0, longestTimerMs),
      ).default(0),
    )
    .addOption(
      numberOption('--verify-sample <n>', 'subjects of that sample', count(1)).default(100),
    )
    .addOption(httpOption())
    .addOption(httpHostOption())
    .addOption(statsdOption())
    .addOption(logLevelOption())
    .action((options: ServeOptions) => serve(options));
}

function addGateway(program: Command): void {
  addKafkaOptions(program.command('gateway'))
    .description(
      'take events in over HTTP for an application on Kafka; any number of gateways may run',
    )
    .option('--gateway <file>', 'JSON file with accounts, webhooks and limits (docs/SOURCES.md)')
    .option('--application <name>', 'application that the events are for', 'personalisation')
    .addOption(stopWithinOption())
    .addOption(httpOption().default(8_080))
    .addOption(httpHostOption())
    .addOption(logLevelOption())
    .action(async (options: GatewayAloneOptions) => {
      // Loaded here, because the other commands need no HTTP framework.
      const { gatewayAlone } = await import('./gateway-alone.ts');
      await gatewayAlone(options);
    });
}
