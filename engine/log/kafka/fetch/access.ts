/** Whether and how the settings of the Kafka log let us fetch past librdkafka. */
import type { KafkaSettings } from '../config.ts';
import type { FetcherOptions } from './fetcher.ts';
import type { Credentials } from './login.ts';

type Access = Pick<FetcherOptions, 'bootstrap' | 'access' | 'limits'>;

/** What only librdkafka does: it says where it connects to, or how it encrypts. */
const notOurs = /^(broker\.address\.family|client\.(dns\.lookup|rack)|ssl\..*)$/;

const defaultPort = 9092;

/** How to reach the brokers; a text says why it is left to librdkafka. */
export function directAccess(settings: KafkaSettings): Access | string {
  const { brokers, clientId, callTimeoutMs, tls, saslMechanism, options } = settings;
  const option = Object.keys(options).find((name) => notOurs.test(name));
  if (option !== undefined) return `the option ${option} is librdkafka's alone`;
  if (saslMechanism === 'OAUTHBEARER') return `librdkafka alone logs in by ${saslMechanism}`;
  const number = (name: string, otherwise: number) => Number(options[name] ?? otherwise);
  return {
    bootstrap: brokers.split(',').map(addressOf),
    access: {
      clientId,
      timeoutMs: callTimeoutMs,
      tls: tls ? tlsFiles(settings) : undefined,
      credentials: credentialsOf(settings),
    },
    limits: {
      waitMs: number('fetch.wait.max.ms', 20),
      minBytes: number('fetch.min.bytes', 1),
      maxBytes: number('fetch.max.bytes', 52_428_800),
      maxPartitionBytes: number('max.partition.fetch.bytes', 1_048_576),
    },
  };
}

function addressOf(broker: string): { host: string; port: number } {
  const [, bracketed, plain = '', port] =
    /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(broker.trim().replace(/^\w+:\/\//, '')) ?? [];
  return { host: bracketed ?? plain, port: Number(port ?? defaultPort) };
}

function tlsFiles(settings: KafkaSettings) {
  const { tlsCaFile, tlsCertificateFile, tlsKeyFile, tlsKeyPassword } = settings;
  return {
    authority: tlsCaFile,
    certificate: tlsCertificateFile,
    key: tlsKeyFile,
    keyPassword: tlsKeyPassword,
  };
}

function credentialsOf(settings: KafkaSettings): Credentials | undefined {
  const { saslMechanism, saslUsername, saslPassword } = settings;
  if (saslMechanism === undefined || saslMechanism === 'OAUTHBEARER') return undefined;
  // Both were asked for when the settings were checked.
  if (saslUsername === undefined || saslPassword === undefined) return undefined;
  return { mechanism: saslMechanism, username: saslUsername, password: saslPassword };
}
