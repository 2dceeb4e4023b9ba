/** What may be set of the Kafka log. */
import type { Secret } from '../../../base/secret.ts';

export interface KafkaSettings {
  /** 'host:port', separated by commas. */
  readonly brokers: string;
  /** 'auto': the first that can be. `transport.ts` says what each is. */
  readonly transport: 'auto' | 'direct' | 'packed' | 'plain';
  /**
   * Static membership: the member keeps its partitions over a restart. Unique in the application.
   */
  readonly instanceId?: string;
  /**
   * What becomes of a static member's partitions when its process stops: 'stay' keeps them until
   * its session is over, 'leave' gives them away at once.
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
  /** How long brokers that do not answer are waited for at the start, ms. */
  readonly connectTimeoutMs: number;
  /** After so long the brokers abort the transaction of a process that died in it, ms. */
  readonly transactionTimeoutMs: number;
  /** A member that does not come back for so long loses its partitions, ms. */
  readonly maxPollIntervalMs: number;
  /** Records read ahead, bytes a partition. */
  readonly bufferBytes: number;
  /**
   * A record with more bytes goes to the dead letters instead; as the topics' max.message.bytes.
   */
  readonly maxRecordBytes: number;
  /** As the topics' message.timestamp.after.max.ms. */
  readonly maxTimestampAheadMs: number;
  /** Copies of the topics that Millrace makes; -1: the cluster's default. */
  readonly replicationFactor: number;
  /** What the brokers call the clients in their logs. */
  readonly clientId: string;
  /** Brokers on other machines are spoken to without encryption only when this is true. */
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
  /** librdkafka's own options, of those that may be set. */
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
