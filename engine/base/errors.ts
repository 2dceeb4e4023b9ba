/**
 * The error catalogue: every way in which the world outside (files, logs, configuration, other
 * processes) can be wrong. One table: code -> what happened and what to do about it. A mistake of
 * Millrace itself is an AssertionError; a bad record is a verdict, not an exception.
 */

import { inspect, types } from 'node:util';

/** Values named in an error's text, also machine-readable in `MillraceError.context`. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | undefined>>;

interface CatalogueEntry {
  /** What is wrong; `{name}` is replaced by the context's value. */
  readonly message: string;
  /** What the reader can do about it. */
  readonly remedy: string;
  /** Exit code of the command line: 1 run failed, 2 usage or configuration, 3 damaged data. */
  readonly exitCode: 1 | 2 | 3;
}

export const errorCatalogue = {
  CONFIG_INVALID: {
    message: 'configuration field {field}: {problem}',
    remedy: 'correct the field; `--help` and the README list fields and limits',
    exitCode: 2,
  },
  USAGE: {
    message: '{problem}',
    remedy: 'see `millrace --help`',
    exitCode: 2,
  },
  SCHEMA_REGISTRY: {
    message: 'the schema registry {url} does not answer as it should: {problem}',
    remedy: 'look at the registry and its address; start again, nothing is skipped',
    exitCode: 1,
  },
  SCHEMA_REFUSED: {
    message: 'the schema of {subject} is refused: {problem}',
    remedy: '`millrace schema check` tells what breaks; change the schema so that both can be read',
    exitCode: 2,
  },
  SUBJECT_UNKNOWN: {
    message: 'no event of subject {subject} is known',
    remedy:
      'spell the subject as the log does, after the mapping; `millrace query profiles` lists some',
    exitCode: 2,
  },
  APPEND_FULL: {
    message: '{waiting} records wait to be written; no more are taken now',
    remedy: 'send again later; look at the disk or the brokers when it lasts',
    exitCode: 1,
  },
  GOLDEN_DIFFERS: {
    message: 'the run is not that of the golden file {file}: {problem}',
    remedy:
      'correct the topology; or, if it is meant to be so, run the test with {variable}=1, which writes the file anew, and review what has changed in it',
    exitCode: 1,
  },
  GOLDEN_VALUE: {
    message: 'a golden file cannot keep the {where}: it {problem}',
    remedy: 'record values that are plain data: objects, lists, texts, numbers, dates, bytes',
    exitCode: 2,
  },
  SEGMENT_UNKNOWN: {
    message: 'no segment {segment} is configured or was told of; {hint}',
    remedy: 'name one of the segments that `millrace segment plan` lists',
    exitCode: 2,
  },
  TOPOLOGY_INVALID: {
    message: 'topology {topology} cannot be built:\n{problems}',
    remedy: 'correct the lines named above',
    exitCode: 2,
  },
  TOPOLOGY_MODULE: {
    message: 'topology module {module} could not be loaded: {problem}',
    remedy: 'correct the module; run with --stack to see where it fails',
    exitCode: 2,
  },
  TOPOLOGY_CHANGED: {
    message:
      'the topology in the worker ({actual}) differs from the one on the main thread ({expected})',
    remedy: 'make the module build the same graph each time it is loaded',
    exitCode: 2,
  },
  STATE_INCOMPATIBLE: {
    message: 'this topology cannot go on with the state of {application}:\n{problems}',
    remedy:
      'run the earlier topology, or give what has changed another name and let the old store go with --orphan; `millrace plan` shows all of it',
    exitCode: 2,
  },
  LOG_LOCKED: {
    message: 'the log in {directory} is in use by process {pid} ({application}) on {host}',
    remedy: 'stop that process first, or choose another --data directory',
    exitCode: 2,
  },
  LOG_CORRUPT: {
    message: 'log damaged: topic {topic} partition {partition} offset {offset}: {problem}',
    remedy: 'restore the data directory from a copy, or start with --fresh; nothing was changed',
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
    remedy: 'check the addresses (--brokers) and the network; nothing is lost meanwhile',
    exitCode: 1,
  },
  LOG_NOT_READY: {
    message: 'the brokers at {brokers} answer, and cannot do it now: {problem}',
    remedy: 'it is tried again; nothing is lost meanwhile. If it stays so, look at the brokers',
    exitCode: 1,
  },
  KAFKA_CLIENT_MISSING: {
    message:
      'Kafka cannot be used: the package node-rdkafka is not there or was not compiled ({problem})',
    remedy:
      'it is compiled at the install and needs a C++ compiler, make and Python: install them, then `npm install node-rdkafka@3.6.1` (about three minutes); the embedded log works without',
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
      'correct what is named: the name or settings of a topic, the replication factor, a policy or version of the brokers; asking again does not help, and nothing is lost',
    exitCode: 2,
  },
  RECORDS_UNREADABLE: {
    message:
      'topic {topic} partition {partition} from offset {offset} on cannot be read: {problem}',
    remedy:
      'nothing was skipped, and nothing after it is read. A codec is told of above; a damaged batch can only be passed over, by setting the group to a later offset with the tools of Kafka',
    exitCode: 3,
  },
  RECORD_REFUSED: {
    message: 'the broker does not take a record of topic {topic} partition {partition}: {problem}',
    remedy:
      'raise the limit of the topic (max.message.bytes, message.timestamp.after.max.ms) or correct what is written; nothing of this commit was written, and it is tried again at the next start',
    exitCode: 1,
  },
  TOPIC_UNKNOWN: {
    message: 'there is no topic {topic}',
    remedy: 'list them with `millrace topics`',
    exitCode: 2,
  },
  TOPIC_DELETED: {
    message: 'topic {topic} was deleted while it was read',
    remedy:
      'make it anew and start again: the new topic is read from its start, what was made of the old one stays; or take it out of the topology',
    exitCode: 2,
  },
  TOPIC_MISMATCH: {
    message: 'topic {topic} exists with {actual} partitions, {expected} are asked for',
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
      'the number of partitions of a source was changed after state was written for it: its keys lie elsewhere now. Choose a new application name, and read the input from its start',
    exitCode: 2,
  },
  TOPIC_GREW: {
    message: 'topic {topic} has at least {actual} partitions now, {planned} when this run began',
    remedy:
      'start again: parts without state follow; keys of parts with state move to other partitions, so these need a new application name and the input from its start',
    exitCode: 2,
  },
  NOT_COLOCATED: {
    message:
      'partition {partition} of {topics} is read together, and the group gives it to different members',
    remedy:
      'let all members assign by range: with --group-protocol classic no other assignor may be set in the group; with consumer the brokers must know the range assignor',
    exitCode: 2,
  },
  OFFSET_LOST: {
    message:
      'topic {topic} partition {partition}: the next offset to read is {offset}, the log has {start} to {end}',
    remedy:
      'records were deleted before they were read, or the topic was made anew: restore it, or choose to go on at its start or end (--on-offset-lost earliest | latest), which loses what is missing',
    exitCode: 3,
  },
  LEDGER_MISMATCH: {
    message:
      'task {task}: store {store} changed last in commit {actual} by its changelog, in commit {expected} by the committed offsets',
    remedy:
      'a transaction was torn in the log; nothing is run on it. Restore offsets and changelog of one instant, or reset the application',
    exitCode: 3,
  },
  COMMIT_DOUBTFUL: {
    message: 'commit {commitId} failed or its outcome is not known: {problem}',
    remedy: 'nothing is lost; the tasks go on from the last commit that is known',
    exitCode: 1,
  },
  STATE_CORRUPT: {
    message: 'state damaged: task {task} store {store}: {problem}',
    remedy:
      'none is needed: the state in {directory} is wiped and restored from its changelog; if it comes again and again, look at the disk',
    exitCode: 3,
  },
  STORE_CORRUPT: {
    message: 'the database in {directory} is damaged: {problem}',
    remedy:
      'state is wiped and restored by itself; of a log restore the data directory from a copy',
    exitCode: 3,
  },
  STATE_UNAVAILABLE: {
    message: 'the store in {directory} cannot be used: {problem}',
    remedy: 'check that the directory is writable and has free space; committed work is safe',
    exitCode: 1,
  },
  BACKEND_MISSING: {
    message: 'the state backend {backend} cannot be loaded: {problem}',
    remedy: '{remedy}',
    exitCode: 1,
  },
  STATE_AHEAD: {
    message: 'state of task {task} is ahead of its changelog ({problem})',
    remedy: 'log and state do not belong together: delete {directory} to rebuild it from the log',
    exitCode: 3,
  },
  CHANGELOG_CORRUPT: {
    message: 'changelog {topic} partition {partition} offset {offset}: {problem}',
    remedy: 'restore the data directory from a copy; the state was not changed',
    exitCode: 3,
  },
  CYCLE_REPEATED: {
    message: 'task {task}: {step} refused a record that had changed state already: {problem}',
    remedy: 'none is needed: the cycle is done again from the last commit, without that record',
    exitCode: 1,
  },
  RECORD_FAILED: {
    message:
      '{stage} error at {step}: {problem} (topic {topic} partition {partition} offset {offset})',
    remedy: 'correct the record or the code, or set the error policy to dead-letter',
    exitCode: 1,
  },
  SUPPRESS_FULL: {
    message: 'suppress {step} holds {held}, the most it may',
    remedy: "raise maxRecords or maxBytes, shorten the time, or set whenFull: 'emit' where it may",
    exitCode: 1,
  },
  UNHANDLED: {
    message: 'unhandled {kind} in user code, {where}: {problem}',
    remedy:
      'something was started there that nobody waits for: await it in asyncMap, or catch what it fails of; committed work is safe and the next start continues from it',
    exitCode: 1,
  },
  WORKER_FAILED: {
    message: 'worker thread failed {attempts} times, last: {problem}',
    remedy: 'look at the last error; committed work is safe and the next start continues from it',
    exitCode: 1,
  },
  HTTP_UNAVAILABLE: {
    message: 'cannot listen on {host} port {port}: {problem}',
    remedy: 'choose another port with --http, or 0 for a free one',
    exitCode: 2,
  },
  UNHEALTHY: {
    message: 'the process at {address} is not ready: {problem}',
    remedy:
      'a process that starts or restores becomes ready by itself; else its log says what is wrong',
    exitCode: 1,
  },
  NOT_OURS: {
    message: 'this is asked by the processes of the application alone',
    remedy: 'ask another question; /openapi.json or a wrong path lists them',
    exitCode: 1,
  },
  OPERATE_REFUSED: {
    message: 'this server knows no accounts, so only this machine may operate the application',
    remedy:
      'use the command line there, or `serve --gateway` with accounts, of which one has the role operate',
    exitCode: 2,
  },
  APPLICATION_RUNS: {
    message: '{application} runs: {problem}',
    remedy: 'stop all of its processes, then ask again; nothing was changed',
    exitCode: 2,
  },
  RESET_UNFINISHED: {
    message: 'a reset of {application} was begun and broken off',
    remedy: 'run `millrace reset --yes` again, which finishes it; the input is not touched by it',
    exitCode: 2,
  },
  STATE_MOVED: {
    message: 'the task {task} was closed while it was asked',
    remedy: 'ask again: it is opened anew, here or in another process',
    exitCode: 1,
  },
  STATE_AWAY: {
    message: 'nobody holds the rows of {table} now: {problem}',
    remedy:
      'ask again in a moment: the tasks are being opened, restored or given to another process',
    exitCode: 1,
  },
  STORE_UNKNOWN: {
    message: 'there is no store {store}; this topology has: {stores}',
    remedy: 'name one of these stores',
    exitCode: 2,
  },
  TABLE_NOT_KEPT: {
    message: 'table {table} keeps no rows that could be read: {problem}',
    remedy: 'read the table that it comes from, or write it to a topic and read that as a table',
    exitCode: 2,
  },
  INPUT_MISSING: {
    message: 'input file {file} cannot be read: {problem}',
    remedy: 'check the path and its permissions',
    exitCode: 2,
  },
  INPUT_BROKEN: {
    message: 'input file {file}: {problem}',
    remedy:
      'everything before the break was taken in; mend the file from there on and start again to go on',
    exitCode: 1,
  },
  INPUT_REFUSED: {
    message: 'all {rows} rows of the input were refused; each is a dead letter with its reason',
    remedy: 'see why with `millrace dead-letters`, and correct the mapping or the file',
    exitCode: 1,
  },
  INPUT_CHANGED: {
    message: 'input file {file} is not the one read before: {problem}',
    remedy:
      'rows that were taken stay taken: put the file back as it was to go on with it, or give the changed one another name to take it in as a new file; to have the changed one in its place, take all files in once more, with --fresh or into another --data folder',
    exitCode: 2,
  },
  LOAD_INTERRUPTED: {
    message: 'the load was interrupted after {rows} rows; there is no manifest',
    remedy: 'run it again: it goes on behind what was taken in',
    exitCode: 1,
  },
  SOURCE_UNAVAILABLE: {
    message: 'source {source} does not answer: {problem}',
    remedy:
      'look at the other side and the network; it is asked again, and nothing is lost meanwhile',
    exitCode: 1,
  },
  SOURCE_REFUSED: {
    message: 'source {source} cannot be read: {problem}',
    remedy:
      'correct address, credentials or rights, and try it with `millrace sources test`; nothing is lost meanwhile',
    exitCode: 2,
  },
  SOURCE_CHANGED: {
    message: 'source {source} was of {before} before, and is of {now} now',
    remedy: 'give it another name: the position that is kept under this one belongs to the other',
    exitCode: 2,
  },
  PACKAGE_MISSING: {
    message: 'source {source} needs the package {package}, which cannot be loaded: {problem}',
    remedy: 'npm install {package}',
    exitCode: 2,
  },
  BODY_TOO_LARGE: {
    message: 'the body of the request has more than {bytes} bytes',
    remedy: 'send less at a time, e.g. one definition or fewer segments',
    exitCode: 2,
  },
  TOO_BUSY: {
    message: '{waiting} questions of this kind are being answered or wait: no more are taken',
    remedy: 'ask again in {seconds} s',
    exitCode: 1,
  },
  QUESTION_TOO_LARGE: {
    message: 'the question was given up: {problem}',
    remedy: 'ask for fewer subjects or segments, or use the command of the same name',
    exitCode: 1,
  },
  TOOL_MISSING: {
    message: 'the tool {tool} cannot be loaded: {problem}',
    remedy: 'npm install --no-save {tool}: it is a tool of development, which only verify needs',
    exitCode: 2,
  },
  VERIFY_DIFFERS: {
    message: '{differing} values differ from what SQL makes of the log',
    remedy:
      'report the lines above with the configuration: scores and segments must be recomputable',
    exitCode: 1,
  },
  MAPPING_INVALID: {
    message: 'mapping {mapping}: {field}: {problem}',
    remedy:
      'correct the mapping; docs/MAPPINGS.md describes every field; for rows without one, see --key, --time and --time-format',
    exitCode: 2,
  },
  DISK_FULL: {
    message: 'no space left on the disk of {directory}',
    remedy: 'free some space and start again; everything committed is kept and the run continues',
    exitCode: 1,
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof errorCatalogue;

/** The names between braces in a text of the catalogue. */
type NamesIn<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | NamesIn<Rest>
  : never;

/** What an error of this code must say: all that its message and remedy name. */
export type ContextOf<Code extends ErrorCode> = ErrorContext & {
  readonly [Name in NamesIn<
    (typeof errorCatalogue)[Code]['message'] | (typeof errorCatalogue)[Code]['remedy']
  >]: string | number | boolean;
};

/** An error of the world outside, with a stable code, the values concerned and a remedy. */
export class MillraceError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'MillraceError';
  readonly code: Code;
  readonly context: ErrorContext;
  readonly remedy: string;
  readonly exitCode: 1 | 2 | 3;

  constructor(code: Code, context: ContextOf<Code>, options?: { cause?: unknown }) {
    const entry: CatalogueEntry = errorCatalogue[code];
    super(fill(entry.message, context), options);
    this.code = code;
    this.context = context;
    this.remedy = fill(entry.remedy, context);
    this.exitCode = entry.exitCode;
  }
}

/** True for an error of the catalogue, optionally of one code. */
export function isMillraceError(error: unknown, code?: ErrorCode): error is MillraceError {
  return error instanceof MillraceError && (code === undefined || error.code === code);
}

/** True for errors of a log that may pass by themselves: trying again may help. */
export function isPassing(error: unknown): error is MillraceError {
  return isMillraceError(error, 'LOG_UNREACHABLE') || isMillraceError(error, 'LOG_NOT_READY');
}

/**
 * The text of anything thrown: the message of an error of any realm, else the value's own text.
 * Never throws, whatever getters and `toString` do.
 */
export function messageOf(error: unknown): string {
  try {
    if (isErrorLike(error)) return String(error.message);
    return typeof error === 'object' && error !== null
      ? inspect(error, { depth: 2, breakLength: Number.POSITIVE_INFINITY, getters: false })
      : String(error);
  } catch {
    return 'an object that cannot be shown';
  }
}

/** The stack of an error of any realm; undefined of anything else. Never throws. */
export function stackText(error: unknown): string | undefined {
  try {
    return isErrorLike(error) && typeof error.stack === 'string' ? error.stack : undefined;
  } catch {
    return undefined;
  }
}

function isErrorLike(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error);
}

/** An error as plain data, to cross a thread; `reviveError` makes it an error again. */
export interface ErrorImage {
  readonly code?: ErrorCode;
  readonly context?: ErrorContext;
  readonly message: string;
  readonly stack?: string;
}

export function imageOfError(error: unknown): ErrorImage {
  if (error instanceof MillraceError) {
    return { code: error.code, context: error.context, message: error.message, ...stackOf(error) };
  }
  return { message: messageOf(error), ...stackOf(error) };
}

export function reviveError(image: ErrorImage): Error {
  const error =
    image.code === undefined
      ? new Error(image.message)
      : new MillraceError(image.code, (image.context ?? {}) as ContextOf<ErrorCode>);
  if (image.stack !== undefined) error.stack = image.stack;
  return error;
}

function stackOf(error: unknown): { stack?: string } {
  const stack = stackText(error);
  return stack === undefined ? {} : { stack };
}

function fill(template: string, context: ErrorContext): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => String(context[name] ?? `?${name}`));
}
