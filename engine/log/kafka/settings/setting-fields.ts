/** Every field of the Kafka configuration: its type and its purpose. */
import { hours } from '../../../base/duration.ts';

interface FieldBase {
  readonly name: string;
  readonly about: string;
}

export type Field = FieldBase &
  (
    | { readonly kind: 'text'; readonly pattern?: RegExp; readonly rule?: string }
    /** Comes from the environment or from a file of its own, and is never shown. */
    | { readonly kind: 'secret' }
    | { readonly kind: 'flag' }
    | { readonly kind: 'number'; readonly min: number; readonly max: number }
    | { readonly kind: 'choice'; readonly choices: readonly string[] }
  );

const hour = hours(1);
const plainName = { pattern: /^[A-Za-z0-9._-]{1,200}$/, rule: 'letters, digits, . _ - only' };

export const fields = [
  {
    name: 'brokers',
    kind: 'text',
    pattern:
      /^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}(,(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5})*$/,
    rule: 'host:port, separated by commas',
    about: 'host:port, separated by commas',
  },
  { name: 'clientId', kind: 'text', ...plainName, about: 'name in the logs of the brokers' },
  {
    name: 'instanceId',
    kind: 'text',
    ...plainName,
    about:
      'static membership: this process keeps its partitions over a restart; unique in the application',
  },
  {
    name: 'atStop',
    kind: 'choice',
    choices: ['leave', 'stay'],
    about:
      'with instanceId, when the process stops: stay (it may be back soon), or leave (others take its partitions over at once)',
  },
  {
    name: 'groupProtocol',
    kind: 'choice',
    choices: ['consumer', 'classic'],
    about: 'classic, or consumer (KIP-848; Kafka 4.2 and later)',
  },
  {
    name: 'guarantee',
    kind: 'choice',
    choices: ['exactly-once', 'at-least-once'],
    about: 'of results: exactly-once or at-least-once',
  },
  {
    name: 'commitIntervalMs',
    kind: 'number',
    min: 1,
    max: hour,
    about: 'from one commit to the next, at most; results are visible after their commit',
  },
  {
    name: 'transactionTimeoutMs',
    kind: 'number',
    min: 1_000,
    max: 900_000,
    about: 'after so long the brokers abort the transaction of a process that died in it',
  },
  {
    name: 'maxPollIntervalMs',
    kind: 'number',
    min: 10_000,
    max: 24 * hour,
    about: 'a member silent for so long loses its partitions',
  },
  {
    name: 'callTimeoutMs',
    kind: 'number',
    min: 1_000,
    max: hour,
    about: 'deadline of one call to the brokers',
  },
  {
    name: 'connectTimeoutMs',
    kind: 'number',
    min: 1_000,
    max: 24 * hour,
    about: 'how long brokers that do not answer are waited for at the start',
  },
  {
    name: 'bufferBytes',
    kind: 'number',
    min: 65_536,
    max: 1_073_741_824,
    about: 'read ahead, a partition',
  },
  {
    name: 'maxRecordBytes',
    kind: 'number',
    min: 1_024,
    max: 1_073_741_824,
    about: "a longer record goes to the dead letters; as the topics' max.message.bytes",
  },
  {
    name: 'maxTimestampAheadMs',
    kind: 'number',
    min: 0,
    max: 1_000_000_000_000,
    about: "a record later than now by more, too; as the topics' message.timestamp.after.max.ms",
  },
  {
    name: 'replicationFactor',
    kind: 'number',
    min: -1,
    max: 100,
    about: 'copies of the topics Millrace makes; -1: the default of the cluster',
  },
  {
    name: 'transport',
    kind: 'choice',
    choices: ['auto', 'direct', 'packed', 'plain'],
    about: 'how records come into Node; auto: the first of the others that can be',
  },
  {
    name: 'allowPlaintext',
    kind: 'flag',
    about: 'true: speak without encryption also to brokers on other machines',
  },
  { name: 'tls', kind: 'flag', about: 'encrypt, and verify the certificate of the brokers' },
  {
    name: 'tlsCaFile',
    kind: 'text',
    about: 'PEM: authorities to trust; default: those of the system',
  },
  {
    name: 'tlsCertificateFile',
    kind: 'text',
    about: 'PEM: own certificate, for brokers that ask for one',
  },
  { name: 'tlsKeyFile', kind: 'text', about: 'PEM: its private key' },
  { name: 'tlsKeyPassword', kind: 'secret', about: 'of the private key' },
  {
    name: 'saslMechanism',
    kind: 'choice',
    choices: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    about: 'how to log in',
  },
  { name: 'saslUsername', kind: 'text', about: 'for PLAIN and SCRAM' },
  { name: 'saslPassword', kind: 'secret', about: 'for PLAIN and SCRAM' },
  {
    name: 'saslTokenUrl',
    kind: 'text',
    pattern: /^https:\/\//,
    rule: 'an https address',
    about: 'for OAUTHBEARER: where OpenID Connect gives tokens',
  },
  { name: 'saslClientId', kind: 'text', about: 'for OAUTHBEARER' },
  { name: 'saslClientSecret', kind: 'secret', about: 'for OAUTHBEARER' },
  { name: 'saslScope', kind: 'text', about: 'for OAUTHBEARER, optional' },
] as const satisfies readonly Field[];

export type FieldName = (typeof fields)[number]['name'];

/** Prefix of all Kafka variables in the environment. */
export const environmentPrefix = 'MILLRACE_KAFKA_';

/** 'saslPassword' -> 'MILLRACE_KAFKA_SASL_PASSWORD'. */
export function variableOf(field: string): string {
  return environmentPrefix + field.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

/** 'fetch.min.bytes' -> 'MILLRACE_KAFKA_OPTION_FETCH_MIN_BYTES'. */
export function optionVariableOf(option: string): string {
  return `${environmentPrefix}OPTION_${option.replaceAll('.', '_').toUpperCase()}`;
}
