/**
 * The options of the commands that may use Kafka, and the configuration that they and the
 * environment make.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { MillraceError, messageOf } from '../base/errors.ts';
import { jsonOf } from '../base/json-text.ts';
import { defaultKafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
import { type FieldName, fields } from '../log/kafka/settings/setting-fields.ts';
import { type KafkaConfiguration, kafkaSettings } from '../log/kafka/settings/settings-sources.ts';
import { print, printJson, table } from './output.ts';

export interface KafkaFlags {
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly instanceId?: string;
  readonly atStop?: string;
  readonly groupProtocol?: string;
  readonly guarantee?: string;
  readonly commitInterval?: string;
  /** host:port at which other processes reach this one. */
  readonly advertise?: string;
}

/** Names the file if no option does. */
const fileVariable = 'MILLRACE_KAFKA_CONFIG';

export function addKafkaOptions(command: Command): Command {
  return command
    .option('--brokers <list>', 'Kafka: host:port, separated by commas; default: the embedded log')
    .option('--kafka-config <file>', 'JSON with the settings of Kafka (docs/KAFKA.md)')
    .addOption(
      new Option(
        '--advertise <host:port>',
        'where other processes of the application reach --http of this one; default: where it listens',
      ).env('MILLRACE_ADVERTISE'),
    )
    .option('--instance-id <name>', 'keep the partitions over a restart; unique in the application')
    .addOption(
      new Option(
        '--at-stop <what>',
        'with --instance-id: stay keeps the partitions for a restart, leave gives them away; default stay',
      ).choices(['leave', 'stay']),
    )
    .addOption(
      new Option(
        '--group-protocol <name>',
        `how the instances share partitions; default ${defaultKafkaSettings.groupProtocol} (docs/KAFKA.md)`,
      ).choices(['consumer', 'classic']),
    )
    .addOption(
      new Option('--guarantee <name>', 'of results on Kafka').choices([
        'exactly-once',
        'at-least-once',
      ]),
    )
    .option('--commit-interval <ms>', 'on Kafka, from one commit to the next');
}

/** Undefined if neither options nor environment nor file name a broker. */
export async function kafkaConfiguration(
  options: KafkaFlags,
): Promise<KafkaConfiguration | undefined> {
  const { [fileVariable]: named, ...environment } = process.env;
  const name = options.kafkaConfig ?? (named === '' ? undefined : named);
  const flags: Partial<Record<FieldName, string | undefined>> = {
    brokers: options.brokers,
    instanceId: options.instanceId,
    atStop: options.atStop,
    groupProtocol: options.groupProtocol,
    guarantee: options.guarantee,
    commitIntervalMs: options.commitInterval,
  };
  return kafkaSettings({
    flags: Object.fromEntries(Object.entries(flags).filter(([, text]) => text !== undefined)),
    environment,
    ...(name === undefined ? {} : { file: { name, content: await contentOf(name) } }),
    readSecret: (path) => readFileSync(path, 'utf8'),
  });
}

async function contentOf(file: string): Promise<unknown> {
  try {
    return jsonOf(await readFile(file, 'utf8'));
  } catch (error) {
    const problem = `it cannot be read as JSON: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: file, problem });
  }
}

/** `config`: the configuration of a run with these options, this environment and this file. */
export async function showConfiguration(
  options: KafkaFlags & { readonly json?: boolean },
): Promise<void> {
  const effective = (await kafkaConfiguration(options))?.effective;
  if (options.json === true) return printJson(effective ?? []);
  if (effective === undefined) return print('no brokers are named: the embedded log is used');
  const meaning = new Map<string, string>(fields.map(({ name, about }) => [name, about]));
  const rows = effective.map(({ field, value, from }) => [
    field,
    value,
    from,
    meaning.get(field) ?? "librdkafka's own",
  ]);
  print(table(['setting', 'value', 'from', 'meaning'], rows));
}
