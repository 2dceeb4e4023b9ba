/** Jobs over a history in perfect order, with grace 0, and what each must come to by definition. */
import {
  count,
  hopping,
  hours,
  joinWindow,
  last,
  minutes,
  type Stream,
  session,
  tumbling,
  utf8,
} from 'millrace';
import { type Arrival, hoppingWindows, joinedPairs, sessions } from './sources.ts';

export const [orderCount, customers] = [1_200, 25];
const every = 75_000;

/** One order each 75 s; the value names its customer. */
export const history = Array.from({ length: orderCount }, (_, i) => ({
  key: `o${i}`,
  value: `c${(i * 7) % customers}`,
  timestamp: 1_700_000_000_000 + i * every,
}));

const inOrder = history.map(
  ({ value, timestamp }): Arrival => ({ key: value, at: timestamp, stand: timestamp }),
);

const byOrder = inOrder.map((one, i): Arrival => ({ ...one, key: `o${i}` }));

const shown = (key: string, start: number, end: number, n: number) =>
  `${key} ${start}..${end}=${n}`;

/** The name of a step, apart from those of other jobs. */
type Named = (name: string) => string;
export type Build = (input: Stream<string, string>, named: Named) => Stream<unknown, string>;

const hour = { size: hours(1), advance: minutes(20), grace: 0 };
const wholeHour = { size: hours(1), advance: hours(1), grace: 0 };

export const perHour = (input: Stream<string, string>, named: Named, window = hour) =>
  input
    .window(hopping(window))
    .aggregate(named('per-hour'), count(), { emit: 'close' })
    .changes()
    .map((n, { key, start, end }) => shown(key, start, end, n ?? 0));

export const historyJobs: Record<string, { build: Build; define: () => string[] }> = {
  'one keyBy, hopping windows': {
    build: (input, named) =>
      perHour(
        input.keyBy(named('by-customer'), (v) => v),
        named,
      ),
    define: () => hoppingWindows(inOrder, hour).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'three keyBys in a row': {
    build: (input, named) =>
      perHour(
        input
          .keyBy(named('by-last'), (v) => v.slice(-1))
          .keyBy(named('by-length'), (v) => String(v.length))
          .keyBy(named('by-customer'), (v) => v),
        named,
      ),
    define: () => hoppingWindows(inOrder, hour).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'windows of windows': {
    build: (input, named) =>
      perHour(
        input.keyBy(named('by-customer'), (v) => v),
        named,
        wholeHour,
      )
        .keyBy(named('all'), () => 'all', { key: utf8, value: utf8 })
        .window(tumbling({ size: hours(2), grace: 0 }))
        .aggregate(named('per-two-hours'), count(), { emit: 'close' })
        .changes()
        .map((n, { key, start, end }) => shown(key, start, end, n ?? 0)),
    define: () =>
      hoppingWindows(
        hoppingWindows(inOrder, wholeHour).map((w) => ({ ...w, key: 'all' })),
        { size: hours(2), advance: hours(2), grace: 0 },
      ).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'sessions behind a keyBy': {
    build: (input, named) =>
      input
        .keyBy(named('by-customer'), (v) => v)
        .filter((v) => v.length === 2)
        .window(session({ gap: minutes(9), grace: 0 }))
        .aggregate(named('visits'), count(), { emit: 'close' })
        .changes()
        .map((n, { key, start, end }) => shown(key, start, end, n ?? 0)),
    define: () =>
      sessions(
        inOrder.filter(({ key }) => key.length === 2),
        { gap: minutes(9), grace: 0 },
      ).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'a join behind a keyBy': {
    build: (input, named) => {
      const keyed = input
        .map((v, key) => `${v}/${key}`)
        .keyBy(named('by-customer'), (v) => v.split('/')[0] ?? '', { value: utf8 });
      const isEven = (v: string) => Number(v.split('o')[1]) % 2 === 0;
      return keyed.filter(isEven).join(
        named('pairs'),
        keyed.filter((v) => !isEven(v)),
        joinWindow({ before: minutes(30), after: minutes(20), grace: 0 }),
        (a, b) => `${a}+${b}`,
      );
    },
    define: () => {
      const all = inOrder.map((one, i) => ({ ...one, i, shown: `${one.key}/o${i}` }));
      return joinedPairs(
        all.filter(({ i }) => i % 2 === 0),
        all.filter(({ i }) => i % 2 === 1),
        { before: minutes(30), after: minutes(20), grace: 0 },
      ).map(([a, b]) => `${a.shown}+${b.shown}`);
    },
  },
  'a stream merged with its own keyBy': {
    build: (input, named) =>
      perHour(input.merge(input.keyBy(named('by-customer'), (v) => v)), named),
    define: () =>
      hoppingWindows([...inOrder, ...byOrder], hour).map((w) =>
        shown(w.key, w.start, w.end, w.count),
      ),
  },
  'a stream joined with its own keyBy, and who finds no partner': {
    build: (input, named) => {
      const number = (key: unknown) => Number(String(key).slice(1));
      const followers = input
        .filter((_, key) => number(key) % 3 === 0)
        .keyBy(named('by-next'), (_, key) => `o${number(key) + 1}`, { value: utf8 });
      const pairs = input.leftJoin(
        named('pairs'),
        followers,
        joinWindow({ before: minutes(5), after: minutes(30), grace: 0 }),
        (v, before) => `${v}${before === undefined ? '' : '+'}`,
      );
      return perHour(
        pairs.keyBy(named('by-customer'), (v) => v, { value: utf8 }),
        named,
      );
    },
    define: () =>
      hoppingWindows(
        inOrder.map((one, i) => ({ ...one, key: `${one.key}${i % 3 === 1 ? '+' : ''}` })),
        hour,
      ).map((w) => shown(w.key, w.start, w.end, w.count)),
  },
  'what a foreign-key join sends back': {
    build: (input, named) => {
      const rows = input.aggregate(named('rows'), last<string>());
      const names = input
        .keyBy(named('by-customer'), (v) => v)
        .filter(() => false)
        .aggregate(named('names'), last<string>());
      const joined = rows
        .leftJoinForeign(
          named('joined'),
          names,
          (v) => v,
          (v) => v,
        )
        .changes()
        .map((v) => v ?? '');
      return perHour(joined, named).merge(
        perHour(
          joined.keyBy(named('by-customer-again'), (v) => v, { value: utf8 }),
          (name) => named(`${name}-again`),
        ),
      );
    },
    define: () =>
      hoppingWindows([...inOrder, ...byOrder], hour).map((w) =>
        shown(w.key, w.start, w.end, w.count),
      ),
  },
};
