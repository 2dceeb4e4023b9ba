/** Errors of the log, its brokers, topics and offsets. */
import type { CatalogueEntry } from './catalogue-entry.ts';

export const logErrors = {
  LOG_LOCKED: {
    message: 'the log in {directory} is in use by process {pid} ({application}) on {host}',
    remedy: 'stop that process first, or choose another directory (option `data`)',
    exitCode: 2,
  },
  LOG_CORRUPT: {
    message: 'log damaged: topic {topic} partition {partition} offset {offset}: {problem}',
    remedy:
      'restore the data directory from a copy, or start over (option `fresh`); nothing was changed',
    exitCode: 3,
  },
  LOG_FENCED: {
    message: 'writer {writer} was fenced by a newer writer with the same id',
    remedy: 'stop the other instance, or give each its own id',
    exitCode: 1,
  },
  LOG_UNAVAILABLE: {
    message: 'the log in {directory} cannot be used: {problem}',
    remedy:
      'check that the directory exists, is writable and has free space; committed work is safe',
    exitCode: 1,
  },
  LOG_UNREACHABLE: {
    message: 'the brokers at {brokers} do not answer: {problem}',
    remedy: 'check the addresses (option `brokers`) and the network; nothing is lost meanwhile',
    exitCode: 1,
  },
  LOG_NOT_READY: {
    message: 'the brokers at {brokers} respond, but are not ready: {problem}',
    remedy:
      'the request is retried; nothing is lost meanwhile. If this persists, check the brokers',
    exitCode: 1,
  },
  KAFKA_CLIENT_MISSING: {
    message:
      'Kafka cannot be used: the package node-rdkafka is not installed or was not compiled ({problem})',
    remedy:
      'it is compiled at install time and needs a C++ compiler, make and Python: install them, then `npm install node-rdkafka@3.6.1` (about three minutes); the embedded log works without it',
    exitCode: 2,
  },
  KAFKA_REFUSED: {
    message: 'the brokers at {brokers} refuse: {problem}',
    remedy:
      'check user, password, certificates and the rights that `millrace topics plan --acls` lists; nothing is lost',
    exitCode: 2,
  },
  KAFKA_REJECTED: {
    message: 'the brokers at {brokers} do not accept it: {problem}',
    remedy:
      'correct the named problem: the name or settings of a topic, the replication factor, a policy or version of the brokers; a retry does not help, and nothing is lost',
    exitCode: 2,
  },
  RECORDS_UNREADABLE: {
    message:
      'topic {topic} partition {partition} from offset {offset} on cannot be read: {problem}',
    remedy:
      "nothing was skipped, and nothing after it is read. For a codec, see the problem above; a damaged batch can only be skipped, by setting the group to a later offset with Kafka's tools",
    exitCode: 3,
  },
  RECORD_REFUSED: {
    message: 'the broker does not take a record of topic {topic} partition {partition}: {problem}',
    remedy:
      'raise the limit of the topic (max.message.bytes, message.timestamp.after.max.ms) or correct the record; nothing of this commit was written, and the next start tries it again',
    exitCode: 1,
  },
  TOPIC_UNKNOWN: {
    message: 'there is no topic {topic}',
    remedy: 'list them with `millrace topics`',
    exitCode: 2,
  },
  TOPIC_DELETED: {
    message: 'topic {topic} was deleted while the application ran',
    remedy:
      'create it again and restart: the new topic is read from its start, and the results of the old one stay; or remove it from the topology',
    exitCode: 2,
  },
  TOPIC_REMADE: {
    message: 'topic {topic} was deleted and created again while the application ran',
    remedy:
      'restart: a source topic is then read from its start. The state of a changelog is lost with its topic: `millrace reset` recomputes it',
    exitCode: 3,
  },
  TOPIC_MISMATCH: {
    message: 'topic {topic} exists with {actual} partitions, but {expected} are needed',
    remedy: 'use the existing number of partitions, or another topic name',
    exitCode: 2,
  },
  OFFSET_OUT_OF_RANGE: {
    message: 'topic {topic} partition {partition}: offset {offset} is outside {start} to {end}',
    remedy: 'read from an offset inside the range; a committed offset outside it means lost data',
    exitCode: 3,
  },
  PARTITIONS_CHANGED: {
    message: 'topic {topic} has {actual} partitions, what belongs to it has {expected}',
    remedy:
      'the number of partitions of a source was changed after state was written for it, so its keys are in other partitions now. Choose a new application name, and read the input from its start',
    exitCode: 2,
  },
  TOPIC_GREW: {
    message: 'topic {topic} has at least {actual} partitions now, {planned} when this run began',
    remedy:
      'restart: parts without state adapt; in parts with state, keys move to other partitions, so these need a new application name and the input from its start',
    exitCode: 2,
  },
  NOT_COLOCATED: {
    message:
      'partition {partition} of {topics} is read together, and the group gives it to different members',
    remedy:
      'let all members assign by range: with option `groupProtocol` classic no other assignor may be set in the group; with consumer the brokers must know the range assignor',
    exitCode: 2,
  },
  OFFSET_LOST: {
    message:
      'topic {topic} partition {partition}: the next offset to read is {offset}, the log has {start} to {end}',
    remedy:
      'records were deleted before they were read, or the topic was created again: restore it, or continue at its start or end (option `onOffsetLost` earliest | latest), which loses the missing records',
    exitCode: 3,
  },
  OFFSETS_MISSING: {
    message:
      'task {task}: the changelog of {store} has records, but the group has no committed offset of {topics}',
    remedy:
      'the brokers deleted the offsets of a group that was stopped for too long (offsets.retention.minutes), or the topics were created again: set the offsets of group {application} by the tool of Kafka, start over with `millrace reset`, or read the topics from the start (option `onOffsetLost` earliest), which counts records again that the state has',
    exitCode: 3,
  },
  APPEND_FULL: {
    message: '{waiting} records wait to be written; no more are accepted now',
    remedy: 'send again later; if this persists, check the disk or the brokers',
    exitCode: 1,
  },
  DISK_FULL: {
    message: 'no space left on the disk of {directory}',
    remedy: 'free some space and start again; everything committed is kept and the run continues',
    exitCode: 1,
  },
} as const satisfies Record<string, CatalogueEntry>;
