#!/usr/bin/env node
/** The command line. Each command's work is in a file of its own; here are names, options and exits. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { MillraceError } from '../../engine/base/errors.ts';
import { bytesOf, leastMemoryBytes } from '../../engine/base/memory.ts';
import { packageRoot } from '../../engine/base/package-files.ts';
import {
  count,
  longestTimerMs,
  ms,
  partitionCount,
  portNumber,
  threadCount,
} from '../../engine/base/settings.ts';
import { onUnhandled } from '../../engine/base/unhandled.ts';
import type { DevOptions } from '../../engine/cli/dev/dev.ts';
import { defaultData } from '../../engine/cli/environment.ts';
import { type HealthOptions, health } from '../../engine/cli/health.ts';
import { inputOptions } from '../../engine/cli/input-groups.ts';
import {
  deadLetters,
  describe,
  query,
  type ReadOptions,
  readTopic,
  topics,
} from '../../engine/cli/inspect.ts';
import { stopWithinMs } from '../../engine/cli/interrupt.ts';
import { addKafkaOptions, showConfiguration } from '../../engine/cli/kafka-options.ts';
import { describeLive } from '../../engine/cli/live.ts';
import { numberOption } from '../../engine/cli/options.ts';
import { endWhenNobodyReads, report } from '../../engine/cli/output.ts';
import { addPause, type PauseOptions, pauseCommand } from '../../engine/cli/pause.ts';
import { type PlanOptions, planDeployment } from '../../engine/cli/plan.ts';
import { addReplay, type ReplayCommandOptions, replayCommand } from '../../engine/cli/replay.ts';
import { addReset, type ResetCommandOptions, resetCommand } from '../../engine/cli/reset.ts';
import { type RunOptions, run } from '../../engine/cli/run.ts';
import type { SchemaCheckOptions } from '../../engine/cli/schema.ts';
import {
  lintCommand,
  type SourcesOptions,
  type TestOptions,
  testCommand,
} from '../../engine/cli/sources-command.ts';
import { type TopicsPlanOptions, topicsPlan } from '../../engine/cli/topics-plan.ts';
import { logLevels } from '../../engine/runtime/observe.ts';
import { backendNames } from '../../engine/storage/backends.ts';
import { application } from './application.ts';
import { explain } from './explain.ts';
import type { GatewayAloneOptions } from './gateway-alone.ts';
import { lint, plan } from './lint.ts';
import { type LoadOptions, load } from './nights/load.ts';
import { scoreExplain } from './score-explain.ts';
import { segmentAsOf, segmentWhatIf } from './segment-history.ts';
import { type ServeOptions, serve } from './serve.ts';
import { type StartOptions, start } from './start.ts';
import { tryMapping } from './try-mapping.ts';
import { verify } from './verify.ts';

/** As in serde/schemas/compatibility.ts, which the other commands need not load. */
const levels = ['backward', 'forward', 'full'] as const;
/** Exit code of wrong usage. */
const usage = 2;

const data = () =>
  new Option('--data <folder>', 'where log and state lie')
    .env('MILLRACE_DATA')
    .default(defaultData);
function memorySize(text: string): number {
  const bytes = bytesOf(text);
  if (bytes === undefined || bytes < leastMemoryBytes) {
    throw new InvalidArgumentError('It must be a size from 16M, such as 512M or 2G.');
  }
  return bytes;
}

const memory = () =>
  new Option(
    '--memory <size>',
    'for state, over all threads, such as 512M; default: 30 % of what the container or machine has beside 200M',
  )
    .env('MILLRACE_MEMORY')
    .argParser(memorySize);
const stateBackend = () =>
  new Option(
    '--state-backend <name>',
    `what log and state are kept in: ${backendNames.join(' or ')}; or a module whose default export is a BackendFactory, for the state`,
  ).env('MILLRACE_STATE_BACKEND');
const log = () =>
  new Option(
    '--log <module>',
    'a log from outside: a module whose default export is a LogFactory; not with --brokers',
  ).env('MILLRACE_LOG');
const threads = () =>
  numberOption('--threads <n>', 'worker threads; 0 = all on the main thread', threadCount).default(
    2,
  );
const stopWithin = () =>
  numberOption('--stop-within <ms>', 'from SIGTERM to the end, at most', ms(0))
    .env('MILLRACE_STOP_WITHIN')
    .default(stopWithinMs);
const json = () => new Option('--json', 'print JSON');
const http = () =>
  numberOption(
    '--http <port>',
    'serve the console, /metrics and /health on this port; 0 = a free port',
    portNumber,
  ).env('MILLRACE_HTTP');
const httpHost = () =>
  new Option('--http-host <address>', 'where --http listens')
    .env('MILLRACE_HTTP_HOST')
    .default('127.0.0.1');
const statsd = () =>
  new Option('--statsd <host:port>', 'send the metrics to this DogStatsD agent, too').env(
    'MILLRACE_STATSD',
  );
const maxDrift = () =>
  numberOption(
    '--max-drift <ms>',
    'partitions are read no further ahead of the slowest, in event time',
    ms(0),
  );
const atEnd = () =>
  new Option(
    '--at-end <what>',
    'of bounded input: close what is still open, or keep it for more (the default)',
  ).choices(['close', 'keep']);
const idleAfter = () =>
  numberOption(
    '--idle-after <ms>',
    'without records for so long, time passes by the clock: windows close, timers fire',
    ms(0),
  );
const logLevel = () =>
  new Option('--log-level <level>', 'of JSON log lines on standard error')
    .choices(logLevels)
    .default('warn');
const sources = () =>
  new Option(
    '--sources <file>',
    'JSON with sources to pull from: REST, tables, buckets, streams (docs/SOURCES.md)',
  ).env('MILLRACE_SOURCES');
const orphan = () =>
  new Option('--orphan <store...>', 'stores of the topology before that may be left behind');
const fresh = () => new Option('--fresh', 'forget what earlier runs left in the data folder');

function programOf(version: string): Command {
  const program = new Command('millrace')
    .description('Stream processing for Node.js: topologies, windows, state, exactly once.')
    .version(version)
    .option('--stack', 'show where an error comes from')
    .showHelpAfterError('(--help lists commands and options)')
    .exitOverride();
  const started = inputOptions();
  const ran = inputOptions();
  const loaded = inputOptions();
  program
    .command('start')
    .description('take in a log, or a sample; show engagement scores and segments')
    .addOption(
      started.option(
        'input',
        '--input <path...>',
        'files, folders or patterns: CSV or JSON, plain or gzip; - is standard input. Again, with --mapping, for another log',
      ),
    )
    .addOption(
      started.option(
        'mapping',
        '--mapping <name>',
        'of the --input beside it: a shipped mapping, or the path of one (docs/MAPPINGS.md)',
      ),
    )
    .addOption(started.option('topic', '--topic <name>', 'that --input is written to: events'))
    .option('--config <file>', 'JSON with engagement and segments')
    .addOption(sources())
    .option('--catalogue <file>', 'JSON that names every field; others are refused')
    .addOption(idleAfter())
    .addOption(maxDrift())
    .addOption(atEnd())
    .addOption(numberOption('--top <n>', 'subjects shown', count(0)).default(10))
    .option(
      '--serve',
      'stay up after the report, with the console; on a terminal it does so by itself',
    )
    .option('--no-serve', 'end after the report, on a terminal, too')
    .option(
      '--gateway <file>',
      'of --serve: JSON with accounts, webhooks and limits (docs/SOURCES.md)',
    )
    .addOption(data())
    .addOption(stateBackend())
    .addOption(log())
    .addOption(memory())
    .addOption(threads())
    .addOption(stopWithin())
    .addOption(fresh())
    .addOption(http())
    .addOption(httpHost())
    .addOption(statsd())
    .addOption(logLevel())
    .addOption(json())
    .action((options: StartOptions) => start({ ...options, tokens: started.tokens }));
  program
    .command('load')
    .description('take in a night of files or sources, end, and write what became of it')
    .requiredOption('--manifest <file>', 'JSON that is written: rows, checksums, watermark')
    .addOption(
      loaded.option('input', '--input <path...>', 'files, folders or patterns, as of `start`'),
    )
    .addOption(loaded.option('mapping', '--mapping <name>', 'of the --input beside it'))
    .addOption(sources())
    .option('--config <file>', 'JSON with engagement and segments')
    .addOption(data())
    .addOption(stateBackend())
    .addOption(memory())
    .addOption(threads())
    .addOption(stopWithin())
    .addOption(logLevel())
    .addOption(json())
    .action((options: LoadOptions) => load({ ...options, tokens: loaded.tokens }));
  addKafkaOptions(program.command('serve'))
    .description(
      'keep what `start` ran running; take events in and answer questions over HTTP (docs/SOURCES.md)',
    )
    .option('--gateway <file>', 'JSON with accounts, webhooks and limits (docs/SOURCES.md)')
    .addOption(sources())
    .addOption(data())
    .addOption(memory())
    .addOption(threads())
    .addOption(stopWithin())
    .addOption(idleAfter())
    .addOption(maxDrift())
    .addOption(atEnd())
    .addOption(
      numberOption(
        '--verify-every <ms>',
        'recompute a sample in SQL so often; 0 = never',
        ms(0, longestTimerMs),
      ).default(0),
    )
    .addOption(
      numberOption('--verify-sample <n>', 'subjects of such a sample', count(1)).default(100),
    )
    .addOption(http())
    .addOption(httpHost())
    .addOption(statsd())
    .addOption(logLevel())
    .action((options: ServeOptions) => serve(options));
  addKafkaOptions(program.command('gateway'))
    .description('take events in over HTTP for an application on Kafka; any number of them may run')
    .option('--gateway <file>', 'JSON with accounts, webhooks and limits (docs/SOURCES.md)')
    .option('--application <name>', 'whose events they are', 'personalisation')
    .addOption(stopWithin())
    .addOption(http().default(8_080))
    .addOption(httpHost())
    .addOption(logLevel())
    .action(async (options: GatewayAloneOptions) => {
      // Loaded here: the other commands need no HTTP framework.
      const { gatewayAlone } = await import('./gateway-alone.ts');
      await gatewayAlone(options);
    });
  addKafkaOptions(program.command('run <module>'))
    .description('run a topology module (.ts or .js) on the embedded log or on Kafka')
    .option('--application <name>', "names changelogs and state; default the topology's name")
    .addOption(numberOption('--partitions <n>', 'of new topics', partitionCount))
    .addOption(idleAfter())
    .addOption(stopWithin())
    .addOption(maxDrift())
    .addOption(atEnd())
    .addOption(orphan())
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
    )
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
    .addOption(sources())
    .addOption(data())
    .addOption(stateBackend())
    .addOption(log())
    .addOption(memory())
    .addOption(threads())
    .addOption(fresh())
    .addOption(http())
    .addOption(httpHost())
    .addOption(statsd())
    .addOption(logLevel())
    .addOption(json())
    .action((module: string, options: RunOptions) =>
      run(module, { ...options, tokens: ran.tokens }, application),
    );
  addDev(program);
  addKafkaOptions(program.command('plan <module>'))
    .description('what becomes of the state that is there, store by store, when a topology is run')
    .option('--application <name>', "names changelogs and state; default the topology's name")
    .addOption(numberOption('--partitions <n>', 'of new topics', partitionCount))
    .addOption(orphan())
    .addOption(log())
    .addOption(data())
    .addOption(json())
    .action((module: string, options: PlanOptions) => planDeployment(resolve(module), options));
  program
    .command('health')
    .description('how the process is that serves --http; fails when it is not ready')
    .addOption(http().makeOptionMandatory())
    .addOption(httpHost())
    .option('--live', 'one that restores its state is well, too')
    .action((options: HealthOptions) => health(options));
  addKafkaOptions(program.command('config'))
    .description('what options, environment and file make of the settings of Kafka; no secrets')
    .addOption(json())
    .action(showConfiguration);
  addKafkaOptions(program.command('explain <subject> <segment>'))
    .description('why a subject is in a segment or not, and what changes when')
    .option('--at <instant>', "ISO 8601, e.g. 2026-01-31T09:30:00Z; default: the subject's clock")
    .addOption(data())
    .addOption(json())
    .action(explain);
  addKafkaOptions(program.command('verify'))
    .description('recompute subjects from the log in SQL and compare them with the state')
    .addOption(numberOption('--sample <n>', 'subjects at most', count(1)).default(1_000))
    .addOption(data())
    .addOption(json())
    .action(verify);
  program
    .command('lint <config>')
    .description('check a configuration of scores and segments (docs/SEGMENTS.md)')
    .addOption(json())
    .action(lint);
  program
    .command('mapping <name>')
    .description('check a mapping; with --input, show what it makes of the rows (docs/MAPPINGS.md)')
    .option('--input <path...>', 'files, folders or patterns; nothing is taken in')
    .addOption(numberOption('--rows <n>', 'looked at, at most', count(1)).default(10_000))
    .option('--catalogue <file>', 'check it against this catalogue of fields (docs/CATALOGUE.md)')
    .option('--fields', 'print a catalogue of the fields that it reads and writes, to be filled in')
    .addOption(json())
    .action(tryMapping);
  addSources(program);
  program
    .command('schema')
    .description('schemas of topics: check')
    .command('check <file>')
    .description('refuse a schema that breaks who reads or writes what is in use (docs/SCHEMAS.md)')
    .option('--against <file>', 'the schema in use')
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
    .addOption(json())
    .action(async (file: string, options: SchemaCheckOptions) => {
      const { schemaCheck } = await import('../../engine/cli/schema.ts');
      await schemaCheck(file, options);
    });
  addSegments(program);
  addKafkaOptions(
    program.command('score').description('scores: explain').command('explain <subject>'),
  )
    .description('what a score is made of, hour by hour, and when it changes without events')
    .option('--at <instant>', "ISO 8601, e.g. 2026-01-31T09:30:00Z; default: the subject's clock")
    .addOption(data())
    .addOption(json())
    .action(scoreExplain);
  addInspection(program);
  return program;
}

/** Input is read again when state is begun anew, so that only files will do. */
function addDev(program: Command): void {
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
    .addOption(idleAfter())
    .addOption(maxDrift())
    .addOption(atEnd())
    .addOption(stopWithin())
    .addOption(sources())
    .addOption(data())
    .addOption(stateBackend())
    .addOption(memory())
    .addOption(threads().default(0))
    .addOption(http())
    .addOption(httpHost())
    .addOption(logLevel())
    .action(async (module: string, options: DevOptions) => {
      // Loaded here: the other commands need no compiler.
      const { dev } = await import('../../engine/cli/dev/dev.ts');
      const code = await dev(
        module,
        { ...options, tokens: given.tokens },
        application.versionProgram,
      );
      if (code !== 0) process.exit(code);
    });
}

function addSources(program: Command): void {
  const command = program
    .command('sources')
    .description('sources that are pulled from: check, try (docs/SOURCES.md)');
  command
    .command('lint <file>')
    .description('every mistake in the file of --sources, with its path')
    .addOption(json())
    .action((file: string, options: SourcesOptions) => lintCommand(file, options, application));
  command
    .command('test <name>')
    .description('fetch from a source for real, and show what its rows become; nothing is written')
    .addOption(sources().default('sources.json'))
    .option('--module <path>', 'the topology that `run` is given; default: that of `start`')
    .addOption(numberOption('--limit <n>', 'rows at most', count(1)).default(5))
    .addOption(json())
    .action((name: string, options: TestOptions) => testCommand(name, options, application));
}

function addSegments(program: Command): void {
  const segment = program.command('segment').description('segments: check, price, explain');
  for (const [name, about, action] of [
    ['lint', 'every mistake in a configuration, or what its segments cost', lint],
    ['plan', 'bytes, timers, retention, purposes and hash of each segment', plan],
  ] as const) {
    segment
      .command(`${name} <config>`)
      .description(about)
      .addOption(
        numberOption(
          '--events-per-day <n>',
          'of each class and subject, for the bytes',
          count(1),
        ).default(1),
      )
      .addOption(json())
      .action(action);
  }
  addHistory(segment);
  addKafkaOptions(segment.command('explain <subject> <segment>'))
    .description('why a subject is in a segment or not, and what changes when')
    .option('--at <instant>', "ISO 8601, e.g. 2026-01-31T09:30:00Z; default: the subject's clock")
    .addOption(data())
    .addOption(json())
    .action(explain);
}

function addHistory(segment: Command): void {
  addKafkaOptions(segment.command('what-if <config>'))
    .description(
      'another configuration over the same events: who would enter and leave, and how scores shift',
    )
    .addOption(data())
    .addOption(json())
    .action(segmentWhatIf);
  addKafkaOptions(segment.command('as-of <instant>'))
    .description('who was in each segment at an instant (ISO 8601), as known then and as known now')
    .option('--segment <id>', 'this one only, with its members')
    .addOption(data())
    .addOption(json())
    .action(segmentAsOf);
}

interface DescribeOptions {
  readonly format: 'text' | 'json' | 'mermaid';
  readonly json?: boolean;
  readonly live?: boolean;
  readonly data: string;
}

function addInspection(program: Command): void {
  program
    .command('describe [module]')
    .description("a topology's graph; with --live, how time stands in the process that runs")
    .option('--live', 'source times, watermarks and who holds them back, of the process in --data')
    .addOption(data())
    .addOption(
      new Option('--format <format>', 'form').choices(['text', 'json', 'mermaid']).default('text'),
    )
    .addOption(json())
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
  addKafkaOptions(program.command('query <store> [key]'))
    .description('rows of a store of the application that ran last')
    .addOption(numberOption('--limit <n>', 'rows at most; default: all', count(1)))
    .addOption(data())
    .addOption(json())
    .action(query);
  const list = addKafkaOptions(program.command('topics'))
    .description('the topics of the log')
    .addOption(data())
    .addOption(json())
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
    .addOption(json())
    .action((module: string, _: unknown, command: Command) =>
      topicsPlan(resolve(module), command.optsWithGlobals<TopicsPlanOptions>()),
    );
  for (const [name, about] of [
    ['pause', 'stop reading, and keep partitions and state; over restarts, until it is resumed'],
    ['resume', 'go on reading where it was paused, without a loss'],
  ] as const) {
    addPause(program.command(name))
      .description(about)
      .addOption(data())
      .addOption(json())
      .action((options: PauseOptions) => pauseCommand(name === 'pause', options));
  }
  addReset(program.command('reset'))
    .addOption(data())
    .addOption(json())
    .action((options: ResetCommandOptions) => resetCommand(options));
  const letters = program.command('dead-letters');
  reading(letters.description('records that were refused, and why; replay'))
    .option('--application <name>', 'whose; default: what ran last in the data folder')
    .action((options: ReadOptions) => deadLetters(options));
  addReplay(letters.command('replay')).action((_: unknown, command: Command) =>
    replayCommand(command.optsWithGlobals<ReplayCommandOptions>(), application.mappings),
  );
}

function reading(command: Command): Command {
  return addKafkaOptions(command)
    .option('--module <path>', 'a topology that says how the records are written')
    .addOption(numberOption('--partition <n>', 'one partition only', count(0)))
    .addOption(numberOption('--from <offset>', 'first offset', count(0)).default(0))
    .addOption(numberOption('--limit <n>', 'records at most; default: all', count(1)))
    .addOption(data())
    .addOption(json());
}

async function main(): Promise<number> {
  endWhenNobodyReads();
  const packageFile = new URL('package.json', packageRoot);
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };
  const program = programOf(version);
  try {
    await program.parseAsync();
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage;
    return report(error, program.opts<{ stack?: boolean }>().stack === true);
  }
}

onUnhandled(process, (error) => {
  process.exit(report(error, process.argv.includes('--stack')));
});

/** What the brokers were asked cannot be taken back: a run that failed does not wait for the answer. */
const code = await main();
if (code === 0) process.exitCode = 0;
else process.exit(code);
