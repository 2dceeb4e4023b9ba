/**
 * The records of a stream, shard by shard. A shard is read after its parents have been read
 * completely, so that records of a key keep their order when shards are split or merged. The
 * position holds the sequence number of the last record of each shard.
 */
import type { KinesisClient, Shard } from '@aws-sdk/client-kinesis';
import type { Clock } from '../../../base/clock.ts';
import { optionalPackage } from '../../../base/optional-package.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { awsError, awsSettings, awsTimeouts } from '../aws.ts';
import type { Page, PulledRow, Puller } from '../puller.ts';
import { recordRows } from '../record-rows.ts';
import type { Secrets } from '../secrets.ts';
import type { KinesisSpec } from './kinesis-spec.ts';

export interface KinesisOptions {
  readonly name: string;
  readonly spec: KinesisSpec;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  warn(text: string): void;
  unpack?(value: unknown): readonly unknown[];
}

interface ShardPosition {
  /** Sequence number of the last record. */
  readonly last?: string;
  /** It is read to its end. */
  readonly closed?: true;
}

interface StreamPosition {
  /** Where to start in shards, ms UTC; undefined: at their start. */
  readonly from?: number;
  readonly shards?: Readonly<Record<string, ShardPosition>>;
}

/** A shard serves five requests a second. */
const paceMs = 200;

export class KinesisPuller implements Puller {
  readonly #options: KinesisOptions;
  #client: Promise<KinesisClient> | undefined;
  readonly #askedAt = new Map<string, number>();

  constructor(options: KinesisOptions) {
    this.#options = options;
  }

  async *run(given: unknown, signal: AbortSignal): AsyncGenerator<Page> {
    let position = (given ?? { from: this.#from() }) as StreamPosition;
    const listed = await this.#shards(signal);
    position = this.#kept(position, listed);
    yield { rows: [], bytes: 0, position };
    const read = new Set<string>();
    // A completely read shard is replaced by its children.
    for (let found = true; found && !signal.aborted; ) {
      found = false;
      for (const shard of ready(listed, position)) {
        const id = shard.ShardId as string;
        if (read.has(id)) continue;
        read.add(id);
        found = true;
        for await (const page of this.#read(shard, position, signal)) {
          yield page;
          position = page.position as StreamPosition;
        }
      }
    }
  }

  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined);
    this.#client = undefined;
    client?.destroy();
  }

  /** From its position to its current end. */
  async *#read(
    { ShardId = '' }: Shard,
    given: StreamPosition,
    signal: AbortSignal,
  ): AsyncGenerator<Page> {
    const { GetRecordsCommand, GetShardIteratorCommand } = await this.#package();
    const client = await this.#connected();
    const { stream, recordsMax = 1_000 } = this.#options.spec;
    let position = given;
    let last = position.shards?.[ShardId]?.last;
    const { from } = position;
    const start =
      last !== undefined
        ? { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER' as const, StartingSequenceNumber: last }
        : from !== undefined
          ? { ShardIteratorType: 'AT_TIMESTAMP' as const, Timestamp: new Date(from) }
          : { ShardIteratorType: 'TRIM_HORIZON' as const };
    const begin = new GetShardIteratorCommand({ StreamName: stream, ShardId, ...start });
    let { ShardIterator: iterator } = await this.#asked(() =>
      client.send(begin, { abortSignal: signal }),
    );
    while (iterator !== undefined && !signal.aborted) {
      const command = new GetRecordsCommand({ ShardIterator: iterator, Limit: recordsMax });
      await this.#pace(ShardId, signal);
      const answer = await this.#asked(() => client.send(command, { abortSignal: signal }));
      const records = answer.Records ?? [];
      const rows = records.flatMap(({ Data = new Uint8Array(), SequenceNumber = '' }) =>
        this.#rows(Data, ShardId, SequenceNumber),
      );
      const bytes = records.reduce((sum, { Data }) => sum + (Data?.byteLength ?? 0), 0);
      last = records.at(-1)?.SequenceNumber ?? last;
      iterator = answer.NextShardIterator;
      const isClosed = iterator === undefined;
      if (records.length > 0 || isClosed) {
        const told = {
          ...(last === undefined ? {} : { last }),
          ...(isClosed ? { closed: true as const } : {}),
        };
        position = { ...position, shards: { ...position.shards, [ShardId]: told } };
        yield { rows, bytes, position };
      }
      if (records.length === 0 && (answer.MillisBehindLatest ?? 0) === 0) return;
    }
  }

  #rows(data: Uint8Array, shard: string, sequence: string): PulledRow[] {
    const { name, spec, unpack } = this.#options;
    return recordRows(data, unpack).map((row, i) => ({
      ...row,
      id: `${name}:${shard}/${sequence}${i === 0 ? '' : `-${i}`}`,
      from: `kinesis:${spec.stream}/${shard}`,
      offset: sequence,
    }));
  }

  async #shards(signal: AbortSignal): Promise<Shard[]> {
    const { ListShardsCommand } = await this.#package();
    const client = await this.#connected();
    const shards: Shard[] = [];
    let NextToken: string | undefined;
    do {
      const input =
        NextToken === undefined ? { StreamName: this.#options.spec.stream } : { NextToken };
      const answer = await this.#asked(() =>
        client.send(new ListShardsCommand(input), { abortSignal: signal }),
      );
      shards.push(...(answer.Shards ?? []));
      NextToken = answer.NextToken;
    } while (NextToken !== undefined);
    return shards;
  }

  /** Drops shards that the stream no longer has; reports those that were not read completely. */
  #kept(position: StreamPosition, listed: readonly Shard[]): StreamPosition {
    const ids = new Set(listed.map(({ ShardId }) => ShardId));
    const { name, warn } = this.#options;
    const entries = Object.entries(position.shards ?? {});
    for (const [id, { closed }] of entries) {
      if (ids.has(id) || closed === true) continue;
      warn(`source ${name}: shard ${id} is gone, and was not read to its end: records are lost`);
    }
    return { ...position, shards: Object.fromEntries(entries.filter(([id]) => ids.has(id))) };
  }

  #from(): number | undefined {
    const { start = 'earliest' } = this.#options.spec;
    if (start === 'earliest') return undefined;
    return start === 'latest' ? this.#options.clock.now() : Date.parse(start);
  }

  async #pace(shard: string, signal: AbortSignal): Promise<void> {
    const { clock, scheduler } = this.#options;
    const wait =
      (this.#askedAt.get(shard) ?? Number.NEGATIVE_INFINITY) + paceMs - clock.monotonic();
    if (wait > 0) await scheduler.sleep(wait, signal);
    this.#askedAt.set(shard, clock.monotonic());
  }

  #package() {
    return optionalPackage(
      this.#options.name,
      '@aws-sdk/client-kinesis',
      () => import('@aws-sdk/client-kinesis'),
    );
  }

  #connected(): Promise<KinesisClient> {
    const { name, spec, secrets } = this.#options;
    this.#client ??= (async () => {
      const { KinesisClient } = await this.#package();
      // Uses HTTP/1.1, because services other than Amazon's support nothing else.
      const { NodeHttpHandler } = await optionalPackage(
        name,
        '@smithy/node-http-handler',
        () => import('@smithy/node-http-handler'),
      );
      const settings = await awsSettings(name, spec, secrets);
      return new KinesisClient({ ...settings, requestHandler: new NodeHttpHandler(awsTimeouts) });
    })();
    return this.#client;
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw awsError(this.#options.name, error);
    }
  }
}

/** Unfinished shards whose parents have been read completely or no longer exist. */
function ready(listed: readonly Shard[], { shards = {} }: StreamPosition): Shard[] {
  const ids = new Set(listed.map(({ ShardId }) => ShardId));
  const isOpen = (id: string | undefined) =>
    id !== undefined && ids.has(id) && shards[id]?.closed !== true;
  return listed.filter(
    ({ ShardId, ParentShardId, AdjacentParentShardId }) =>
      isOpen(ShardId) && !isOpen(ParentShardId) && !isOpen(AdjacentParentShardId),
  );
}
