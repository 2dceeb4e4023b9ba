/**
 * The transport of messages between librdkafka and JavaScript: packed by the native helper, or one
 * by one with node-rdkafka's own calls. Clients, groups and transactions are node-rdkafka's in both
 * cases.
 */
import type { PackedBatch } from '../../../record/batch.ts';
import type { GroupOffset, TopicPartition } from '../../log.ts';
import type { Unpack } from '../direct/unpacking.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import type { Membership } from '../wire/transaction-requests.ts';
import type { KafkaConsumer, Producer } from './rdkafka.ts';

/**
 * Records of one partition from one poll; offsets are the log's, gaps allowed; no CRC, Kafka checks
 * its own.
 */
export interface FetchedBatch extends TopicPartition {
  readonly batch: PackedBatch;
}

/** In a poll: nothing more to read before `offset` now. In a delivery: last offset + 1. */
export interface PartitionEnd extends TopicPartition {
  readonly offset: number;
}

export interface Polled {
  readonly batches: readonly FetchedBatch[];
  readonly ends: readonly PartitionEnd[];
  readonly errors: readonly PartitionError[];
}

export interface CommittedEntry extends TopicPartition {
  readonly offset: number | undefined;
  /** Undefined if the transport cannot read it. */
  readonly metadata?: string;
}

/** Requests that only the packed transport supports. */
export interface PartitionAdmin {
  /** High watermarks, all in one request. */
  endOffsets(
    partitions: readonly TopicPartition[],
    timeoutMs: number,
  ): Promise<readonly PartitionEnd[]>;
  /** Deletes the records before each offset. */
  deleteRecords(before: readonly PartitionEnd[], timeoutMs: number): Promise<void>;
}

export interface MessageConsumer {
  /**
   * Waits up to `waitMs` for the first message, then returns the available ones, up to `max`. One
   * poll at a time; it occupies a thread of libuv's pool while it waits.
   */
  poll(max: number, waitMs: number): Promise<Polled>;
  /** Committed offsets of the consumer's group. Rejects with the client's error. */
  committed(
    partitions: readonly TopicPartition[],
    timeoutMs: number,
  ): Promise<readonly CommittedEntry[]>;
}

export interface Delivered {
  /** Ends of the partitions that got messages since the last flush. */
  readonly ends: readonly PartitionEnd[];
  readonly delivered: number;
  readonly failures: readonly PartitionError[];
}

export interface MessageProducer {
  /**
   * Passes records [from, batch.count) to the client's queue; returns the index of the first that
   * did not fit because the queue is full.
   */
  produce(topic: string, partition: number, batch: PackedBatch, from: number): number;
  /**
   * Adds offsets of the consumer's group to the open transaction. Plain calls lose the metadata.
   * Rejects with the client's error.
   */
  sendOffsets(
    consumer: KafkaConsumer,
    offsets: readonly GroupOffset[],
    timeoutMs: number,
  ): Promise<void>;
  /** Waits until all records are delivered or have failed. */
  flush(timeoutMs: number): Promise<Delivered>;
  /** Call before the client is disconnected. */
  release(): void;
}

/** Calls for talking to brokers without the client. */
export interface DirectCalls {
  readonly unpack: Unpack;
  /**
   * Converts a packed batch to record batches with at most `bytesMax` bytes of records each, or a
   * single record.
   */
  pack(image: ArrayBuffer, bytesMax: number): Promise<readonly ArrayBuffer[]>;
  /** The membership of a client in its group. Rejects with the client's error. */
  membership(client: KafkaConsumer): Promise<Membership>;
}

/** Consumers have `enable.partition.eof`, plain producers `dr_cb`. */
export interface MessageTransport {
  readonly kind: 'packed' | 'plain';
  consumer(client: KafkaConsumer): MessageConsumer;
  /** Call before the client is connected. */
  producer(client: Producer): MessageProducer;
  admin?(client: KafkaConsumer): PartitionAdmin;
  /** Set if Kafka's own record batches can be read and written. */
  readonly direct?: DirectCalls;
}
