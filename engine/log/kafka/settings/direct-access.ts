/** Whether and how the settings allow fetching without librdkafka. */

import type { BrokerAccess, BrokerAddress } from '../wire/broker-connection.ts';
import type { FetchLimits } from '../wire/fetch-request.ts';
import type { Credentials } from '../wire/sasl-login.ts';
import { readerOptions } from './client-configs.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** How to reach the brokers without librdkafka, and how much to fetch at once. */
export interface DirectAccess {
  /** Initial brokers; the cluster returns the others. */
  readonly bootstrap: readonly BrokerAddress[];
  readonly access: BrokerAccess;
  readonly limits: FetchLimits;
}

/** Options that need librdkafka: where it connects to, or how it encrypts. */
const notOurs = /^(broker\.address\.family|client\.(dns\.lookup|rack)|ssl\..*)$/;

const defaultPort = 9092;

/** How to reach the brokers; a string says why librdkafka is needed. */
export function directAccess(settings: KafkaSettings): DirectAccess | string {
  const { brokers, clientId, callTimeoutMs, tls, saslMechanism } = settings;
  const option = Object.keys(settings.options).find((name) => notOurs.test(name));
  if (option !== undefined) return `the option ${option} is librdkafka's alone`;
  if (saslMechanism === 'OAUTHBEARER') return `librdkafka alone logs in by ${saslMechanism}`;
  const bootstrap: BrokerAddress[] = [];
  for (const broker of brokers.split(',')) {
    const address = addressOf(broker);
    if (address === undefined) return `librdkafka alone may know what ${broker} is`;
    bootstrap.push(address);
  }
  const options = readerOptions(settings, '');
  const number = (name: string, otherwise?: number) => Number(options[name] ?? otherwise);
  return {
    bootstrap,
    access: {
      clientId,
      timeoutMs: callTimeoutMs,
      tls: tls ? tlsFiles(settings) : undefined,
      credentials: credentialsOf(settings),
    },
    limits: {
      waitMs: number('fetch.wait.max.ms'),
      // From here on librdkafka's own defaults.
      minBytes: number('fetch.min.bytes', 1),
      maxBytes: number('fetch.max.bytes', 52_428_800),
      maxPartitionBytes: number('max.partition.fetch.bytes', 1_048_576),
    },
  };
}

/** Parses an address; undefined if invalid (an empty host would mean this machine). */
function addressOf(broker: string): BrokerAddress | undefined {
  const text = broker.trim().replace(/^\w+:\/\//, '');
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  return host === undefined ? undefined : { host, port: Number(port ?? defaultPort) };
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
  // The check of the settings requires both.
  if (saslUsername === undefined || saslPassword === undefined) return undefined;
  return { mechanism: saslMechanism, username: saslUsername, password: saslPassword };
}
