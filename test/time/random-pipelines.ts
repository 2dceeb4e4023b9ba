/**
 * Random pipelines over several source partitions and up to two re-keys, fed in a random
 * interleaving with restarts in between, held against definitions that know the source partitions
 * alone (sources.ts).
 */
import {
  collect,
  count,
  hopping,
  joinWindow,
  last,
  type Stream,
  session,
  type Table,
  topic,
  topology,
  utf8,
  type Windowed,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { must } from '../../engine/base/assert.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import {
  type Arrival,
  drawSources,
  hoppingWindows,
  joinedPairs,
  type SourceRecord,
  sessions,
  type Window,
} from './sources.ts';

const shapes = [
  'windows',
  'suppressed windows',
  'windows of windows',
  'join',
  'windows of pairs',
  'windows of whoever is left alone',
  'merged with its own keyBy',
  'foreign keys sent back',
  'ordered',
  'timers',
] as const;
type Shape = (typeof shapes)[number];
/** They go by where a record was read first: of two topics that is not told apart. */
const placed: readonly Shape[] = ['ordered', 'timers'];

interface WindowDraw {
  readonly spec: WindowSpec;
  readonly define: (arrivals: readonly Arrival[]) => Window[];
}

function drawWindow(random: SeededRandom): WindowDraw {
  const grace = [0, 0, 5, 17][randomBelow(random, 4)] as number;
  if (randomBelow(random, 3) === 0) {
    const gap = 3 + randomBelow(random, 12);
    return { spec: session({ gap, grace }), define: (all) => sessions(all, { gap, grace }) };
  }
  const advance = 5 + randomBelow(random, 12);
  const size = advance * (1 + randomBelow(random, 4));
  return {
    spec: hopping({ size, advance, grace }),
    define: (all) => hoppingWindows(all, { size, advance, grace }),
  };
}

const out = topic<string, string>('out', { value: utf8 });
const all = { key: utf8, value: utf8 };

function finals(stream: Stream<string, string>, name: string, { spec }: WindowDraw) {
  return stream.window(spec).aggregate(name, count(), { emit: 'close' });
}

function texts(table: Table<Windowed<string>, number>): Stream<Windowed<string>, string> {
  return table.changes().map((n, { key, start, end }) => `${key} ${start}..${end}=${n}`);
}

const text = ({ key, start, end, count: n }: Window) => `${key} ${start}..${end}=${n}`;
/** What a window's result is counted under next. */
const nextKey = (shown: string) => `g${shown.length % 3}`;

interface Drawn {
  readonly shape: Shape;
  readonly what: string;
  readonly define: (records: readonly SourceRecord[]) => string[];
  readonly build: (input: Stream<string, string>) => void;
}

function draw(random: SeededRandom): Drawn {
  const shape = shapes[randomBelow(random, shapes.length)] as Shape;
  const first = drawWindow(random);
  const second = drawWindow(random);
  const keyed = (records: readonly SourceRecord[]) =>
    records.map((record) => ({ ...record, key: record.value }));
  const what = `${shape}: ${JSON.stringify(first.spec)}, then ${JSON.stringify(second.spec)}`;
  switch (shape) {
    case 'suppressed windows':
      return {
        shape,
        what,
        build: (input) =>
          texts(
            input
              .keyBy('by-value', (v) => v)
              .window(first.spec)
              .aggregate('first', count())
              .suppress('final', { untilClosed: true }),
          )
            .keyBy('out', () => 'all', { key: utf8, value: utf8 })
            .to(out),
        define: (records) => first.define(keyed(records)).map(text),
      };
    case 'windows':
      return {
        shape,
        what,
        build: (input) =>
          texts(
            finals(
              input.keyBy('by-value', (v) => v),
              'first',
              first,
            ),
          )
            .keyBy('out', () => 'all', { key: utf8, value: utf8 })
            .to(out),
        define: (records) => first.define(keyed(records)).map(text),
      };
    case 'windows of windows':
      return {
        shape,
        what,
        build: (input) =>
          texts(
            finals(
              texts(
                finals(
                  input.keyBy('by-value', (v) => v),
                  'first',
                  first,
                ),
              ).keyBy('by-length', nextKey, { key: utf8, value: utf8 }),
              'second',
              second,
            ),
          )
            .keyBy('out', () => 'all', { key: utf8, value: utf8 })
            .to(out),
        define: (records) => {
          const closed = first.define(keyed(records));
          return second.define(closed.map((w) => ({ ...w, key: nextKey(text(w)) }))).map(text);
        },
      };
    case 'join': {
      const window = {
        before: randomBelow(random, 12),
        after: randomBelow(random, 12),
        grace: [0, 4, 15][randomBelow(random, 3)] as number,
      };
      const isLeft = (v: string) => v < 'c';
      const group = (v: string) => (v.charCodeAt(0) % 2 === 0 ? 'even' : 'odd');
      const shown = (a: string | undefined, b: string | undefined) => `${a ?? '-'}+${b ?? '-'}`;
      return {
        shape,
        what: `join ${JSON.stringify(window)}`,
        build: (input) => {
          const sides = input
            .map((v, key, at) => `${v}/${key}@${at}`)
            .keyBy('by-group', group, { value: utf8 });
          sides
            .filter(isLeft)
            .outerJoin(
              'pairs',
              sides.filter((v) => !isLeft(v)),
              joinWindow(window),
              shown,
            )
            .to(out);
        },
        define: (records) => {
          const all = records.map((r) => ({
            ...r,
            key: group(r.value),
            shown: `${r.value}/${r.key}@${r.at}`,
          }));
          const [left, right] = [
            all.filter(({ value }) => isLeft(value)),
            all.filter(({ value }) => !isLeft(value)),
          ];
          const pairs = joinedPairs(left, right, window);
          const paired = new Set(pairs.flat());
          return [
            ...pairs.map(([a, b]) => shown(a.shown, b.shown)),
            ...left.filter((a) => !paired.has(a)).map((a) => shown(a.shown, undefined)),
            ...right.filter((b) => !paired.has(b)).map((b) => shown(undefined, b.shown)),
          ];
        },
      };
    }
    case 'windows of pairs': {
      const window = {
        before: randomBelow(random, 12),
        after: randomBelow(random, 12),
        grace: [0, 4, 15][randomBelow(random, 3)] as number,
      };
      const isLeft = (v: string) => v < 'c';
      const group = (v: string) => (v.charCodeAt(0) % 2 === 0 ? 'even' : 'odd');
      return {
        shape,
        what: `pairs ${JSON.stringify(window)} in ${JSON.stringify(first.spec)}`,
        build: (input) => {
          const sides = input.keyBy('by-group', group);
          const pairs = sides.filter(isLeft).join(
            'pairs',
            sides.filter((v) => !isLeft(v)),
            joinWindow(window),
            (a, b) => `${a}${b}`,
          );
          texts(
            finals(
              pairs.keyBy('by-pair', (v) => v, { value: utf8 }),
              'first',
              first,
            ),
          )
            .keyBy('out', () => 'all', { key: utf8, value: utf8 })
            .to(out);
        },
        define: (records) => {
          const all = records.map((r) => ({ ...r, key: group(r.value) }));
          const pairs = joinedPairs(
            all.filter(({ value }) => isLeft(value)),
            all.filter(({ value }) => !isLeft(value)),
            window,
          );
          const arrivals = pairs.map(([a, b]) => ({
            key: `${a.value}${b.value}`,
            at: Math.max(a.at, b.at),
            stand: Math.max(a.stand, b.stand),
          }));
          return first.define(arrivals).map(text);
        },
      };
    }
    case 'windows of whoever is left alone': {
      const window = {
        before: randomBelow(random, 12),
        after: randomBelow(random, 12),
        grace: [0, 4, 15][randomBelow(random, 3)] as number,
      };
      const isLeft = (v: string) => v < 'c';
      const group = (v: string) => (v.charCodeAt(0) % 2 === 0 ? 'even' : 'odd');
      const shown = (a: string | undefined, b: string | undefined) => `${a ?? '-'}${b ?? '-'}`;
      return {
        shape,
        what: `outer ${JSON.stringify(window)} in ${JSON.stringify(first.spec)}`,
        build: (input) => {
          const sides = input.keyBy('by-group', group);
          const pairs = sides.filter(isLeft).outerJoin(
            'pairs',
            sides.filter((v) => !isLeft(v)),
            joinWindow(window),
            shown,
          );
          const keyed = pairs.keyBy('by-pair', (v) => v, { value: utf8 });
          // Behind the join in its own task, and behind one more keyBy.
          texts(finals(pairs, 'here', first))
            .keyBy('out-here', () => 'all', all)
            .to(out);
          texts(finals(keyed, 'first', first))
            .keyBy('out', () => 'all', all)
            .to(out);
        },
        define: (records) => {
          const all = records.map((r) => ({ ...r, key: group(r.value) }));
          const [left, right] = [
            all.filter(({ value }) => isLeft(value)),
            all.filter(({ value }) => !isLeft(value)),
          ];
          const pairs = joinedPairs(left, right, window);
          const paired = new Set(pairs.flat());
          const alone = (one: SourceRecord) => !paired.has(one as (typeof left)[number]);
          const told = [
            ...pairs.map(([a, b]) => ({
              ...{ key: a.key, name: shown(a.value, b.value) },
              ...{ at: Math.max(a.at, b.at), stand: Math.max(a.stand, b.stand) },
            })),
            ...left.filter(alone).map((a) => ({ ...a, name: shown(a.value, undefined) })),
            ...right.filter(alone).map((b) => ({ ...b, name: shown(undefined, b.value) })),
          ];
          const named = told.map((one) => ({ ...one, key: one.name }));
          return [...first.define(told), ...first.define(named)].map(text);
        },
      };
    }
    case 'merged with its own keyBy':
      return {
        shape,
        what,
        build: (input) => {
          const own = input.keyBy('by-key', (_, key) => key);
          texts(finals(own.merge(own.keyBy('by-value', (v) => v)), 'first', first))
            .keyBy('out', () => 'all', all)
            .to(out);
        },
        define: (records) => first.define([...records, ...keyed(records)]).map(text),
      };
    case 'foreign keys sent back': {
      const id = ({ value, key, at }: SourceRecord) => `${value}/${key}@${at}`;
      return {
        shape,
        what,
        build: (input) => {
          const rows = input
            .map((v, key, at) => `${v}/${key}@${at}`)
            .keyBy('by-id', (v) => v, { value: utf8 })
            .aggregate('rows', last<string>());
          const names = input
            .keyBy('by-value', (v) => v)
            .filter(() => false)
            .aggregate('names', last<string>());
          const joined = rows
            .leftJoinForeign(
              'joined',
              names,
              (v) => (v ?? '').slice(0, 1),
              (v) => v,
            )
            .changes()
            .map((v) => v ?? '');
          const again = joined.keyBy('by-value-again', (v) => v.slice(0, 1), { value: utf8 });
          texts(finals(joined, 'here', first))
            .keyBy('out-here', () => 'all', all)
            .to(out);
          texts(finals(again, 'first', first))
            .keyBy('out', () => 'all', all)
            .to(out);
        },
        define: (records) =>
          [
            ...first.define(records.map((one) => ({ ...one, key: id(one) }))),
            ...first.define(keyed(records)),
          ].map(text),
      };
    }
    case 'timers': {
      const patience = 1 + randomBelow(random, 30);
      return {
        shape,
        what: `timers ${patience} after the last record`,
        build: (input) =>
          input
            .keyBy('by-first', (v) => v.slice(0, 1), { value: utf8, order: 'time' })
            .process<number, string>('gone', {
              record: (context) => {
                context.state = (context.state ?? 0) + 1;
                context.setTimer('gone', context.now + patience);
              },
              timer: (context, _, at) => {
                context.emit(`${context.key} gone ${at} after ${context.state}`);
                context.state = undefined;
              },
            })
            .to(out),
        define: (records) => {
          const told: string[] = [];
          const keys = new Map<string, { now: number; due: number; seen: number }>();
          const fire = (key: string) => {
            const { due = 0, seen } = keys.get(key) ?? {};
            told.push(`${key} gone ${due} after ${seen}`);
            keys.delete(key);
          };
          let instant = Number.NEGATIVE_INFINITY;
          for (const { value, at, stand } of inTimeOrder(records)) {
            // A record that is not late fires what was due before it; time fires the rest, after
            // the records of an instant.
            if (Math.max(at, stand) > instant) {
              instant = Math.max(at, stand);
              for (const [key, { due }] of keys) if (due < instant) fire(key);
            }
            if ((keys.get(value)?.due ?? at) < at) fire(value);
            const { now = at, seen = 0 } = keys.get(value) ?? {};
            const next = Math.max(now, at);
            keys.set(value, { now: next, due: next + patience, seen: seen + 1 });
          }
          for (const key of [...keys.keys()]) fire(key);
          return told;
        },
      };
    }
    case 'ordered':
      return {
        shape,
        what: 'collected in the order of time',
        build: (input) =>
          input
            .map((v, key, at) => `${v}${key}@${at}`)
            .keyBy('by-first', (v) => v.slice(0, 1), { value: utf8, order: 'time' })
            .aggregate('all', collect<string>())
            .changes()
            .map((list, key) => `${key}: ${(list ?? []).join(' ')}`)
            .to(out),
        define: (records) => {
          const order = inTimeOrder(records);
          const lists = new Map<string, string[]>();
          const told: string[] = [];
          for (const { value, key, at } of order) {
            const list = [...(lists.get(value) ?? []), `${value}${key}@${at}`];
            lists.set(value, list);
            told.push(`${value}: ${list.join(' ')}`);
          }
          return told;
        },
      };
  }
}

/** As records leave a keyBy that puts them in the order of time. */
function inTimeOrder(records: readonly SourceRecord[]): SourceRecord[] {
  return records.toSorted(
    (a, b) =>
      Math.max(a.at, a.stand) - Math.max(b.at, b.stand) ||
      a.at - b.at ||
      a.partition - b.partition ||
      a.index - b.index,
  );
}

interface Refusal {
  readonly value: string;
  /** State has changed before the record is refused: the cycle is done again. */
  readonly isLate: boolean;
}

/**
 * In a third of the pipelines a step refuses every record of a value; its time counts all the same.
 */
function drawRefusal(seed: number): Refusal | undefined {
  const random = new SeededRandom(seed * 7_919 + 1);
  if (randomBelow(random, 3) > 0) return undefined;
  const value = 'abcde'[randomBelow(random, 5)] as string;
  return { value, isLate: randomBelow(random, 2) === 0 };
}

function refusing(input: Stream<string, string>, refusal: Refusal): Stream<string, string> {
  const counted = refusal.isLate
    ? input.process<number, string>('seen', {
        record(context, v) {
          context.state = (context.state ?? 0) + 1;
          context.emit(v);
        },
      })
    : input;
  return counted.map((v) => {
    if (v === refusal.value) throw new Error('refused');
    return v;
  });
}

/** Undefined when the engine and the definition agree; else what differs. */
export async function checkSeed(seed: number): Promise<string | undefined> {
  const random = new SeededRandom(seed);
  const partitions = 1 + randomBelow(random, 4);
  const drawn = draw(random);
  const isTwo = !placed.includes(drawn.shape) && randomBelow(random, 4) === 0;
  const inputs = (isTwo ? ['input', 'other'] : ['input']).map((name) =>
    topic<string, string>(name, { value: utf8, partitions }),
  );
  const disorder = [undefined, undefined, 1 + randomBelow(random, 25)][randomBelow(random, 3)];
  const sources = drawSources(random, {
    partitions: partitions * inputs.length,
    records: 40,
    keys: 5,
    values: 5,
    disorder: [0, 10, 40][randomBelow(random, 3)] as number,
    step: 2 + randomBelow(random, 8),
  });
  const refusal = drawRefusal(seed);
  const built = topology('random', (t) => {
    const read = inputs.map((one) => t.stream(one, disorder === undefined ? {} : { disorder }));
    const [input, other] = read as [Stream<string, string>, Stream<string, string>?];
    const all = other === undefined ? input : input.merge(other);
    drawn.build(refusal === undefined ? all : refusing(all, refusal));
    return {};
  });
  const driver = await testDriver(built, {
    partitions: 1 + randomBelow(random, 4),
    recordsPerCycle: [1, 7, 1_000][randomBelow(random, 3)] as number,
    ...(randomBelow(random, 2) === 0 ? { cacheBytes: 0 } : {}),
  });
  try {
    const places = sources.map(() => 0);
    for (;;) {
      const left = sources.flatMap((list, p) => ((places[p] ?? 0) < list.length ? [p] : []));
      if (left.length === 0) break;
      const p = left[randomBelow(random, left.length)] as number;
      const from = places[p] ?? 0;
      const to = Math.min((sources[p] ?? []).length, from + 1 + randomBelow(random, 9));
      places[p] = to;
      await driver.pipeBytes(
        must(inputs[Math.floor(p / partitions)], 'a partition has its topic'),
        (sources[p] ?? []).slice(from, to).map(({ key, value, at, partition }) => ({
          key: Buffer.from(key),
          value: Buffer.from(value),
          timestamp: at,
          partition: partition % partitions,
        })),
      );
      if (randomBelow(random, 8) === 0) {
        await driver.restart({ dropState: randomBelow(random, 2) === 0 });
      }
    }
    await driver.endInput();
    const told = (await driver.read(out)).map(({ value }) => value ?? '').sort();
    const stood = sources
      .flat()
      .filter(({ value }) => value !== refusal?.value)
      .map((one) => ({ ...one, stand: one.stand - (disorder ?? 0) }));
    const defined = drawn.define(stood).sort();
    if (JSON.stringify(told) === JSON.stringify(defined)) return undefined;
    const missing = defined.filter((one) => !told.includes(one));
    const extra = told.filter((one) => !defined.includes(one));
    return [
      `seed ${seed}: ${drawn.what}, ${inputs.length} topics of ${partitions} partitions, disorder ${disorder}, refusal ${JSON.stringify(refusal)}`,
      `missing ${JSON.stringify(missing.slice(0, 8))}`,
      `not defined ${JSON.stringify(extra.slice(0, 8))}`,
      `${told.length} told, ${defined.length} defined`,
    ].join('\n');
  } finally {
    await driver.close();
  }
}
