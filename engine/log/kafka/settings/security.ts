/** Login and encryption of the clients, and refused combinations of settings. */
import { MillraceError } from '../../../base/errors.ts';
import { checkOptions } from './allowed-options.ts';
import type { KafkaSettings } from './kafka-settings.ts';

type ClientOptions = Readonly<Record<string, unknown>>;

/**
 * @throws CONFIG_INVALID for settings that contradict each other or are less safe than they look
 */
export function checkKafkaSettings(settings: KafkaSettings): void {
  checkOptions(settings.options, settings.groupProtocol);
  if (settings.atStop === 'leave' && settings.groupProtocol !== 'classic') {
    fail('atStop', 'leave is of use with groupProtocol classic only');
  }
  checkTls(settings);
  checkLogin(settings);
  const far = farBroker(settings.brokers);
  if (settings.tls || settings.allowPlaintext || far === undefined) return;
  fail(
    'tls',
    `${far} is another machine and the connection is not encrypted; set tls to true, or allowPlaintext to true where the network itself is trusted`,
  );
}

function checkTls(settings: KafkaSettings): void {
  const { tls, tlsCaFile, tlsCertificateFile, tlsKeyFile, tlsKeyPassword } = settings;
  const given = Object.entries({ tlsCaFile, tlsCertificateFile, tlsKeyFile, tlsKeyPassword });
  const [name] = given.find(([, value]) => value !== undefined) ?? [];
  if (!tls && name !== undefined) fail(name, 'it is of use only when tls is true');
  if ((tlsCertificateFile === undefined) === (tlsKeyFile === undefined)) return;
  fail(
    tlsKeyFile === undefined ? 'tlsKeyFile' : 'tlsCertificateFile',
    'certificate and private key belong together; set both or neither',
  );
}

const byPassword = ['saslUsername', 'saslPassword'] as const;
const byToken = ['saslTokenUrl', 'saslClientId', 'saslClientSecret'] as const;

function checkLogin(settings: KafkaSettings): void {
  const { saslMechanism } = settings;
  const needed =
    saslMechanism === undefined ? [] : saslMechanism === 'OAUTHBEARER' ? byToken : byPassword;
  for (const name of needed) {
    if (settings[name] === undefined) fail(name, `saslMechanism ${saslMechanism} needs it`);
  }
  for (const name of [...byPassword, ...byToken, 'saslScope'] as const) {
    const used = needed.some((one) => one === name);
    const optional = name === 'saslScope' && saslMechanism === 'OAUTHBEARER';
    if (settings[name] === undefined || used || optional) continue;
    const problem =
      saslMechanism === undefined
        ? 'it is of use only with a saslMechanism'
        : `saslMechanism ${saslMechanism} does not use it`;
    fail(name, problem);
  }
}

/** The first broker on another machine. */
function farBroker(brokers: string): string | undefined {
  return brokers.split(',').find((broker) => {
    const host = broker.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
    return !(host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host));
  });
}

/** @throws KAFKA_CLIENT_MISSING if the client was compiled without a needed feature */
export function checkFeatures(settings: KafkaSettings, features: readonly string[]): void {
  const { tls, saslMechanism, options } = settings;
  const compression = options['compression.type'];
  const needed: [feature: string, wanted: boolean, library: string][] = [
    ['ssl', tls, 'libssl-dev'],
    ['sasl_scram', saslMechanism?.startsWith('SCRAM') === true, 'libssl-dev'],
    ['oidc', saslMechanism === 'OAUTHBEARER', 'libcurl4-openssl-dev and libssl-dev'],
    ['zstd', compression === 'zstd', 'libzstd-dev'],
  ];
  for (const [feature, wanted, library] of needed) {
    if (!wanted || features.includes(feature)) continue;
    const problem = `it was compiled without ${feature}; install ${library} and compile it again`;
    throw new MillraceError('KAFKA_CLIENT_MISSING', { problem });
  }
}

/** The encryption and login options of a client. */
export function securityOptions(settings: KafkaSettings): ClientOptions {
  const { tls, saslMechanism } = settings;
  const transport = tls ? 'ssl' : 'plaintext';
  return {
    'security.protocol': saslMechanism === undefined ? transport : `sasl_${transport}`,
    ...(tls ? tlsOptions(settings) : {}),
    ...loginOptions(settings),
  };
}

function tlsOptions(settings: KafkaSettings): ClientOptions {
  return present({
    'enable.ssl.certificate.verification': true,
    'ssl.endpoint.identification.algorithm': 'https',
    'ssl.ca.location': settings.tlsCaFile,
    'ssl.certificate.location': settings.tlsCertificateFile,
    'ssl.key.location': settings.tlsKeyFile,
    'ssl.key.password': settings.tlsKeyPassword?.reveal(),
  });
}

function loginOptions(settings: KafkaSettings): ClientOptions {
  const { saslMechanism } = settings;
  if (saslMechanism === undefined) return {};
  const mechanism = { 'sasl.mechanism': saslMechanism };
  if (saslMechanism !== 'OAUTHBEARER') {
    return present({
      ...mechanism,
      'sasl.username': settings.saslUsername,
      'sasl.password': settings.saslPassword?.reveal(),
    });
  }
  return present({
    ...mechanism,
    'sasl.oauthbearer.method': 'oidc',
    'sasl.oauthbearer.token.endpoint.url': settings.saslTokenUrl,
    'sasl.oauthbearer.client.id': settings.saslClientId,
    'sasl.oauthbearer.client.secret': settings.saslClientSecret?.reveal(),
    'sasl.oauthbearer.scope': settings.saslScope,
  });
}

function present(options: ClientOptions): ClientOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function fail(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
