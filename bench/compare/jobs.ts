/** The jobs of the comparison, as topologies. A peer does the same by the same names (peers/). */
import {
  combined,
  count,
  hopping,
  joinWindow,
  json,
  type MergeableAggregate,
  max,
  minutes,
  type Serde,
  type Stream,
  seconds,
  session,
  sessionWindowed,
  sliding,
  sum,
  type Topology,
  timeWindowed,
  topic,
  topology,
  tumbling,
  utf8,
  type Windowed,
} from 'millrace';

import { type Change, engagement } from './engagement.ts';
import { eventSerde, type Format } from './event-formats.ts';

export interface Event {
  readonly userId: string;
  readonly type: string;
  readonly itemId: string;
  readonly value: number;
  readonly sessionId: string;
  readonly source: string;
  readonly ts: number;
}

/** Count, sum and greatest value: 24 bytes, big-endian, as the peers write them. */
export interface Totals {
  count: number;
  sum: number;
  max: number | null;
}

const totalsBytes = Buffer.alloc(24);

export const totalsSerde: Serde<Totals> = {
  format: 'totals',
  // Whoever asks copies it before the next call.
  encode: ({ count, sum, max }) => {
    const bytes = totalsBytes;
    bytes.writeUInt32BE(Math.floor(count / 2 ** 32), 0);
    bytes.writeUInt32BE(count >>> 0, 4);
    bytes.writeDoubleBE(sum, 8);
    bytes.writeDoubleBE(max ?? Number.NaN, 16);
    return bytes;
  },
  decode: (bytes, start) => ({
    count: bytes.readUInt32BE(start) * 2 ** 32 + bytes.readUInt32BE(start + 4),
    sum: bytes.readDoubleBE(start + 8),
    max: bytes.readDoubleBE(start + 16),
  }),
};

type Valued = Pick<Event, 'value'>;
const numberOf = ({ value }: Valued) => value;
const totals: MergeableAggregate<Valued, Totals> = combined({
  count: count<Valued>(),
  sum: sum(numberOf),
  max: max(numberOf),
});

export const grace = seconds(10);
export const jobNames = [
  'map',
  'map-project',
  'count',
  'tumbling',
  'hopping10',
  'hopping60',
  'hopping360',
  'sliding',
  'session',
  'join-table',
  'join-streams',
  'engagement',
  'rekey',
] as const;
export type JobName = (typeof jobNames)[number];

/** Windows of the windowed jobs, ms. */
export const windows = {
  tumbling: tumbling({ size: minutes(1), grace }),
  hopping10: hopping({ size: minutes(10), advance: minutes(1), grace }),
  hopping60: hopping({ size: minutes(60), advance: minutes(1), grace }),
  hopping360: hopping({ size: minutes(360), advance: minutes(1), grace }),
  sliding: sliding({ size: minutes(1), grace }),
  session: session({ gap: seconds(30), grace }),
  rekey: tumbling({ size: minutes(1), grace }),
} as const;
type WindowedJob = keyof typeof windows;

/** The values that joins write. */
export interface Joined {
  readonly userId: string;
  readonly value: number;
}

/**
 * The row of a user in the table that `join-table` reads: loaded before, older than every event.
 */
export interface User {
  readonly factor: number;
}
export const factorOf = (user: string): number => 1 + (Number(user.slice(1)) % 3);
/** The topic of the table beside a topic of events. */
export const usersTopic = (input: string): string => `${input}-users`;

/**
 * Clicks with purchases of the same user, as far apart as this, ms; few enough pairs for the
 * hottest user.
 */
export const joinMs = seconds(1);

/**
 * What `rekey` takes along to the item of an event: the key says which one that is. 8 bytes,
 * big-endian.
 */
type Sale = Pick<Event, 'itemId' | 'value'>;
const saleBytes = Buffer.alloc(8);
const saleSerde: Serde<Sale> = {
  format: 'sale',
  // Whoever asks copies it before the next call.
  encode: ({ value }) => {
    saleBytes.writeDoubleBE(value);
    return saleBytes;
  },
  decode: (bytes, start) => ({ itemId: '', value: bytes.readDoubleBE(start) }),
};

/** The values that `map` writes. */
export interface Mapped {
  readonly userId: string;
  readonly type: string;
  readonly value: number;
  readonly minute: number;
}

/** Every hundredth item: the share that `map-project` lets pass. */
export const selected = (itemId: string): boolean => itemId.endsWith('00');

/** What a job reads of an event; the others its value alone. */
const fieldsRead: Partial<Record<JobName, readonly (keyof Event)[]>> = {
  map: ['userId', 'type', 'value', 'ts'],
  'map-project': ['userId', 'type', 'itemId', 'value', 'ts'],
  'join-streams': ['type', 'value'],
  engagement: ['type', 'value'],
  rekey: ['itemId', 'value'],
};

export function jobTopology(
  job: JobName,
  input: string,
  output: string,
  format: Format = 'json',
): Topology {
  const events = topic<string, Event>(input, {
    value: eventSerde(format, fieldsRead[job] ?? ['value']),
  });
  return topology(`bench-${job}`, (t) => {
    const stream = t.stream(events);
    if (job === 'map' || job === 'map-project') {
      const out = topic<string, Mapped>(output, { value: json<Mapped>() });
      const passing =
        job === 'map'
          ? stream.filter(({ type }) => type !== 'view')
          : stream.filter(({ itemId }) => selected(itemId));
      passing
        .map(({ userId, type, value, ts }) => ({
          userId,
          type,
          value: value * 1.1,
          minute: Math.floor(ts / 60_000),
        }))
        .to(out);
      return;
    }
    if (job === 'count') {
      const out = topic<string, Totals>(output, { value: totalsSerde });
      // As Kafka Streams' cache does it: one change a key and commit.
      stream
        .aggregate('totals', totals, { value: totalsSerde })
        .suppress('newest', { untilCommit: true })
        .to(out);
      return;
    }
    if (job === 'join-table') {
      const users = topic<string, User>(usersTopic(input), { value: json<User>() });
      stream
        .joinTable(t.table('users', users), ({ value }, { factor }, userId): Joined => {
          return { userId, value: value * factor };
        })
        .to(topic<string, Joined>(output, { value: json<Joined>() }));
      return;
    }
    if (job === 'join-streams') {
      const purchases = stream.filter(({ type }) => type === 'purchase');
      const within = joinWindow({ before: joinMs, after: joinMs, grace });
      stream
        .filter(({ type }) => type === 'click')
        .join('pairs', purchases, within, (click, purchase, userId): Joined => {
          return { userId, value: click.value + purchase.value };
        })
        .to(topic<string, Joined>(output, { value: json<Joined>() }));
      return;
    }
    if (job === 'engagement') {
      const out = topic<string, Change>(output, { value: json<Change>() });
      stream.process('engagement', engagement).to(out);
      return;
    }
    const spec = windows[job as WindowedJob];
    const key = spec.type === 'session' ? sessionWindowed(utf8) : timeWindowed(utf8, spec.sizeMs);
    const out = topic<Windowed<string>, Totals>(output, { key, value: totalsSerde });
    const close = <V extends Valued>(of: Stream<string, V>): void =>
      of.window(spec).aggregate('totals', totals, { emit: 'close', value: totalsSerde }).to(out);
    if (job !== 'rekey') return close(stream);
    const sales = stream.map(({ itemId, value }): Sale => ({ itemId, value }));
    close(sales.keyBy('by-item', ({ itemId }) => itemId, { value: saleSerde }));
  });
}
