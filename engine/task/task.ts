/**
 * A task: one sub-topology on one partition. It picks the next record by timestamp over its source
 * partitions (SEMANTICS: the smallest head first; an empty partition is waited for unless the log has
 * no more of it), runs the operators on it, and collects what they write.
 *
 * `run` awaits once a round (the prefetch); between two prefetches everything is synchronous. Where a
 * step asks the world outside, it is waited for at the end of the round: its results go on then, each
 * with the record it belongs to.
 */

import { emptyBytes } from '../base/bytes.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { DropReason, FailureStage } from '../base/events.ts';
import type { World } from '../base/world.ts';
import type { Topology } from '../graph/graph.ts';
import type { SourceNode } from '../graph/node.ts';
import type { AnyReceiver, GlobalRow, Resume } from '../graph/processor.ts';
import type { Cells, StoreSpec } from '../graph/store-spec.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import type { Sink } from '../graph/topic.ts';
import { deadLetterTopic, repartitionTopic } from '../graph/topic-names.ts';
import type { RecordLimits } from '../log/log.ts';
import type { PackedBatch } from '../record/batch.ts';
import { decodeHeaders, encodeHeaders, type Headers } from '../record/headers.ts';
import { decodeKeyId } from '../serde/serde.ts';
import type { TaskState } from '../state/task-state.ts';
import { buildChain, type Chain, type ChainTask } from './chain.ts';
import { increase, type TaskCounters, zeroCounters } from './counters.ts';
import { deadLetterHeaders } from './dead-letter.ts';
import type { ErrorPolicy } from './error-policy.ts';
import type { GlobalTables } from './global-tables.ts';
import { type OutputBatch, Outputs } from './outputs.ts';
import { SourceQueue } from './source-queue.ts';
import { decodeSample, noTimings, type TaskTimings, type ThreadTime } from './timings.ts';
import { passesMultiple, type WallClockSpan } from './wall-clock.ts';

export interface TaskOptions {
  readonly application: string;
  readonly topology: Topology;
  readonly part: SubTopology;
  readonly partition: number;
  readonly state: TaskState;
  readonly onError: ErrorPolicy;
  /** Stop taking records when this many bytes wait for the commit. */
  readonly dirtyBytesMax: number;
  readonly partitionsOf: Readonly<Record<string, number>>;
  readonly globals: GlobalTables;
  readonly limits?: RecordLimits;
  readonly world: World;
  readonly threadTime: ThreadTime;
  /** Next offset of each source topic, by name in the log. */
  readonly positions: ReadonlyMap<string, number>;
}

/** Worst thing that happened to the record at hand, in rising order. */
const processed = 0;
const dropped = 1;
const deadLettered = 2;

/** Where the record at hand lies: a queue, or what was kept of it. */
interface RecordPlace {
  readonly topic: string;
  /** Its offset + 1. */
  readonly position: number;
  readonly batch: PackedBatch | undefined;
  readonly index: number;
}

/** A record that a step has kept to go on with it later. */
interface Suspended {
  readonly place: RecordPlace | undefined;
  readonly keyId: string;
  readonly own: boolean;
  readonly headers: Uint8Array | undefined;
  readonly timestamp: number;
  /** Worst thing that has happened to it, and whether it is counted. */
  outcome: number;
}

/** Records between two looks at the dirty budget. */
const budgetEvery = 128;

export class Task implements ChainTask {
  readonly partition: number;
  readonly queues: readonly SourceQueue[];
  streamTime = Number.NEGATIVE_INFINITY;
  idleClock = Number.NEGATIVE_INFINITY;
  counters: TaskCounters = zeroCounters();
  timings: TaskTimings = noTimings();
  readonly #options: TaskOptions;
  readonly #state: TaskState;
  readonly #outputs: Outputs;
  readonly #chain: Chain;
  readonly #repartitionNames: ReadonlyMap<string, string>;
  /** Without stores there is nothing to load for the records to come. */
  readonly #stateful: boolean;
  /** The record at hand; undefined while a timer runs. */
  #at: RecordPlace | undefined;
  /** Where the record at hand lies, while nobody has asked for the id of its key: without stores hardly anybody does. */
  #unnamed: SourceQueue | undefined;
  /** What was kept of the record at hand. */
  #suspended: Suspended | undefined;
  #outcome = processed;
  /** Timestamp of the record at hand. */
  #timestamp = 0;
  /** False inside `enter`: results there belong to another key than the record's. */
  #own = true;
  /** Headers of a record that state had kept, while it goes on. */
  #kept: Uint8Array | undefined;

  constructor(options: TaskOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.#state = options.state;
    this.#stateful = options.part.stores.length > 0;
    this.#outputs = new Outputs(options.partitionsOf, options.limits);
    this.#repartitionNames = repartitionNames(options.topology, options.application);
    this.#chain = buildChain(options.topology, options.part, this);
    this.queues = options.part.sources.map((source, i) => {
      const node = options.topology.nodes[source.node] as SourceNode;
      const name = this.#physical(source.topic.name);
      const receiver = this.#chain.entries[i] as AnyReceiver;
      const position = options.positions.get(name) ?? 0;
      const settings = source.repartition ? {} : node.options;
      return new SourceQueue(name, source.topic, settings, receiver, position);
    });
  }

  get world(): World {
    return this.#options.world;
  }

  get keyId(): string {
    const queue = this.#unnamed;
    if (queue !== undefined) {
      this.#unnamed = undefined;
      this.#state.keyId = queue.keyIdOf(queue.index);
    }
    return this.#state.keyId;
  }

  get origin(): { topic: string; partition: number; offset: number } {
    const queue = this.#at;
    return {
      topic: queue?.topic ?? '',
      partition: this.partition,
      offset: queue === undefined ? -1 : queue.position - 1,
    };
  }

  headers(): Headers {
    return decodeHeaders(this.#headerBytes());
  }

  headerBytes(): Uint8Array {
    const bytes = this.#headerBytes();
    return bytes.byteLength === 0 ? emptyBytes : Buffer.from(bytes);
  }

  withHeaders(headers: Uint8Array, body: () => void): void {
    const before = this.#kept;
    this.#kept = headers;
    try {
      body();
    } finally {
      this.#kept = before;
    }
  }

  cells<C>(store: string): Cells<C> {
    return this.#state.cells<C>({ name: store });
  }

  globalRow(topic: string, keyId: string): GlobalRow | undefined {
    return this.#options.globals.row(topic, keyId);
  }

  enter<K>(keyId: string, spec: StoreSpec<K, never>, body: (key: K) => void): void {
    this.#within(keyId, spec, body);
  }

  enterId(keyId: string, body: () => void): void {
    this.#within(keyId, undefined, body);
  }

  #within<K>(keyId: string, spec: StoreSpec<K, never> | undefined, body: (key: K) => void): void {
    const state = this.#state;
    const before = this.keyId;
    const own = this.#own;
    const kept = this.#kept;
    state.keyId = keyId;
    this.#own = own && keyId === before;
    this.#kept = undefined;
    try {
      body((spec === undefined ? undefined : decodeKeyId(spec.key, keyId)) as K);
    } finally {
      state.keyId = before;
      this.#own = own;
      this.#kept = kept;
    }
  }

  drop(step: string, reason: DropReason): void {
    increase(this.counters.drops, `${step}|${reason}`);
    if (this.#outcome < dropped) this.#outcome = dropped;
  }

  deadLetter(step: string, reason: string): void {
    this.#fail('process', step, 'unknown', new Error(reason));
  }

  emit<K, V>(
    sink: Sink<K, V>,
    key: K,
    value: V | null,
    timestamp: number,
    headers?: Headers,
  ): void {
    const repartition = this.#repartitionNames.get(sink.name);
    const bytes = headers === undefined ? this.#headerBytes() : encodeHeaders(headers);
    try {
      this.#outputs.write(repartition ?? sink.name, sink, key, value, timestamp, bytes);
    } catch (error) {
      this.#refuse(this.#options.onError.produce, 'produce', sink.name, 'unknown', error);
      return;
    }
    if (repartition === undefined) this.counters.out++;
  }

  guard(step: string, callSite: string, inner: AnyReceiver): AnyReceiver {
    return {
      receive: (key, value, timestamp, old) => {
        try {
          inner.receive(key, value, timestamp, old);
        } catch (error) {
          this.#caught(error, step, callSite, () => inner.receive(key, value, timestamp, old));
        }
      },
    };
  }

  guardTimer(step: string, callSite: string, inner: AnyReceiver): AnyReceiver {
    const guarded = this.guard(step, callSite, inner);
    return {
      receive: (key, value, timestamp, old) => {
        const [at, outcome, kept] = [this.#at, this.#outcome, this.#kept];
        this.#at = undefined;
        this.#kept = undefined;
        try {
          guarded.receive(key, value, timestamp, old);
        } finally {
          this.#at = at;
          this.#outcome = outcome;
          this.#kept = kept;
        }
      },
    };
  }

  suspend(step: string, callSite: string): Resume {
    const kept = this.#suspend();
    return (body) => this.#resume(kept, this.guard(step, callSite, { receive: body }));
  }

  /** Records are kept once, however many steps wait for them; what timers and `enter` run, each time. */
  #suspend(): Suspended {
    const at = this.#at;
    const record = at !== undefined && this.#own && this.#kept === undefined;
    if (record && this.#suspended !== undefined) return this.#suspended;
    const kept: Suspended = {
      place: at && { topic: at.topic, position: at.position, batch: at.batch, index: at.index },
      keyId: this.keyId,
      own: this.#own,
      headers: this.#kept,
      timestamp: this.#timestamp,
      outcome: this.#outcome,
    };
    if (record) this.#suspended = kept;
    return kept;
  }

  #resume(kept: Suspended, next: AnyReceiver): void {
    const counted = kept.outcome;
    // Whose key is another's than the record's is not the record: its outcome stands.
    const record = kept.place !== undefined && kept.own && kept.headers === undefined;
    this.#suspended = record ? kept : undefined;
    this.#at = kept.place;
    this.#own = kept.own;
    this.#kept = kept.headers;
    this.#timestamp = kept.timestamp;
    this.#outcome = counted;
    this.#state.keyId = kept.keyId;
    try {
      next.receive(undefined, undefined, kept.timestamp);
    } finally {
      if (record && this.#outcome !== counted) {
        kept.outcome = this.#outcome;
        this.#count(counted, -1);
        this.#count(kept.outcome, 1);
      }
      this.#suspended = undefined;
      this.#at = undefined;
      this.#own = true;
      this.#kept = undefined;
      this.#state.keyId = '';
    }
  }

  async #settle(): Promise<void> {
    for (const settle of this.#chain.settle) await settle();
  }

  /** The way of a cycle to its commit: takes records until none can be taken, or too much waits for the commit. */
  async run(idleClock?: number, wallClock?: WallClockSpan): Promise<void> {
    const { clock } = this.world;
    const { threadTime } = this.#options;
    for (let more = true; more; ) {
      const before = clock.monotonic() - threadTime.busyMs;
      const keyIds: string[] = [];
      let until = Number.NEGATIVE_INFINITY;
      for (const queue of this.queues) {
        queue.refill();
        if (this.#stateful) until = Math.max(until, queue.collect(this.#state, keyIds));
      }
      if (keyIds.length > 0 || until !== Number.NEGATIVE_INFINITY) {
        await this.#state.prefetch(keyIds, until);
      }
      const begin = clock.monotonic();
      this.timings.load += Math.max(0, begin - threadTime.busyMs - before);
      more = this.#takeRecords();
      const computed = clock.monotonic() - begin;
      threadTime.busyMs += computed;
      this.timings.steps += computed;
      if (this.#chain.settle.length > 0) await this.#settle();
    }
    const begin = clock.monotonic() - threadTime.busyMs;
    if (idleClock !== undefined && idleClock > this.idleClock) {
      this.idleClock = idleClock;
      await this.#state.prefetch([], Number.NEGATIVE_INFINITY, idleClock);
      for (const advance of this.#chain.idle) advance(idleClock);
      await this.#settle();
    }
    if (wallClock !== undefined) await this.#tick(wallClock);
    for (const release of this.#chain.release) {
      release();
      // What it let go of may ask the world, and go on to the next one.
      await this.#settle();
    }
    this.timings.steps += Math.max(0, clock.monotonic() - threadTime.busyMs - begin);
  }

  async #tick(span: WallClockSpan): Promise<void> {
    const passed = this.#chain.wall.filter(({ everyMs }) => passesMultiple(span, everyMs));
    if (passed.length === 0) return;
    const never = Number.NEGATIVE_INFINITY;
    await this.#state.prefetch([], never, never, span.to);
    for (const { tick } of passed) tick(span.to);
    await this.#settle();
  }

  /** Wall time of the cycle, ms UTC, by which the log limits timestamps. */
  set now(now: number) {
    this.#outputs.now = now;
  }

  takeOutputs(): OutputBatch[] {
    return this.#outputs.take();
  }

  takeCounters(): TaskCounters {
    const { counters } = this;
    this.counters = zeroCounters();
    return counters;
  }

  takeTimings(): TaskTimings {
    const { timings } = this;
    this.timings = noTimings();
    // The timed records took part of the steps' time; all of them are told apart from it.
    const decode = Math.min(timings.decode, timings.steps);
    return { ...timings, decode, steps: timings.steps - decode };
  }

  /** True when another round is needed: a queue went on to its next batch. */
  #takeRecords(): boolean {
    for (let taken = 0; ; taken++) {
      if (taken % budgetEvery === 0 && this.#state.dirtyBytes >= this.#options.dirtyBytesMax) {
        return false;
      }
      const queue = this.#nextQueue();
      if (queue === undefined) return this.queues.some((q) => q.wantsRefill);
      this.#takeRecord(queue);
      queue.settle();
    }
  }

  /** The queue with the smallest head timestamp; undefined when one must be waited for, or all are empty. */
  #nextQueue(): SourceQueue | undefined {
    let next: SourceQueue | undefined;
    for (const queue of this.queues) {
      if (!queue.hasNext) {
        if (!queue.caughtUp || queue.wantsRefill) return undefined;
      } else if (next === undefined || queue.headTime < next.headTime) next = queue;
    }
    return next;
  }

  #takeRecord(queue: SourceQueue): void {
    const timestamp = queue.take();
    this.#at = queue;
    this.#outcome = processed;
    this.#timestamp = timestamp;
    if (this.#stateful) {
      queue.approach(this.#state);
      this.#state.enter(queue.rows, queue.index);
    } else this.#unnamed = queue;
    this.#deliver(queue, timestamp);
    this.#unnamed = undefined;
    this.#state.keyId = '';
    this.#at = undefined;
    this.counters.in++;
    this.#count(this.#outcome, 1);
    if (this.#suspended === undefined) return;
    this.#suspended.outcome = this.#outcome;
    this.#suspended = undefined;
  }

  #count(outcome: number, by: 1 | -1): void {
    if (outcome === processed) this.counters.processed += by;
    else if (outcome === dropped) this.counters.dropped += by;
    else this.counters.deadLettered += by;
  }

  #deliver(queue: SourceQueue, timestamp: number): void {
    const { source, options } = queue;
    let key: unknown;
    let value: unknown;
    const isTimed = this.counters.in % decodeSample === 0;
    const begin = isTimed ? this.world.clock.monotonic() : 0;
    try {
      key = queue.key(queue.index, this.#state.keyId);
      value = queue.value();
      if (isTimed) this.timings.decode += decodeSample * (this.world.clock.monotonic() - begin);
    } catch (error) {
      this.#refuse(this.#options.onError.deserialise, 'deserialise', source.name, 'unknown', error);
      return;
    }
    if (!(timestamp >= 0)) {
      this.drop(source.name, 'negative_timestamp');
      return;
    }
    if (
      options.maxFutureSkewMs !== undefined &&
      this.#isFuture(queue, timestamp, options.maxFutureSkewMs)
    ) {
      const problem = `its time, ${timestamp} ms UTC, lies too far in the future`;
      this.#fail('future', source.name, 'unknown', new Error(problem));
      return;
    }
    if (timestamp > this.streamTime) this.streamTime = timestamp;
    queue.receiver.receive(key, value, timestamp);
  }

  #isFuture(queue: SourceQueue, timestamp: number, skewMs: number): boolean {
    const logged = queue.batch?.timestamps[queue.index] as number;
    return timestamp > logged + skewMs;
  }

  #caught(error: unknown, step: string, callSite: string, again: () => void): void {
    if (error instanceof MillraceError || (error as Error)?.name === 'AssertionError') throw error;
    const reaction = this.#options.onError.process;
    if (typeof reaction === 'string') {
      this.#refuse(reaction, 'process', step, callSite, error);
      return;
    }
    let last = error;
    for (let attempt = 0; attempt < reaction.retry; attempt++) {
      try {
        again();
        return;
      } catch (next) {
        last = next;
      }
    }
    this.#refuse(reaction.otherwise, 'process', step, callSite, last);
  }

  #refuse(
    verdict: 'dead-letter' | 'stop',
    stage: FailureStage,
    step: string,
    callSite: string,
    error: unknown,
  ): void {
    if (verdict === 'dead-letter') {
      this.#fail(stage, step, callSite, error);
      return;
    }
    const context = { stage, step, problem: messageOf(error), ...this.origin };
    throw new MillraceError('RECORD_FAILED', context, { cause: error });
  }

  /** Dead-letters the record at hand: once, however many steps refuse it. */
  #fail(stage: FailureStage, step: string, callSite: string, error: unknown): void {
    increase(this.counters.failures, `${step}|${stage}`);
    const first = this.#outcome !== deadLettered || this.#at === undefined;
    this.#outcome = deadLettered;
    if (!first) return;
    const queue = this.#at;
    const origin = { ...this.origin, timestamp: this.#timestamp };
    this.#outputs.writeRaw(
      deadLetterTopic(this.#options.application),
      queue?.batch?.key(queue.index) ??
        (queue === undefined ? Buffer.from(this.keyId, 'latin1') : null),
      queue?.batch?.value(queue.index) ?? null,
      Math.max(0, queue?.batch?.timestamps[queue.index] ?? 0),
      deadLetterHeaders(origin, stage, step, callSite, error),
    );
  }

  #headerBytes(): Uint8Array {
    if (this.#kept !== undefined) return this.#kept;
    const queue = this.#at;
    return queue?.batch === undefined || !this.#own
      ? emptyBytes
      : queue.batch.headerBytes(queue.index);
  }

  #physical(topic: string): string {
    return this.#repartitionNames.get(topic) ?? topic;
  }
}

/** Logical name of each repartition topic -> its name in the log. */
function repartitionNames(topology: Topology, application: string): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const node of topology.nodes) {
    if (node.type !== 'step' || node.step.repartition === undefined) continue;
    names.set(node.step.repartition.topic.name, repartitionTopic(application, node.step.name));
  }
  return names;
}
