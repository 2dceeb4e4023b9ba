/**
 * The console: a page with data of any topology (docs/CONSOLE.md). Counters are sums of events that
 * are emitted anyway; log and tasks are queried once a second, and only while a page is open.
 */

import type { Clock } from '../base/clock.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { describeJson, type NodeDescription } from '../graph/describe.ts';
import type { Topology } from '../graph/graph.ts';
import { changelogTopic, deadLetterTopic, repartitionTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { TimeReport } from '../runtime/time-report.ts';
import { FlowWatch, type Sample } from './flow-watch.ts';
import type { Health } from './health.ts';
import { jsonAnswer, type PageAnswer, type PageServer } from './page.ts';
import { PageFiles } from './page-files.ts';
import { type AskedTasks, type Holding, type SharedTasks, sharedTasks } from './shared-tasks.ts';
import { newestRecords } from './shown-records.ts';

/** The parts of a running application that the console shows. */
interface RunningApplication extends AskedTasks {
  readonly runtime: Runtime;
  readonly log: Log;
}

export interface ConsoleOptions {
  readonly application: string;
  readonly topology: Topology;
  /** Undefined before the application is open. */
  readonly running: () => RunningApplication | undefined;
  readonly health: () => Health;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** The application has questions about persons and segments. */
  readonly hasPeople: boolean;
}

/** Polling interval, ms; with many partitions the log is polled less often. */
const lookEveryMs = 1_000;
const partitionsALook = 64;
/** Limit of open pages; further ones are refused until one is closed. */
const lookersMost = 32;
const recordsMost = 100;
const recordsUsual = 20;

/** Data of a topic. */
interface TopicState {
  readonly partitions: number;
  /** Sum of the end offsets; its growth is the number of written records. */
  readonly end: number;
  /** Number of kept records; on Kafka an upper bound. */
  readonly kept: number;
  /** Unread records; absent for topics that the tasks do not read. */
  readonly lag?: number;
  /** Partitions that tasks read and whose backlog is unknown. */
  readonly unknown?: number;
}

/** The result of a poll. Parts that could not be queried are missing, and `problem` says why. */
interface Look {
  readonly topics: Record<string, TopicState>;
  readonly time?: TimeReport;
  /** Absent if this process always has all tasks. */
  readonly processes?: readonly Holding[];
  readonly problem?: string;
}

export class Console implements PageServer {
  readonly watch: FlowWatch;
  readonly #options: ConsoleOptions;
  readonly #files = new PageFiles();
  readonly #closed = new AbortController();
  #lookers = 0;
  /** The last poll, shared by all open pages. */
  #look: { readonly at: number; readonly found: Promise<Look> } | undefined;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    this.watch = new FlowWatch(options.clock);
    void this.watch.sample(options.scheduler, this.#closed.signal);
  }

  /** Ends the streams, so that open pages learn that the process has ended. */
  close(): void {
    this.#closed.abort();
  }

  isPublic(path: string): boolean {
    return !path.startsWith('/console/api/');
  }

  async answer(
    path: string,
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<PageAnswer | undefined> {
    if (path === '/' || path === '/console') {
      return { status: 302, headers: { location: '/console/' }, body: '' };
    }
    if (!path.startsWith('/console/')) return undefined;
    const name = path.slice('/console/'.length);
    if (!name.startsWith('api/')) return this.#files.answer(name === '' ? 'index.html' : name);
    switch (name.slice('api/'.length)) {
      case 'topology':
        return jsonAnswer(this.#topology());
      case 'flow':
        return jsonAnswer({ ...(await this.#flow()), samples: this.watch.samples });
      case 'live':
        return this.#live(signal);
      case 'records':
        return jsonAnswer(await this.#records(query));
      default:
        return undefined;
    }
  }

  /** The graph, and which topics of the log belong to each of its nodes. */
  #topology(): object {
    const { application, topology, hasPeople } = this.#options;
    const described = describeJson(topology);
    const parts = described.subTopologies.map(({ id, sources, nodes }) => ({
      id,
      sources,
      nodes: nodes.map((node) => ({ ...node, topics: topicsOf(node, application) })),
    }));
    const views = viewsOf(topology);
    return { ...described, application, hasPeople, subTopologies: parts, views };
  }

  async #flow() {
    const { application, health } = this.#options;
    const { watch } = this;
    const { topics, time, processes, problem } = await this.#lookNow();
    return {
      application,
      health: health(),
      totals: watch.now,
      steps: Object.fromEntries(watch.steps),
      sources: this.#sources(),
      topics,
      ...(time === undefined ? {} : { time }),
      ...(processes === undefined ? {} : { processes }),
      ...(problem === undefined ? {} : { problem }),
      memory: watch.memory,
      cycles: watch.cycles,
      threads: watch.threads,
      tasks: watch.tasks,
      restoring: watch.restoring,
      notices: watch.notices,
      deadLetterTopic: deadLetterTopic(application),
    };
  }

  /** Counts of the sources of this process, including those without records so far. */
  #sources() {
    const known = this.#options.running()?.runtime.summary.sources ?? [];
    const done = new Map(known.map((source) => [source.name, source]));
    const names = new Set([...done.keys(), ...this.watch.sources.keys()]);
    return [...names].map((name) => {
      const source = done.get(name);
      const { records = 0, bytes = 0, deadLettered = 0 } = this.watch.sources.get(name) ?? {};
      const { skipped = {} } = this.watch.sources.get(name) ?? {};
      const eventTime = source?.eventTime ?? Number.NaN;
      return {
        ...{ name, records, bytes, deadLettered, skipped, done: source?.done ?? false },
        eventTime: Number.isFinite(eventTime) ? eventTime : null,
      };
    });
  }

  /** Queries log and tasks at most once per interval, for all open pages together. */
  #lookNow(): Promise<Look> {
    const running = this.#options.running();
    if (running === undefined) return Promise.resolve({ topics: {} });
    const now = this.#options.clock.monotonic();
    const partitions = running.runtime.plan.topics.reduce((sum, one) => sum + one.partitions, 0);
    const age = lookEveryMs * Math.max(1, partitions / partitionsALook);
    if (this.#look === undefined || now - this.#look.at >= age - lookEveryMs / 2) {
      this.#look = { at: now, found: lookAt(running) };
    }
    return this.#look.found;
  }

  #live(signal: AbortSignal): PageAnswer {
    if (this.#lookers >= lookersMost) {
      throw new MillraceError('TOO_BUSY', { waiting: this.#lookers, seconds: 10 });
    }
    const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
    const either = AbortSignal.any([signal, this.#closed.signal]);
    return { status: 200, headers, body: this.#events(either) };
  }

  /** First the last minutes, then the current state every second. */
  async *#events(signal: AbortSignal): AsyncGenerator<string> {
    this.#lookers++;
    try {
      let first: { readonly samples: readonly Sample[] } | undefined = {
        samples: this.watch.samples,
      };
      while (!signal.aborted) {
        yield `event: flow\ndata: ${JSON.stringify({ ...(await this.#flow()), ...first })}\n\n`;
        first = undefined;
        await this.#options.scheduler.sleep(lookEveryMs, signal);
      }
    } finally {
      this.#lookers--;
    }
  }

  async #records(query: URLSearchParams): Promise<object> {
    const running = this.#options.running();
    if (running === undefined) {
      const { application } = this.#options;
      const problem = 'the application has not started yet';
      throw new MillraceError('LOG_UNAVAILABLE', { directory: application, problem });
    }
    const topic = query.get('topic') ?? '';
    const limit = Number(query.get('limit') ?? recordsUsual);
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > recordsMost) {
      const problem = `must be a whole number of 1 to ${recordsMost}, is ${query.get('limit')}`;
      throw new MillraceError('CONFIG_INVALID', { field: 'limit', problem });
    }
    const before = beforeOf(query.get('before'));
    return newestRecords(running.log, this.#options.topology, topic, {
      limit,
      ...(before === undefined ? {} : { before }),
    });
  }
}

/** '0:120,1:90': the offsets before which a page ends, by partition. */
function beforeOf(text: string | null): Record<string, number> | undefined {
  if (text === null) return undefined;
  const before: Record<string, number> = {};
  for (const part of text.split(',').filter((one) => one !== '')) {
    const [, partition, offset] = /^(\d{1,6}):(\d{1,15})$/.exec(part) ?? [];
    if (partition === undefined) {
      const problem = `must be like 0:120,1:90, is ${text}`;
      throw new MillraceError('CONFIG_INVALID', { field: 'before', problem });
    }
    before[partition] = Number(offset);
  }
  return before;
}

/** The topics of a node as they are named in the log. */
function topicsOf(node: NodeDescription, application: string): string[] {
  if (node.type !== 'step') return [node.name];
  const own = node.readBy === undefined ? [] : [repartitionTopic(application, node.name)];
  const kept = node.stores.map(({ name, source }) => source ?? changelogTopic(application, name));
  return [...new Set([...own, ...kept, ...node.sideOutputs])];
}

function viewsOf({ views }: Topology): { readonly name: string; readonly of: readonly string[] }[] {
  return [...views.values()].map(({ name, of }) => ({ name, of }));
}

/** Never rejects: unavailable brokers or moving tasks must not close the page. */
async function lookAt(running: RunningApplication): Promise<Look> {
  const others = sharedTasks(running);
  const [topics, time, shared] = await Promise.allSettled([
    topicStates(running, others),
    running.runtime.time(),
    others,
  ]);
  const failed = [topics, time, shared].find((one) => one.status === 'rejected');
  const processes = shared.status === 'fulfilled' ? shared.value?.processes : undefined;
  return {
    ...(processes === undefined ? {} : { processes }),
    topics: topics.status === 'fulfilled' ? topics.value : {},
    ...(time.status === 'fulfilled' ? { time: time.value } : {}),
    ...(failed?.status === 'rejected' ? { problem: messageOf(failed.reason) } : {}),
  };
}

async function topicStates(
  { runtime, log }: RunningApplication,
  others: Promise<SharedTasks | undefined>,
): Promise<Record<string, TopicState>> {
  const [own, shared] = await Promise.all([runtime.lag(), others]);
  const waiting = new Map<string, number>();
  for (const { topic, records } of [...own, ...(shared?.lags ?? [])]) {
    waiting.set(topic, (waiting.get(topic) ?? 0) + records);
  }
  const unknown = new Map<string, number>();
  for (const { topic } of shared?.unknown ?? []) unknown.set(topic, (unknown.get(topic) ?? 0) + 1);
  const states = await Promise.all(
    runtime.plan.topics.map(async ({ name: topic, partitions }) => {
      const ends = await Promise.all(
        Array.from({ length: partitions }, async (_, partition) => {
          const at = { topic, partition };
          return [await log.endOffset(at), await log.startOffset(at)] as const;
        }),
      );
      const end = ends.reduce((sum, [one]) => sum + one, 0);
      const kept = ends.reduce((sum, [last, first]) => sum + last - first, 0);
      const lag = waiting.get(topic);
      const untold = unknown.get(topic);
      const state: TopicState = {
        ...{ partitions, end, kept },
        ...(lag === undefined ? {} : { lag }),
        ...(untold === undefined ? {} : { unknown: untold }),
      };
      return [topic, state] as const;
    }),
  );
  return Object.fromEntries(states);
}
