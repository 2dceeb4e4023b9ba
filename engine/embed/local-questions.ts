/**
 * How a command queries a running process, which owns log and state: over a socket in the data
 * folder that only the user of the process can access. Values are serialised by V8, so they keep
 * their types.
 */
import { createHash } from 'node:crypto';
import { chmod, rm } from 'node:fs/promises';
import { request as ask, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { type ErrorImage, imageOfError, MillraceError, reviveError } from '../base/errors.ts';
import type { RowMappings } from '../connect/row-mapping.ts';
import type { Topology } from '../graph/graph.ts';
import type { StoreRow } from '../graph/store-spec.ts';
import type {
  CommittedOffset,
  Log,
  ReadLimits,
  TopicDescription,
  TopicPartition,
} from '../log/log.ts';
import { PackedBatch } from '../record/batch.ts';
import type { PauseChange, Paused } from '../runtime/pause.ts';
import type { ReplayReport } from '../runtime/replay/replay.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TimeReport } from '../runtime/time-report.ts';
import { answerReplay, type ReplayQuestion } from './answer-replay.ts';
import type { Environment } from './environment.ts';

/** What a process answers. */
interface Calls {
  about(): Promise<{ readonly application: string }>;
  topics(): Promise<readonly TopicDescription[]>;
  cleanupPolicies(topics: readonly string[]): Promise<ReadonlyMap<string, string>>;
  startOffset(at: TopicPartition): Promise<number>;
  endOffset(at: TopicPartition): Promise<number>;
  committed(group: string, at: TopicPartition): Promise<CommittedOffset | undefined>;
  /** The batch's image. */
  read(at: TopicPartition, from: number, limits: ReadLimits): Promise<ArrayBuffer | undefined>;
  query(store: string, keyText?: string, limit?: number): Promise<StoreRow[]>;
  time(): Promise<TimeReport>;
  replay(question: ReplayQuestion): Promise<ReplayReport>;
  pause(change: PauseChange): Promise<Paused>;
}

type Call = keyof Calls;
type Answer = { readonly value: unknown } | { readonly error: ErrorImage };

/** Longest socket path that all systems support. */
const pathBytesMax = 100;

/** The socket of the process of a data folder. */
function socketOf({ directory }: Environment): string {
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  if (process.platform === 'win32') return `\\\\.\\pipe\\millrace-${name}`;
  const path = join(directory, 'questions.sock');
  return Buffer.byteLength(path) <= pathBytesMax ? path : join(tmpdir(), `millrace-${name}.sock`);
}

/**
 * Serves requests until it is closed. If the socket cannot be created, only these requests are
 * unavailable.
 */
export async function answerLocally(
  env: Environment,
  {
    application,
    topology,
    runtime,
    log,
    mappings,
  }: {
    application: string;
    topology: Topology;
    runtime: Pick<Runtime, 'query' | 'time' | 'pause'>;
    log: Log;
    /** Mappings for rows of dead letters in a replay. */
    mappings: RowMappings | undefined;
  },
): Promise<{ close(): Promise<void> }> {
  const path = socketOf(env);
  const calls: Calls = {
    about: async () => ({ application }),
    topics: () => log.topics(),
    cleanupPolicies: async (topics) => {
      if (log.cleanupPolicies !== undefined) return log.cleanupPolicies(topics);
      const all = await log.topics();
      return new Map(all.map(({ name, settings }) => [name, settings.cleanup ?? 'delete']));
    },
    startOffset: (at) => log.startOffset(at),
    endOffset: (at) => log.endOffset(at),
    committed: (group, at) => log.committed(group, at),
    read: async (at, from, limits) => (await log.read(at, from, limits))?.image,
    query: (store, keyText, limit) => runtime.query(store, keyText, limit),
    time: () => runtime.time(),
    replay: (question) => answerReplay({ log, application, topology, mappings }, question),
    pause: (change) => runtime.pause(change),
  };
  const server = createServer((question, response) => {
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    question.on('data', (chunk: Buffer) => chunks.push(chunk));
    question.on('error', () => {});
    question.on('end', () => {
      void answered(calls, Buffer.concat(chunks)).then((answer) => response.end(answer));
    });
  });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  // Left by a killed process; this process now owns log and state.
  if (process.platform !== 'win32') await rm(path, { force: true }).catch(() => {});
  const isThere = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(path, () => resolve(true));
  });
  if (!isThere) return { close: async () => {} };
  if (process.platform !== 'win32') await chmod(path, 0o600).catch(() => {});
  server.unref();
  return { close };
}

async function answered(calls: Calls, question: Buffer): Promise<Buffer> {
  let answer: Answer;
  try {
    const { call, args } = deserialize(question) as { call: Call; args: readonly unknown[] };
    if (!Object.hasOwn(calls, call)) throw new Error(`nobody answers ${call}`);
    answer = { value: await (calls[call] as (...all: unknown[]) => Promise<unknown>)(...args) };
  } catch (error) {
    answer = { error: imageOfError(error) };
  }
  return serialize(answer);
}

/** Log and state of a running process, for questions. */
export interface RunningProcess {
  readonly application: string;
  readonly log: Log;
  readonly runtime: Pick<Runtime, 'query'>;
  /** How far its time is. */
  time(): Promise<TimeReport>;
  /** Replays dead letters in its log. */
  replay(question: ReplayQuestion): Promise<ReplayReport>;
  /** Pauses or resumes it. */
  pause(change: PauseChange): Promise<Paused>;
}

/** Undefined if no process runs in the data folder or it does not answer. */
export async function runningProcess(env: Environment): Promise<RunningProcess | undefined> {
  const path = socketOf(env);
  const call = <C extends Call>(name: C, ...args: Parameters<Calls[C]>) =>
    asked(path, name, args) as ReturnType<Calls[C]>;
  let application: string;
  try {
    ({ application } = await call('about'));
  } catch {
    return undefined;
  }
  const refuse = async (): Promise<never> => {
    throw new MillraceError('USAGE', { problem: 'a question changes nothing' });
  };
  const log: Log = {
    topics: () => call('topics'),
    cleanupPolicies: (topics) => call('cleanupPolicies', topics),
    startOffset: (at) => call('startOffset', at),
    endOffset: (at) => call('endOffset', at),
    completeFrom: (at) => call('startOffset', at),
    committed: (group, at) => call('committed', group, at),
    read: async (at, from, limits) => {
      const image = await call('read', at, from, limits);
      return image === undefined ? undefined : new PackedBatch(image);
    },
    createTopics: refuse,
    join: refuse,
    openWriter: refuse,
    maintain: refuse,
    close: async () => {},
  };
  return {
    application,
    log,
    runtime: { query: (...args) => call('query', ...args) },
    time: () => call('time'),
    replay: (question) => call('replay', question),
    pause: (change) => call('pause', change),
  };
}

function asked(socketPath: string, call: Call, args: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const question = ask({ socketPath, method: 'POST', path: '/' }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answer = deserialize(Buffer.concat(chunks)) as Answer;
        if ('error' in answer) reject(reviveError(answer.error));
        else resolve(answer.value);
      });
    });
    question.on('error', reject);
    question.end(serialize({ call, args }));
  });
}
