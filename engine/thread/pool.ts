/**
 * Worker threads (Piscina): one long call per worker, which serves its tasks through a port for the
 * life of the runtime.
 */
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { MillraceError, messageOf, reviveError } from '../base/errors.ts';
import { defaultMemoryBytes } from '../base/memory.ts';
import { onDemand } from '../base/on-demand.ts';
import { moduleAt } from '../base/package-files.ts';
import { fingerprint } from '../graph/fingerprint.ts';
import type { Topology } from '../graph/graph.ts';
import { type BackendChoice, defaultBackend, holdBackend } from '../storage/backends.ts';
import type { HostConfig, HostPort } from '../task/host-port.ts';
import type { TopologyReference } from './load-topology.ts';
import { type Answer, buffersIn, type Call, type WorkerStart } from './protocol.ts';

export interface WorkerOptions {
  readonly topology: Topology;
  readonly reference: TopologyReference;
  readonly config: HostConfig;
  readonly threads: number;
  /** State backend of their tasks; default: the default backend. */
  readonly stateBackend?: BackendChoice | undefined;
  /** Threads spawned earlier, the same number; otherwise they are spawned now. */
  readonly spawned?: SpawnedThreads | undefined;
}

/** Threads that are starting and wait for work. */
export interface SpawnedThreads {
  readonly pool: Piscina;
}

export interface WorkerHosts {
  readonly hosts: readonly HostPort[];
  stop(): Promise<void>;
}

/**
 * Young generation, MB: a cycle's objects live until its commit, and with V8's default of 48 they
 * would be copied repeatedly (bench/README.md).
 */
const youngGenerationMb = 96;
/** Maximal share of the memory budget for young generations, and their minimum, MB. */
const [youngShare, leastYoungMb] = [0.25, 6];

const library = onDemand<typeof import('piscina')>('piscina');

/** Calls whose buffers are transferred to the worker. */
const handsOver: ReadonlySet<string> = new Set(['process', 'restore', 'applyGlobal']);

/** Starts threads early, because their start takes longer than most other preparations. */
export function spawnThreads(
  threads: number,
  stateBackend: BackendChoice = defaultBackend,
  memoryBytes = defaultMemoryBytes(),
): SpawnedThreads {
  holdBackend(stateBackend);
  const { Piscina } = library();
  const shareMb = (memoryBytes * youngShare) / threads / (1024 * 1024);
  const youngMb = Math.max(leastYoungMb, Math.min(youngGenerationMb, Math.floor(shareMb)));
  const pool = new Piscina({
    filename: moduleAt('engine/thread/worker').href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    atomics: 'disabled',
    resourceLimits: { maxYoungGenerationSizeMb: youngMb },
  });
  return { pool };
}

export async function startWorkers(options: WorkerOptions): Promise<WorkerHosts> {
  const { topology, reference, threads, stateBackend = defaultBackend } = options;
  const config = shareOf(options.config, threads);
  const { pool } =
    options.spawned ?? spawnThreads(threads, stateBackend, options.config.memoryBytes);
  const print = fingerprint(topology);
  const work = { reference, config, stateBackend, fingerprint: print };
  const clients = Array.from({ length: threads }, () => clientOf(pool, work));
  const stop = () => stopAll(pool, clients);
  try {
    await Promise.all(clients.map((client) => client.ready));
  } catch (error) {
    // See endSpawned.
    await Promise.allSettled(clients.map((client) => client.ready));
    await stop();
    throw error;
  }
  return { hosts: clients.map((client) => client.host), stop };
}

/**
 * Ends threads that got no work. They load first: Node 20 aborts the process if a thread is ended
 * while it requires a module.
 */
export async function endSpawned({ pool }: SpawnedThreads): Promise<void> {
  const clients = pool.threads.map(() => clientOf(pool, undefined));
  await Promise.allSettled(clients.map((client) => client.ready));
  await stopAll(pool, clients);
}

/** Occupies a thread of the pool. @param work of its host; undefined: it has none */
function clientOf(pool: Piscina, work: WorkerStart['work']): WorkerClient {
  const { port1, port2 } = new MessageChannel();
  const start: WorkerStart = { work, port: port2 };
  return new WorkerClient(port1, pool.run(start, { transferList: [port2] }));
}

async function stopAll(pool: Piscina, clients: readonly WorkerClient[]): Promise<void> {
  for (const client of clients) client.stop();
  await pool.destroy();
}

/** One thread's share of the process's memory and tasks. */
function shareOf(config: HostConfig, threads: number): HostConfig {
  const { memoryBytes = defaultMemoryBytes(), tasks = threads } = config;
  return {
    ...config,
    memoryBytes: Math.floor(memoryBytes / threads),
    tasks: Math.ceil(tasks / threads),
  };
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** The main thread's end of a worker. */
class WorkerClient {
  readonly ready: Promise<unknown>;
  readonly host: HostPort;
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #failure: unknown;
  #calls = 0;

  constructor(port: MessagePort, done: Promise<unknown>) {
    this.#port = port;
    this.ready = new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
    port.on('message', (answer: Answer) => this.#settle(answer));
    done.then(
      () => this.#fail(new Error('the worker has ended')),
      (error) => this.#fail(error),
    );
    const call =
      (method: keyof HostPort) =>
      (...args: readonly unknown[]) =>
        this.#call(method, args);
    this.host = {
      open: call('open') as HostPort['open'],
      restore: call('restore') as HostPort['restore'],
      reset: call('reset') as HostPort['reset'],
      applyGlobal: call('applyGlobal') as HostPort['applyGlobal'],
      process: call('process') as HostPort['process'],
      commit: call('commit') as HostPort['commit'],
      query: call('query') as HostPort['query'],
      timeOf: call('timeOf') as HostPort['timeOf'],
      ask: call('ask') as HostPort['ask'],
      close: call('close') as HostPort['close'],
      closeAll: call('closeAll') as HostPort['closeAll'],
    };
  }

  stop(): void {
    this.#port.close();
  }

  #call(method: keyof HostPort, args: readonly unknown[]): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#calls++;
    const call: Call = { id: this.#calls, method, args };
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve, reject });
      this.#port.postMessage(call, handsOver.has(method) ? buffersIn(args) : []);
    });
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(reviveError(answer.error));
    else waiting?.resolve(answer.value);
  }

  #fail(error: unknown): void {
    this.#failure =
      error instanceof MillraceError
        ? error
        : new MillraceError('WORKER_FAILED', { attempts: 1, problem: messageOf(error) });
    for (const { reject } of this.#waiting.values()) reject(this.#failure);
    this.#waiting.clear();
  }
}
