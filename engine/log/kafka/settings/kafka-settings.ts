/** The settings of the Kafka log. */
import type { Secret } from '../../../base/secret.ts';

export interface KafkaSettings {
  /** 'host:port', separated by commas. */
  readonly brokers: string;
  /** 'auto': the first possible one; see docs/KAFKA.md. */
  readonly transport: 'auto' | 'direct' | 'packed' | 'plain';
  /**
   * Static membership: the member keeps its partitions over a restart. Unique in the application.
   */
  readonly instanceId?: string;
  /**
   * What happens to a static member's partitions when its process stops: 'stay' keeps them until
   * its session ends, 'leave' releases them at once.
   */
  readonly atStop: 'leave' | 'stay';
  /**
   * 'classic' is the protocol that all brokers speak; 'consumer' is KIP-848, better with Kafka 4.2
   * or later only.
   */
  readonly groupProtocol: 'consumer' | 'classic';
  /** 'at-least-once' writes outputs before the transaction that holds changelogs and offsets. */
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitIntervalMs: number;
  /** Deadline of one call of the client, ms. */
  readonly callTimeoutMs: number;
  /** How long to wait at the start for brokers that do not respond, ms. */
  readonly connectTimeoutMs: number;
  /** The brokers abort the transaction of a dead process after this time, ms. */
  readonly transactionTimeoutMs: number;
  /** A member that does not poll for this time loses its partitions, ms. */
  readonly maxPollIntervalMs: number;
  /** Read-ahead per partition, bytes. */
  readonly bufferBytes: number;
  /** A larger record becomes a dead letter; set it to the topics' max.message.bytes. */
  readonly maxRecordBytes: number;
  /** Set it to the topics' message.timestamp.after.max.ms. */
  readonly maxTimestampAheadMs: number;
  /** Replication factor of topics that Millrace creates; -1: the cluster's default. */
  readonly replicationFactor: number;
  /** Name of the clients in the brokers' logs. */
  readonly clientId: string;
  /** Allows unencrypted connections to other machines. */
  readonly allowPlaintext: boolean;
  readonly tls: boolean;
  /** PEM files. */
  readonly tlsCaFile?: string;
  readonly tlsCertificateFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsKeyPassword?: Secret;
  readonly saslMechanism?: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER';
  readonly saslUsername?: string;
  readonly saslPassword?: Secret;
  readonly saslTokenUrl?: string;
  readonly saslClientId?: string;
  readonly saslClientSecret?: Secret;
  readonly saslScope?: string;
  /** librdkafka's own options, from the allow-list. */
  readonly options: Readonly<Record<string, string>>;
}

export const defaultKafkaSettings: Omit<KafkaSettings, 'brokers'> = {
  transport: 'auto',
  atStop: 'stay',
  groupProtocol: 'classic',
  guarantee: 'exactly-once',
  commitIntervalMs: 100,
  callTimeoutMs: 15_000,
  connectTimeoutMs: 60_000,
  transactionTimeoutMs: 10_000,
  maxPollIntervalMs: 300_000,
  bufferBytes: 16 * 1024 * 1024,
  maxRecordBytes: 1_000_000,
  maxTimestampAheadMs: 3_600_000,
  replicationFactor: -1,
  clientId: 'millrace',
  allowPlaintext: false,
  tls: false,
  options: {},
};
