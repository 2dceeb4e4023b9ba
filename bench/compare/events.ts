/**
 * The events of the comparison: deterministic, made once, kept with a checksum. Keys follow Zipf's
 * law with scrambled ranks; 5 % come up to 8 s late, and of some sets 0.1 % a minute or two; of
 * others none.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BatchBuilder, PackedBatch } from '../../engine/record/batch.ts';
import { partitionOf } from '../../engine/record/partitioner.ts';

export const partitions = 4;
/** Of the first event, ms UTC. */
export const baseTime = 1_700_000_000_000;
const seed = 20_261_123n;
const types = [
  'view',
  'view',
  'view',
  'view',
  'view',
  'view',
  'click',
  'click',
  'like',
  'purchase',
];

/** Of the users 0, 1, 2, ... */
export const userName = (i: number): string => `u${String(i).padStart(12, '0')}`;

export interface EventsSpec {
  readonly events: number;
  readonly keys: number;
  /** Zipf's exponent; 0 is uniform. */
  readonly skew: number;
  /** Events in a millisecond of event time. */
  readonly perMs: number;
  /** One in a thousand comes one to two minutes late: later than any job's grace. */
  readonly tooLate?: boolean;
  /** Each partition in the order of time: none is late at all. */
  readonly ordered?: boolean;
}

/** What sets events apart that are as many, of as many keys. */
export const kindOf = ({ tooLate = false, ordered = false }: EventsSpec): string =>
  `${tooLate ? '-late' : ''}${ordered ? '-ordered' : ''}`;

export interface Events {
  readonly spec: EventsSpec;
  /** SHA-256 of all batches. */
  readonly checksum: string;
  /** In the order of writing; each of one partition. */
  readonly batches: readonly { readonly partition: number; readonly batch: PackedBatch }[];
}

/** SplitMix64 (Steele, Lea, Flood 2014). */
class SplitMix {
  #state = seed;

  unit(): number {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return Number((z ^ (z >> 31n)) >> 11n) * 2 ** -53;
  }
}

/** From the folder when they were made before, else made and kept there. */
export async function eventsOf(spec: EventsSpec, folder: string): Promise<Events> {
  const { events, keys, skew, perMs } = spec;
  const name = `events-${events}-${keys}-${skew}-${perMs}${kindOf(spec)}`;
  const [data, sum] = [join(folder, `${name}.bin`), join(folder, `${name}.sha256`)];
  if (existsSync(sum)) return read(spec, await readFile(data), await readFile(sum, 'utf8'));
  const batches = make(spec);
  const bytes = Buffer.concat(
    batches.flatMap(({ partition, batch }) => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(partition, 0);
      head.writeUInt32LE(batch.byteLength, 4);
      return [head, Buffer.from(batch.image)];
    }),
  );
  const checksum = createHash('sha256').update(bytes).digest('hex');
  await mkdir(folder, { recursive: true });
  await writeFile(`${data}.new`, bytes);
  await rename(`${data}.new`, data);
  await writeFile(sum, checksum);
  return { spec, checksum, batches };
}

function read(spec: EventsSpec, bytes: Buffer, checksum: string): Events {
  if (createHash('sha256').update(bytes).digest('hex') !== checksum) {
    throw new Error('the kept events are damaged: delete their folder, they are made again');
  }
  const batches = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const [partition, size] = [bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4)];
    const image = new Uint8Array(bytes.subarray(at + 8, at + 8 + size)).buffer;
    batches.push({ partition, batch: new PackedBatch(image) });
    at += 8 + size;
  }
  return { spec, checksum, batches };
}

function make({
  events,
  keys,
  skew,
  perMs,
  tooLate = false,
  ordered = false,
}: EventsSpec): { partition: number; batch: PackedBatch }[] {
  const random = new SplitMix();
  const weights = new Float64Array(keys);
  let total = 0;
  for (let rank = 0; rank < keys; rank++) {
    total += (rank + 1) ** -skew;
    weights[rank] = total;
  }
  const keyOfRank = Array.from({ length: keys }, (_, i) => i);
  for (let i = keys - 1; i > 0; i--) {
    const j = Math.floor(random.unit() * (i + 1));
    [keyOfRank[i], keyOfRank[j]] = [keyOfRank[j] as number, keyOfRank[i] as number];
  }
  const made: { partition: number; batch: PackedBatch }[] = [];
  const builders = Array.from({ length: partitions }, () => new BatchBuilder(2_048, 200));
  const flush = (partition: number) => {
    const builder = builders[partition] as BatchBuilder;
    if (builder.count > 0) made.push({ partition, batch: builder.finishAt(0) });
  };
  for (let i = 0; i < events; i++) {
    const rank = firstAbove(weights, random.unit() * total);
    const user = userName(keyOfRank[rank] as number);
    let time = baseTime + Math.floor(i / perMs);
    if (!ordered && random.unit() < 0.05)
      time -= Math.min(8_000, Math.floor(-2_000 * Math.log(1 - random.unit())));
    if (tooLate && random.unit() < 0.001) time -= 60_000 + Math.floor(60_000 * random.unit());
    const value = {
      userId: user,
      type: types[Math.floor(random.unit() * types.length)],
      itemId: `i${Math.floor(random.unit() * 100_000)}`,
      value: Math.floor(random.unit() * 1_000) / 10,
      sessionId: `s${i % 97_777}`,
      source: 'web',
      ts: time,
    };
    const key = Buffer.from(user);
    const partition = partitionOf(key, partitions);
    const builder = builders[partition] as BatchBuilder;
    builder.append(key, Buffer.from(JSON.stringify(value)), time);
    if (builder.count === 2_048) flush(partition);
  }
  for (let partition = 0; partition < partitions; partition++) flush(partition);
  return made;
}

/** The first index whose running total is above `wanted`. */
function firstAbove(totals: Float64Array, wanted: number): number {
  let [low, high] = [0, totals.length - 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((totals[middle] as number) > wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}
