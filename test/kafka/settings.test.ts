/** The Kafka configuration: where it comes from, what is refused, what no setting can change. */
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { isMillraceError } from '../../engine/base/errors.ts';
import { allowedOptions } from '../../engine/log/kafka/settings/allowed-options.ts';
import {
  adminOptions,
  consumerOptions,
  probeOptions,
  producerOptions,
  readerOptions,
} from '../../engine/log/kafka/settings/client-configs.ts';
import type { KafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { checkFeatures } from '../../engine/log/kafka/settings/security.ts';
import {
  fields,
  optionVariableOf,
  variableOf,
} from '../../engine/log/kafka/settings/setting-fields.ts';
import {
  type KafkaSources,
  kafkaSettings,
} from '../../engine/log/kafka/settings/settings-sources.ts';

const canary = 'c4nary-s3cret';
const here = '127.0.0.1:9092';
const far = 'kafka-1.example:9093,kafka-2.example:9093';
const environmentOf = (values: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [variableOf(name), value]));

function configuration(sources: Partial<KafkaSources>) {
  const readSecret = (path: string): string => {
    if (path === '/run/secrets/password') return `${canary}\n`;
    if (path === '/run/secrets/empty') return '\n';
    throw new Error(`no such file: ${path}`);
  };
  return kafkaSettings({ readSecret, ...sources });
}

function settings(values: Readonly<Record<string, string>>): KafkaSettings {
  const found = configuration({ environment: environmentOf(values) });
  if (found === undefined) throw new Error('nothing was configured');
  return found.settings;
}

function withOptions(options: Readonly<Record<string, unknown>>, brokers = here) {
  return configuration({ file: { name: 'kafka.json', content: { brokers, options } } });
}

/** The message of the CONFIG_INVALID that a call throws. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isMillraceError(error, 'CONFIG_INVALID')) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('sources', () => {
  test('nothing of Kafka is asked for: there is no configuration', () => {
    expect(configuration({ environment: { HOME: '/', [variableOf('brokers')]: '' } })).toBe(
      undefined,
    );
  });

  test('command line before environment before file before default, and the dump says which', () => {
    const found = configuration({
      flags: { brokers: here },
      environment: environmentOf({ brokers: '127.0.0.1:1', commitIntervalMs: '500' }),
      file: {
        name: 'kafka.json',
        content: { commitIntervalMs: 900, guarantee: 'at-least-once', clientId: 'mine' },
      },
    });
    expect(found?.settings).toMatchObject({
      brokers: here,
      commitIntervalMs: 500,
      guarantee: 'at-least-once',
      clientId: 'mine',
    });
    const from = Object.fromEntries(found?.effective.map((one) => [one.field, one.from]) ?? []);
    expect(from).toMatchObject({
      brokers: 'command line',
      commitIntervalMs: 'environment',
      guarantee: 'file',
      callTimeoutMs: 'default',
    });
  });

  test('every field has a variable of its own, and none collides with an option', () => {
    const names = [
      ...fields.map(({ name }) => variableOf(name)),
      ...[...allowedOptions.keys()].map(optionVariableOf),
    ];
    expect(new Set(names).size).toBe(names.length);
    expect(variableOf('saslPassword')).toBe('MILLRACE_KAFKA_SASL_PASSWORD');
  });

  test.each([
    [environmentOf({ commitIntervalMs: '100' }), /brokers: .*no brokers/],
    [{ MILLRACE_KAFKA_BROKER: here }, /MILLRACE_KAFKA_BROKER: .*MILLRACE_KAFKA_BROKERS/],
    [environmentOf({ brokers: 'localhost' }), /MILLRACE_KAFKA_BROKERS: .*host:port/],
    [environmentOf({ brokers: 'PLAINTEXT://localhost:9092' }), /host:port/],
    [environmentOf({ brokers: here, commitIntervalMs: '0' }), /from 1 to/],
    [environmentOf({ brokers: here, commitIntervalMs: '1.5' }), /whole number/],
    [environmentOf({ brokers: here, tls: 'yes' }), /neither true nor false/],
    [environmentOf({ brokers: here, guarantee: 'exactly_once' }), /exactly-once, at-least-once/],
    [environmentOf({ brokers: here, instanceId: 'pod 1' }), /letters, digits/],
    [environmentOf({ brokers: here, atStop: 'go' }), /leave, stay/],
    [
      environmentOf({ brokers: here, atStop: 'leave', groupProtocol: 'consumer' }),
      /atStop: .*groupProtocol classic/,
    ],
    [environmentOf({ brokers: here, saslTokenUrl: 'http://idp/token' }), /https/],
  ])('%j is refused with the field and what would be right', (environment, expected) => {
    expect(refusal(() => configuration({ environment }))).toMatch(expected);
  });

  test.each([
    [{ broker: here }, /broker in kafka.json: .*brokers/],
    [[], /one JSON object/],
    [{ brokers: [here] }, /a text, a number, true or false/],
    [{ brokers: here, options: 3 }, /object of names and values/],
  ])('the file %j is refused', (content, expected) => {
    expect(refusal(() => configuration({ file: { name: 'kafka.json', content } }))).toMatch(
      expected,
    );
  });
});

describe('secrets', () => {
  const login = { brokers: here, saslMechanism: 'PLAIN', saslUsername: 'app' };

  test.each([
    { ...environmentOf({ ...login, saslPassword: canary }) },
    {
      ...environmentOf(login),
      [`${variableOf('saslPassword')}_FILE`]: '/run/secrets/password',
    },
  ])('are shown nowhere, and reach the client', (environment) => {
    const found = configuration({ environment });
    if (found === undefined) throw new Error('nothing was configured');
    const shown = [
      inspect(found, { depth: 9, showHidden: true }),
      JSON.stringify(found),
      `${found.settings.saslPassword}`,
    ].join('\n');
    expect(shown).not.toContain(canary);
    expect(found.effective).toContainEqual({
      field: 'saslPassword',
      value: '«set»',
      from: 'environment',
    });
    expect(producerOptions(found.settings, 'id')).toMatchObject({
      'security.protocol': 'sasl_plaintext',
      'sasl.mechanism': 'PLAIN',
      'sasl.username': 'app',
      'sasl.password': canary,
    });
  });

  test('do not belong into the configuration file, but the name of their file does', () => {
    const file = (content: object) => () => configuration({ file: { name: 'k.json', content } });
    const message = refusal(file({ ...login, saslPassword: canary }));
    expect(message).toMatch(/saslPassword in k.json: .*saslPasswordFile/);
    expect(message).not.toContain(canary);
    const found = file({ ...login, saslPasswordFile: '/run/secrets/password' })();
    expect(found?.settings.saslPassword?.reveal()).toBe(canary);
  });

  test.each([
    [{ SASL_PASSWORD_FILE: '/none' }, /cannot be read: no such file/],
    [{ SASL_PASSWORD_FILE: '/run/secrets/empty' }, /is empty/],
    [{ SASL_PASSWORD_FILE: '/run/secrets/password', SASL_PASSWORD: canary }, /keep one of them/],
  ])('%j is refused', (given, expected) => {
    const own = Object.entries(given).map(([name, value]) => [`MILLRACE_KAFKA_${name}`, value]);
    const environment = { ...environmentOf(login), ...Object.fromEntries(own) };
    const message = refusal(() => configuration({ environment }));
    expect(message).toMatch(expected);
    expect(message).not.toContain(canary);
  });
});

describe('encryption and login', () => {
  test.each(['localhost:9092', '127.0.0.1:9092,127.1.2.3:9093', '[::1]:9092'])(
    'plaintext to %s stays on this machine',
    (brokers) => {
      expect(adminOptions(settings({ brokers }))).toMatchObject({
        'security.protocol': 'plaintext',
      });
    },
  );

  test.each([far, `${here},kafka-3:9092`, '10.0.0.7:9092', 'localhost.example:9092'])(
    'plaintext to %s must be asked for',
    (brokers) => {
      expect(refusal(() => settings({ brokers }))).toMatch(/allowPlaintext/);
      expect(settings({ brokers, allowPlaintext: 'true' }).allowPlaintext).toBe(true);
      expect(adminOptions(settings({ brokers, tls: 'true' }))).toMatchObject({
        'security.protocol': 'ssl',
        'enable.ssl.certificate.verification': true,
        'ssl.endpoint.identification.algorithm': 'https',
      });
    },
  );

  test('own certificate, own authority, OpenID Connect', () => {
    const own = settings({
      ...{ brokers: far, tls: 'true', tlsCaFile: '/ca.pem', tlsCertificateFile: '/c.pem' },
      ...{ tlsKeyFile: '/k.pem', tlsKeyPassword: canary, saslMechanism: 'OAUTHBEARER' },
      ...{ saslTokenUrl: 'https://idp.example/token', saslClientId: 'app' },
      ...{ saslClientSecret: 'shh', saslScope: 'kafka' },
    });
    expect(readerOptions(own, 'g')).toMatchObject({
      'security.protocol': 'sasl_ssl',
      'ssl.ca.location': '/ca.pem',
      'ssl.certificate.location': '/c.pem',
      'ssl.key.location': '/k.pem',
      'ssl.key.password': canary,
      'sasl.mechanism': 'OAUTHBEARER',
      'sasl.oauthbearer.method': 'oidc',
      'sasl.oauthbearer.token.endpoint.url': 'https://idp.example/token',
      'sasl.oauthbearer.client.id': 'app',
      'sasl.oauthbearer.client.secret': 'shh',
      'sasl.oauthbearer.scope': 'kafka',
    });
    expect(() => checkFeatures(own, ['ssl', 'sasl_oauthbearer'])).toThrow(/without oidc.*libcurl/);
    expect(() => checkFeatures(own, ['ssl', 'oidc'])).not.toThrow();
  });

  test.each([
    [{ tlsCaFile: '/ca.pem' }, /tlsCaFile: .*only when tls/],
    [{ tls: 'true', tlsKeyFile: '/k.pem' }, /tlsCertificateFile: .*belong together/],
    [{ saslMechanism: 'PLAIN' }, /saslUsername: saslMechanism PLAIN needs it/],
    [{ saslMechanism: 'SCRAM-SHA-512', saslUsername: 'a' }, /saslPassword: .*needs it/],
    [{ saslUsername: 'a' }, /only with a saslMechanism/],
    [{ saslMechanism: 'GSSAPI' }, /PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER/],
    [
      { saslMechanism: 'PLAIN', saslUsername: 'a', saslPassword: 'b', saslClientId: 'c' },
      /saslClientId: saslMechanism PLAIN does not use it/,
    ],
  ])('%j is refused', (values, expected) => {
    expect(refusal(() => settings({ brokers: here, ...values }))).toMatch(expected);
  });
});

describe("librdkafka's own options", () => {
  test('those allowed reach the clients they are for', () => {
    const found = withOptions({
      'fetch.min.bytes': 7,
      'linger.ms': 3,
      'socket.timeout.ms': 5_000,
    })?.settings as KafkaSettings;
    const [reader, producer] = [readerOptions(found, 'g'), producerOptions(found, 'p')];
    expect(reader).toMatchObject({ 'fetch.min.bytes': '7', 'socket.timeout.ms': '5000' });
    expect(producer).toMatchObject({ 'linger.ms': '3', 'socket.timeout.ms': '5000' });
    expect(Object.keys(producer)).not.toContain('fetch.min.bytes');
    expect(Object.keys(reader)).not.toContain('linger.ms');
    const environment = {
      ...environmentOf({ brokers: here }),
      MILLRACE_KAFKA_OPTION_FETCH_MIN_BYTES: '9',
    };
    expect(configuration({ environment })?.settings.options).toEqual({ 'fetch.min.bytes': '9' });
  });

  test.each([
    ['plugin.library.paths', /loads code/],
    ['interceptors', /loads code/],
    ['ssl.engine.location', /loads code/],
    ['ssl.engine.id', /loads code/],
    ['ssl_engine_callback_data', /loads code/],
    ['ssl.providers', /loads code/],
    ['sasl.kerberos.kinit.cmd', /runs a command/],
    ['enable.ssl.certificate.verification', /always verified/],
    ['ssl.endpoint.identification.algorithm', /always verified/],
    ['enable.sasl.oauthbearer.unsecure.jwt', /always verified/],
    ['rebalance_cb', /callback/],
    ['sasl.password', /begins with sasl/],
    ['ssl.key.password', /begins with tls/],
    ['security.protocol', /follows from/],
    ['auto.offset.reset', /Millrace sets it/],
    ['check.crcs', /Millrace sets it/],
    ['allow.auto.create.topics', /Millrace sets it/],
    ['partitioner', /Millrace sets it/],
    ['isolation.level', /Millrace sets it/],
    ['enable.auto.commit', /Millrace sets it/],
    ['enable.idempotence', /Millrace sets it/],
    ['acks', /Millrace sets it/],
    ['transactional.id', /Millrace sets it/],
    ['message.max.bytes', /maxRecordBytes/],
    ['group.id', /Millrace sets it/],
    ['test.mock.num.brokers', /not one of the options/],
    ['fetch.min.byte', /not one of the options.*fetch\.min\.bytes/],
  ])('%s is refused', (name, expected) => {
    expect(refusal(() => withOptions({ [name]: canary }))).toMatch(expected);
    expect(refusal(() => withOptions({ [name]: canary }))).not.toContain(canary);
    const environment = {
      ...environmentOf({ brokers: here }),
      [optionVariableOf(name.replaceAll('_', '.'))]: canary,
    };
    expect(() => configuration({ environment })).toThrow(/CONFIG|options|refused|callback/);
  });

  test('a session is the brokers’ matter with the protocol consumer', () => {
    const options = { 'session.timeout.ms': 6_000 };
    const content = { brokers: here, groupProtocol: 'consumer', options };
    expect(refusal(() => configuration({ file: { name: 'k.json', content } }))).toMatch(
      /groupProtocol to classic/,
    );
    const found = withOptions(options)?.settings as KafkaSettings;
    expect(consumerOptions(found, 'g')).toMatchObject({
      'session.timeout.ms': '6000',
      'partition.assignment.strategy': 'range',
    });
  });

  test('what exactly-once rests on is inside, whatever is set', () => {
    const found = settings({ brokers: here });
    const everywhere = { 'allow.auto.create.topics': false };
    const readers = [
      consumerOptions(found, 'g'),
      readerOptions(found, 'g'),
      probeOptions(found, 'g'),
    ];
    for (const options of readers) {
      expect(options).toMatchObject({
        ...everywhere,
        'auto.offset.reset': 'error',
        'check.crcs': true,
        'enable.auto.commit': false,
        'enable.auto.offset.store': false,
      });
    }
    expect(readers.map((options) => options['isolation.level'])).toEqual([
      'read_committed',
      'read_committed',
      'read_uncommitted',
    ]);
    expect(producerOptions(found, 'id')).toMatchObject({
      ...everywhere,
      'transactional.id': 'id',
      partitioner: 'murmur2_random',
    });
    expect(adminOptions(found)).toMatchObject(everywhere);
  });
});
