/** Read-only commands: describe, query, topics, health, config, sources, schema. */
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { MillraceError } from '../base/errors.ts';
import { count, partitionCount } from '../base/settings.ts';
import {
  dataOption,
  httpHostOption,
  httpOption,
  jsonOption,
  sourcesOption,
} from './common-options.ts';
import { type HealthOptions, health } from './health-command.ts';
import { describe, query, type ReadOptions, readTopic, topics } from './inspect.ts';
import { addKafkaOptions, showConfiguration } from './kafka-options.ts';
import { describeLive } from './live.ts';
import { numberOption } from './number-option.ts';
import type { SchemaCheckOptions } from './schema-command.ts';
import type { ShippedApplication } from './shipped-application.ts';
import {
  lintCommand,
  type SourcesOptions,
  type TestOptions,
  testCommand,
} from './sources-command.ts';
import { type TopicsPlanOptions, topicsPlan } from './topics-plan.ts';

/**
 * The levels of serde/schemas/compatibility.ts, repeated here so that other commands need not load
 * it.
 */
const levels = [
  'backward',
  'backward-transitive',
  'forward',
  'forward-transitive',
  'full',
  'full-transitive',
] as const;

interface DescribeOptions {
  readonly format: 'text' | 'json' | 'mermaid';
  readonly json?: boolean;
  readonly live?: boolean;
  readonly data: string;
}

export function addInspectCommands(program: Command, application: ShippedApplication): void {
  addDescribe(program);
  addKafkaOptions(program.command('query <store> [key]'))
    .description('rows of a store of the application that ran last')
    .addOption(numberOption('--limit <n>', 'rows at most; default: all', count(1)))
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(query);
  addTopics(program);
  addHealth(program);
  addKafkaOptions(program.command('config'))
    .description('what options, environment and file make of the settings of Kafka; no secrets')
    .addOption(jsonOption())
    .action(showConfiguration);
  addSources(program, application);
  addSchema(program);
}

function addDescribe(program: Command): void {
  program
    .command('describe [module]')
    .description("a topology's graph; with --live, how time stands in the process that runs")
    .option('--live', 'source times, watermarks and who holds them back, of the process in --data')
    .addOption(dataOption())
    .addOption(
      new Option('--format <format>', 'form').choices(['text', 'json', 'mermaid']).default('text'),
    )
    .addOption(jsonOption())
    .action((module: string | undefined, options: DescribeOptions) => {
      const format = options.json === true ? 'json' : options.format;
      if (options.live === true) {
        if (format === 'mermaid' || module !== undefined) {
          const problem = '--live shows the process in --data, as text or JSON: it takes no module';
          throw new MillraceError('USAGE', { problem });
        }
        return describeLive({ data: options.data, json: format === 'json' });
      }
      if (module !== undefined) return describe(resolve(module), format);
      const problem = 'describe needs a module, or --live for what runs';
      throw new MillraceError('USAGE', { problem });
    });
}

function addTopics(program: Command): void {
  const list = addKafkaOptions(program.command('topics'))
    .description('the topics of the log')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action((options: ReadOptions) => topics(options));
  reading(list.command('read <topic>').description('records of a topic')).action(
    (topic: string, _: unknown, command: Command) =>
      readTopic(topic, command.optsWithGlobals<ReadOptions>()),
  );
  addKafkaOptions(list.command('plan <module>'))
    .description('the topics of a topology on Kafka, and the least rights it needs there')
    .option('--application <name>', "names changelogs and state; default the topology's name")
    .addOption(numberOption('--partitions <n>', 'of new topics', partitionCount))
    .option('--topic <name>', 'a topic that --input of `run` is written to')
    .option('--principal <name>', 'who is given the rights', 'User:millrace')
    .option('--acls', 'show the rights as well')
    .option('--commands', "print Kafka's own commands that create the topics and give the rights")
    .addOption(jsonOption())
    .action((module: string, _: unknown, command: Command) =>
      topicsPlan(resolve(module), command.optsWithGlobals<TopicsPlanOptions>()),
    );
}

function addHealth(program: Command): void {
  program
    .command('health')
    .description('how the process is that serves --http; fails when it is not ready')
    .addOption(httpOption().makeOptionMandatory())
    .addOption(httpHostOption())
    .option('--live', 'one that restores its state is well, too')
    .action((options: HealthOptions) => health(options));
}

function addSchema(program: Command): void {
  program
    .command('schema')
    .description('schemas of topics: check')
    .command('check <file>')
    .description('refuse a schema that breaks who reads or writes what is in use (docs/SCHEMAS.md)')
    .option('--against <files...>', 'the schema in use; of a transitive level all, oldest first')
    .option('--registry <url>', 'the registry that has it, such as http://registry:8081')
    .option('--subject <name>', 'under which it stands there, e.g. orders-value')
    .addOption(
      new Option('--type <type>', "default: by the file's ending").choices([
        'avro',
        'json',
        'protobuf',
      ]),
    )
    .addOption(
      new Option('--level <level>', 'what must go on working').choices(levels).default('backward'),
    )
    .addOption(jsonOption())
    .action(async (file: string, options: SchemaCheckOptions) => {
      const { schemaCheck } = await import('./schema-command.ts');
      await schemaCheck(file, options);
    });
}

function addSources(program: Command, application: ShippedApplication): void {
  const command = program
    .command('sources')
    .description('sources that are pulled from: check, try (docs/SOURCES.md)');
  command
    .command('lint <file>')
    .description('every mistake in the file of --sources, with its path')
    .addOption(jsonOption())
    .action((file: string, options: SourcesOptions) => lintCommand(file, options, application));
  command
    .command('test <name>')
    .description('fetch from a source for real, and show what its rows become; nothing is written')
    .addOption(sourcesOption().default('sources.json'))
    .option('--module <path>', 'the topology that `run` is given; default: that of `start`')
    .addOption(numberOption('--limit <n>', 'rows at most', count(1)).default(5))
    .addOption(jsonOption())
    .action((name: string, options: TestOptions) => testCommand(name, options, application));
}

/** Options of the commands that read records of a topic. */
export function reading(command: Command): Command {
  return addKafkaOptions(command)
    .option('--module <path>', 'a topology that says how the records are written')
    .addOption(numberOption('--partition <n>', 'one partition only', count(0)))
    .addOption(numberOption('--from <offset>', 'first offset', count(0)).default(0))
    .addOption(numberOption('--limit <n>', 'records at most; default: all', count(1)))
    .addOption(dataOption())
    .addOption(jsonOption());
}
