/** The pieces on the hot path, timed with the package `benchmark`: nanoseconds an operation. */
import Benchmark from 'benchmark';
import { crc32c } from '../engine/base/crc32c.ts';
import { murmur2 } from '../engine/base/murmur2.ts';
import { randomBelow, SeededRandom } from '../engine/base/random.ts';
import { BatchBuilder } from '../engine/record/batch.ts';
import { json } from '../engine/serde/json.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { DueIndex } from '../engine/state/due-index.ts';

interface Piece {
  readonly name: string;
  /** Operations a call. */
  readonly per: number;
  run(): void;
}

const many = 1_000;
const event = {
  id: 'e-1024',
  class: 'email_open',
  item: 'm-77',
  traits: { plan: 'premium', age: 41 },
};
const keys = Array.from({ length: many }, (_, i) => Buffer.from(`user-${i}`));
const value = Buffer.from('/page/17');

/** What is computed ends here, so that nothing is optimised away. */
let sink = 0;

function batchOfMany() {
  const builder = new BatchBuilder(many, 32);
  for (let i = 0; i < many; i++) builder.append(keys[i] as Buffer, value, i);
  return builder.finishAt(0);
}

function batchPieces(): Piece[] {
  const batch = batchOfMany();
  return [
    {
      name: 'batch: append a record',
      per: many,
      run: () => {
        sink += batchOfMany().count;
      },
    },
    {
      name: 'batch: key id and value text of a record',
      per: many,
      run: () => {
        for (let i = 0; i < batch.count; i++) {
          const start = batch.starts[i] as number;
          const from = batch.valueStart(i);
          sink += batch.bytes.toString('latin1', start, from).length;
          sink += batch.bytes.toString(
            'utf8',
            from,
            from + (batch.valueLengths[i] as number),
          ).length;
        }
      },
    },
    {
      name: 'CRC-32C of a KiB',
      per: batch.byteLength / 1024,
      run: () => {
        sink += crc32c(new Uint8Array(batch.image)) & 1;
      },
    },
    {
      name: 'murmur2 of a key',
      per: many,
      run: () => {
        for (const key of keys) sink += murmur2(key) & 1;
      },
    },
  ];
}

function serdePieces(): Piece[] {
  const both: [string, Serde<typeof event>][] = [
    ['msgpack', msgpack()],
    ['json', json()],
  ];
  return both.flatMap(([name, serde]) => {
    const bytes = Buffer.from(serde.encode(event));
    return [
      {
        name: `${name}: decode an event of ${bytes.byteLength} bytes`,
        per: 1,
        run: () => {
          sink += serde.decode(bytes, 0, bytes.byteLength).id.length;
        },
      },
      {
        name: `${name}: encode it`,
        per: 1,
        run: () => {
          sink += serde.encode(event).byteLength;
        },
      },
    ];
  });
}

function duePieces(): Piece[] {
  const random = new SeededRandom(1);
  const ids = keys.map((key) => key.toString('latin1'));
  const index = new DueIndex();
  let now = 0;
  return [
    {
      name: 'due index: set a key, ask for the next',
      per: many,
      run: () => {
        for (const id of ids) {
          now++;
          index.set(id, now + randomBelow(random, 10_000));
          sink += index.nextDue() & 1;
        }
      },
    },
  ];
}

export interface MicroResult {
  readonly piece: string;
  readonly nanoseconds: number;
  /** Relative margin of error, percent. */
  readonly spread: number;
}

export function micro(): MicroResult[] {
  return [...batchPieces(), ...serdePieces(), ...duePieces()].map(({ name, per, run }) => {
    const { stats } = new Benchmark(name, run).run({ async: false });
    if (!Number.isFinite(sink)) throw new Error('the pieces compute nothing');
    return { piece: name, nanoseconds: (stats.mean * 1e9) / per, spread: stats.rme };
  });
}
