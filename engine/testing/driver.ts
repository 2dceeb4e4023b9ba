/**
 * The test driver: the real runtime, tasks and operators on a log and state in memory, in this
 * process, with a clock that moves only when told to.
 */
import { VirtualClock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { SeededRandom } from '../base/random.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import {
  anObject,
  checkSetting,
  checkSettings,
  flag,
  optional,
  type Rule,
  text,
  ms as wholeMs,
} from '../base/settings.ts';
import type { Topology } from '../graph/graph.ts';
import type { RowOf, StoreHandle, StoreRow } from '../graph/store-spec.ts';
import type { Sink, Source, Topic } from '../graph/topic.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import type { Writer } from '../log/log.ts';
import { MemoryLog } from '../log/memory-log.ts';
import { BatchBuilder } from '../record/batch.ts';
import { decodeHeaders, encodeHeaders, type Headers } from '../record/headers.ts';
import { partitionOf } from '../record/partitioner.ts';
import { checkRuntimeSettings, settingsIn } from '../runtime/run-settings.ts';
import { Runtime } from '../runtime/runtime.ts';
import type { Summary } from '../runtime/summary.ts';
import type { TimeReport } from '../runtime/time-report.ts';
import { MemoryBackends } from '../storage/memory-backend.ts';
import type { ErrorPolicy } from '../task/error-policy.ts';
import { TaskHost } from '../task/task-host.ts';
import { exportedTables, Outputs } from './golden/golden-outputs.ts';
import { type Done, type Recorded, Recording, type RecordOptions } from './golden/recording.ts';

export type { Recording, RecordOptions };

/** Settings of a test driver; those of the runtime may be given too. */
export interface DriverOptions {
  /** Number of partitions of every topic; default 1. */
  readonly partitions?: number;
  /** Clean cache of a task, bytes; 0 reads all state again for every batch. */
  readonly cacheBytes?: number;
  /** What to do with a failing record; default: dead letter. */
  readonly onError?: Partial<ErrorPolicy>;
  /** Maximal number of records of a partition in a cycle, that is, the batch size. */
  readonly recordsPerCycle?: number;
  /**
   * How steps that call outside services wait (timeouts, pauses before a retry); default: in real
   * time.
   */
  readonly scheduler?: Scheduler;
}

/** A record of a topic. */
export interface DriverRecord<K = unknown, V = unknown> {
  readonly key: K | null;
  readonly value: V | null;
  /** ms UTC. */
  readonly timestamp: number;
  readonly headers: Headers;
  readonly partition: number;
}

/** A record that was refused. */
export interface DeadLetter {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Among them `stage`, `step` and `reason`. */
  readonly headers: Headers;
}

/** A record to write. */
interface BytesRecord<B = Buffer> {
  readonly key: B | null;
  readonly value: B | null;
  readonly timestamp: number;
  readonly headers?: Headers;
  /** Default: that of the key. */
  readonly partition?: number;
}

const application = 'test';

/** Runs a topology in memory; made by `testDriver`. Close it at the end of a test. */
export class TestDriver {
  #topology: Topology;
  readonly #options: DriverOptions;
  readonly #log: MemoryLog;
  readonly #read = new Map<string, number[]>();
  readonly #feeder: Writer;
  readonly #clock = new VirtualClock();
  #backends = new MemoryBackends();
  #runtime: Runtime | undefined;
  #commits = 0;
  #recordings: Recording[] = [];

  private constructor(topology: Topology, options: DriverOptions, log: MemoryLog, feeder: Writer) {
    this.#topology = topology;
    this.#options = options;
    this.#log = log;
    this.#feeder = feeder;
  }

  /** Use `testDriver`. */
  static async start(topology: Topology, options: DriverOptions): Promise<TestDriver> {
    checkSetting('testDriver', options, anObject);
    checkSetting('testDriver.scheduler', options.scheduler, optional(anObject));
    // Unknown names are allowed: tests pass their own options along.
    checkRuntimeSettings('testDriver', settingsIn(options));
    const log = new MemoryLog();
    const driver = new TestDriver(topology, options, log, await log.openWriter('feeder'));
    driver.#runtime = await driver.#start();
    return driver;
  }

  /** Writes one record and runs until everything is processed. */
  async pipe<K, V>(
    to: Topic<K, V>,
    key: NoInfer<K> | null,
    value: NoInfer<V> | null,
    timestamp: number,
    headers: Headers = {},
  ): Promise<void> {
    await this.pipeAll(to, [{ key, value, timestamp, headers }]);
  }

  /** Writes records in one commit, then runs until everything is processed. */
  async pipeAll<K, V>(
    to: Topic<K, V>,
    records: readonly {
      readonly key: NoInfer<K> | null;
      readonly value: NoInfer<V> | null;
      readonly timestamp: number;
      readonly headers?: Headers;
    }[],
  ): Promise<void> {
    const partitions = this.#partitionsOf(to.name);
    const bytes = records.map(({ key, value, timestamp, headers }) => ({
      key: key === null ? null : Buffer.from(to.key.encode(key)),
      value: value === null ? null : Buffer.from(to.value.encode(value)),
      timestamp,
      ...(to.partitioner === undefined
        ? {}
        : { partition: to.partitioner(key, value, partitions) }),
      ...(headers === undefined ? {} : { headers }),
    }));
    await this.#write(to, bytes, records);
  }

  /** Writes records as bytes, also undecodable ones. */
  async pipeBytes(to: Sink<never, never>, records: readonly BytesRecord[]): Promise<void> {
    await this.#write(to, records, records);
  }

  /** @param seen the same records, as recordings show them */
  async #write(
    to: Sink<never, never>,
    records: readonly BytesRecord[],
    seen: readonly Omit<BytesRecord<unknown>, 'partition'>[],
  ): Promise<void> {
    const partitions = this.#partitionsOf(to.name);
    const builders = new Map<number, BatchBuilder>();
    for (const { key, value, timestamp, headers, partition: own } of records) {
      checkSetting('pipe.timestamp', timestamp, aTimestamp);
      const deciding = key === null ? 0 : to.keyEncoder.partitionLength?.(key.byteLength);
      const partition = own ?? partitionOf(key, partitions, deciding);
      const builder = builders.get(partition) ?? new BatchBuilder();
      builders.set(partition, builder);
      builder.append(key, value, timestamp, encodeHeaders(headers ?? {}));
    }
    const appends = [...builders].map(([partition, builder]) => ({
      topic: to.name,
      partition,
      batch: builder.finishAt(0),
    }));
    this.#commits++;
    await this.#feeder.commit({ appends, offsets: [], commitId: this.#commits });
    await this.#running.runUntilCaughtUp();
    await this.#saw(
      seen.map(({ headers = {}, ...record }) => {
        return { piped: { topic: to.name, ...record, headers } };
      }),
    );
  }

  /**
   * Starts a golden test: records each input and output record (including dead letters), the calls
   * that advance time, and the changed rows of exported tables. Call `check()` of the result at the
   * end to compare the run with the file. With MILLRACE_UPDATE_GOLDEN=1 in the environment, it
   * writes the file instead.
   * @param file path relative to the working directory, or a file: URL; its folder is created
   * @throws CONFIG_INVALID for an invalid option
   */
  async record(file: string | URL, options: RecordOptions = {}): Promise<Recording> {
    if (!(file instanceof URL)) checkSetting('record.file', file, text);
    checkSettings('record', options, { rows: optional(flag) });
    const { partitionsOf } = this.#running.plan;
    const [topology, log] = [this.#topology, this.#log];
    const outputs = await Outputs.from({ topology, application, log, partitionsOf });
    const recorded: Recorded = {
      topology: topology.name,
      written: () => outputs.next(),
      rows: () => this.#allRows(),
    };
    const recording = new Recording(file, recorded, options);
    await recording.begin();
    this.#recordings.push(recording);
    return recording;
  }

  /** Returns the records of a topic since the last read, by partition and offset. */
  async read<K, V>(from: Source<K, V>): Promise<DriverRecord<K, V>[]> {
    const records: DriverRecord<K, V>[] = [];
    for (const { batch, partition, i } of await this.#drain(from.name)) {
      const [key, value] = [batch.key(i), batch.value(i)];
      records.push({
        key: key && from.keyDecoder.decode(key, 0, key.byteLength),
        value: value && from.valueDecoder.decode(value, 0, value.byteLength),
        timestamp: batch.timestamps[i] as number,
        headers: decodeHeaders(batch.headerBytes(i)),
        partition,
      });
    }
    return records;
  }

  /** Returns the dead letters since the last call. */
  async deadLetters(): Promise<DeadLetter[]> {
    const drained = await this.#drain(deadLetterTopic(application));
    return drained.map(({ batch, i }) => ({
      key: batch.key(i),
      value: batch.value(i),
      headers: decodeHeaders(batch.headerBytes(i)),
    }));
  }

  /** Advances event time to `idleClock` (ms UTC) without records: windows close, timers fire. */
  async advanceTo(idleClock: number): Promise<void> {
    await this.#running.advanceIdle(idleClock);
    await this.#saw([{ call: 'advanceTo', at: idleClock }]);
  }

  /** Returns the time of source partitions, tasks and steps. */
  time(): Promise<TimeReport> {
    return this.#running.time();
  }

  /**
   * Closes everything that is open, because the input has ended; later records continue without
   * loss.
   */
  async endInput(): Promise<void> {
    await this.#running.closeInput();
    await this.#saw([{ call: 'endInput' }]);
  }

  /**
   * Advances the wall clock, which otherwise stands still, by `ms`: its intervals and waits end.
   */
  async advanceWallClock(ms: number): Promise<void> {
    checkSetting('advanceWallClock.ms', ms, wholeMs(0));
    this.#clock.advance(ms);
    await this.#running.runUntilCaughtUp();
    await this.#saw([{ call: 'advanceWallClock', ms }]);
  }

  /**
   * Returns the table's rows, by task and key; for a window, the key is that of its records.
   * @throws TABLE_NOT_KEPT for a table whose rows cannot be read (suppressed)
   */
  rows<H extends StoreHandle>(table: H): Promise<RowOf<H>[]> {
    checkSetting('rows.table', table?.store, text);
    return this.#running.query(table.view ?? table.store) as Promise<RowOf<H>[]>;
  }

  /**
   * Closes the runtime and starts it again; with `dropState`, the state is rebuilt from changelogs.
   */
  async restart(
    options: {
      readonly dropState?: boolean;
      /** Another topology that continues with the state of the previous one. */
      readonly topology?: Topology;
      readonly orphans?: readonly string[];
    } = {},
  ): Promise<void> {
    await this.#running.close();
    if (options.dropState === true) this.#backends = new MemoryBackends();
    if (options.topology !== undefined) this.#topology = options.topology;
    this.#runtime = await this.#start(options.orphans);
    await this.#saw([{ call: 'restart' }]);
  }

  /** Counts of read, dropped and written records since the start, by reason. */
  get summary(): Summary {
    return this.#running.summary;
  }

  /** Closes the driver; its log and state are gone. */
  async close(): Promise<void> {
    await this.#running.close();
    await this.#log.close();
  }

  get #running(): Runtime {
    if (this.#runtime === undefined) throw new Error('the driver is closed');
    return this.#runtime;
  }

  async #saw(done: readonly Done[]): Promise<void> {
    for (const recording of this.#recordings) await recording.saw(done);
  }

  /** Rows of every exported table that can be read. */
  async #allRows(): Promise<{ table: string; row: StoreRow }[]> {
    const all: { table: string; row: StoreRow }[] = [];
    for (const [table, handle] of exportedTables(this.#topology)) {
      const rows = await this.rows(handle).catch((error: unknown) => {
        if (isMillraceError(error, 'TABLE_NOT_KEPT')) return [];
        throw error;
      });
      all.push(...rows.map((row) => ({ table, row })));
    }
    return all;
  }

  #start(orphans: readonly string[] = []): Promise<Runtime> {
    const { partitions = 1, cacheBytes, onError, recordsPerCycle } = this.#options;
    const { scheduler = systemScheduler } = this.#options;
    const world = { clock: this.#clock, scheduler, random: new SeededRandom(1) };
    return Runtime.start({
      topology: this.#topology,
      application,
      log: this.#log,
      stateDirectory: 'state',
      orphans,
      clock: this.#clock,
      clockStands: true,
      partitions,
      startHosts: async (config) => [new TaskHost(this.#topology, config, this.#backends, world)],
      ...(cacheBytes === undefined ? {} : { cacheBytes }),
      ...(onError === undefined ? {} : { onError }),
      ...(recordsPerCycle === undefined ? {} : { recordsPerCycle }),
    });
  }

  #partitionsOf(topic: string): number {
    const { partitionsOf } = this.#running.plan;
    const partitions = Object.hasOwn(partitionsOf, topic) ? partitionsOf[topic] : undefined;
    if (partitions === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
    return partitions;
  }

  async #drain(topic: string) {
    const drained = [];
    const positions = this.#read.get(topic) ?? [];
    this.#read.set(topic, positions);
    for (let partition = 0; partition < this.#partitionsOf(topic); partition++) {
      const from = positions[partition] ?? 0;
      const batch = await this.#log.read({ topic, partition }, from, { records: 1_000_000 });
      if (batch === undefined) continue;
      positions[partition] = batch.nextOffset;
      for (let i = 0; i < batch.count; i++) drained.push({ batch, partition, i });
    }
    return drained;
  }
}

/** Any number is accepted: invalid instants become dead letters, as in a run. */
const aTimestamp: Rule = (value) => (typeof value === 'number' ? undefined : 'a number of ms UTC');

/**
 * Starts a topology in memory.
 * @example `const driver = await testDriver(topology)`
 * @throws CONFIG_INVALID for an invalid option
 */
export function testDriver(topology: Topology, options: DriverOptions = {}): Promise<TestDriver> {
  return TestDriver.start(topology, options);
}
