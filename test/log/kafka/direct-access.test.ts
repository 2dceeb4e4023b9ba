/**
 * Which settings let Millrace fetch and write past librdkafka, and how it reaches the brokers then.
 */
import { describe, expect, it } from 'vitest';
import { Secret } from '../../../engine/base/secret.ts';
import { readerOptions } from '../../../engine/log/kafka/settings/client-configs.ts';
import { directAccess } from '../../../engine/log/kafka/settings/direct-access.ts';
import { directBatchBytes } from '../../../engine/log/kafka/settings/direct-batch-size.ts';
import {
  defaultKafkaSettings,
  type KafkaSettings,
} from '../../../engine/log/kafka/settings/kafka-settings.ts';

const settings = (own: Partial<KafkaSettings>): KafkaSettings => ({
  ...defaultKafkaSettings,
  brokers: 'localhost:9092',
  ...own,
});

describe('fetching past librdkafka', () => {
  it('reaches hosts, addresses and ports as librdkafka reads them', () => {
    const access = directAccess(settings({ brokers: 'a:1, b ,[::1]:2,[fe80::2],127.0.0.1:3' }));
    expect(access).toMatchObject({
      bootstrap: [
        { host: 'a', port: 1 },
        { host: 'b', port: 9092 },
        { host: '::1', port: 2 },
        { host: 'fe80::2', port: 9092 },
        { host: '127.0.0.1', port: 3 },
      ],
      access: { tls: undefined, credentials: undefined },
    });
  });

  it('keeps the limits that were set', () => {
    const options = {
      'fetch.wait.max.ms': '7',
      'fetch.min.bytes': '8',
      'fetch.max.bytes': '9',
      'max.partition.fetch.bytes': '10',
    };
    const limits = { waitMs: 7, minBytes: 8, maxBytes: 9, maxPartitionBytes: 10 };
    expect(directAccess(settings({ options }))).toMatchObject({ limits });
  });

  it('waits as long as the client does, unless told otherwise', () => {
    const { 'fetch.wait.max.ms': waitMs } = readerOptions(settings({}), 'any');
    expect(waitMs).toBeGreaterThan(0);
    expect(directAccess(settings({}))).toMatchObject({ limits: { waitMs } });
  });

  it('encrypts and logs in as the client does', () => {
    const saslPassword = new Secret('secret');
    const login = { saslMechanism: 'SCRAM-SHA-256', saslUsername: 'app', saslPassword } as const;
    const access = directAccess(settings({ tls: true, tlsCaFile: 'ca.pem', ...login }));
    expect(access).toMatchObject({
      access: {
        tls: { authority: 'ca.pem', certificate: undefined },
        credentials: { mechanism: 'SCRAM-SHA-256', username: 'app', password: saslPassword },
      },
    });
  });

  it.each<[Partial<KafkaSettings>, RegExp]>([
    [{ options: { 'client.rack': 'a' } }, /client\.rack/],
    [{ options: { 'ssl.cipher.suites': 'x' } }, /ssl\.cipher\.suites/],
    [{ options: { 'broker.address.family': 'v4' } }, /broker\.address\.family/],
    [{ saslMechanism: 'OAUTHBEARER' }, /OAUTHBEARER/],
    [{ brokers: 'a:1,fe80::2' }, /fe80::2/],
    [{ brokers: 'a:1,' }, /librdkafka alone/],
  ])('is left to librdkafka with %o', (own, reason) => {
    expect(directAccess(settings(own))).toMatch(reason);
  });
});

describe('writing past librdkafka', () => {
  it('fills batches as librdkafka does, and none that a topic with our limit would refuse', () => {
    expect(directBatchBytes(settings({ maxRecordBytes: 5_000_000 }))).toBe(1_000_000);
    expect(directBatchBytes(settings({ options: { 'batch.size': '4000' } }))).toBe(4_000);
    expect(directBatchBytes(settings({ maxRecordBytes: 10_000 }))).toBeLessThan(10_000);
  });

  it.each([
    ['compression.type', 'zstd', /compresses by zstd/],
    ['compression.type', 'none', /compresses by none/],
    ['compression.level', '9', /compression\.level/],
    ['batch.num.messages', '10', /batch\.num\.messages/],
  ])('is left to librdkafka with %s=%s', (name, value, reason) => {
    expect(directBatchBytes(settings({ options: { [name]: value } }))).toMatch(reason);
  });
});
