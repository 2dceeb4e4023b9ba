/**
 * Every public setting refuses nonsense: CONFIG_INVALID with the field and the line of the call.
 */
import { execFileSync } from 'node:child_process';
import {
  calendar,
  calendarTimes,
  collect,
  count,
  decayedSum,
  distinctCount,
  distinctCountOf,
  hopping,
  hoppingCount,
  joinWindow,
  MillraceError,
  quantileOf,
  quantiles,
  session,
  sliding,
  type TopologyBuilder,
  top,
  topic,
  topology,
  tumbling,
  tumblingCount,
  utf8,
  versioned,
} from 'millrace';
import { type DriverOptions, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { execute } from '../../engine/index.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { builtCommandLine } from '../built.ts';

const a = topic<string, string>('a');
const b = topic<string, string>('b');

/** `never`: tests hand over what the types refuse. */
type Anything = never;
type Use = (value: Anything) => unknown;

const nonsense = [Number.NaN, -5, Number.POSITIVE_INFINITY, 1.5, '5', null, 2 ** 60];

/** Adds steps to a topology; what is wrong with a setting is said at the call already. */
function building(build: (t: TopologyBuilder, value: Anything) => unknown): Use {
  return (value) => topology('built', (t) => void build(t, value));
}

async function started(value: Anything, field: string): Promise<void> {
  await Runtime.start({
    topology: topology('runs', (t) => void t.stream(a).count('n')),
    application: 'runs',
    log: new MemoryLog(),
    stateDirectory: 'state',
    startHosts: () => Promise.reject(new Error('no host is needed')),
    [field]: value,
  });
}

const driven = (field: keyof DriverOptions): Use => {
  const built = topology('driven', (t) => void t.stream(a).count('n'));
  return async (value) => await (await testDriver(built, { [field]: value })).close();
};

type Setting = readonly [field: string, use: Use, fine?: readonly unknown[]];

/**
 * The field as the error names it, how it is set, and what of the list (and 0) is no nonsense
 * there.
 */
const settings: readonly Setting[] = [
  ['window.size', (size) => tumbling({ size, grace: 0 })],
  ['window.grace', (grace) => tumbling({ size: 5, grace }), [0]],
  ['window.size', (size) => hopping({ size, advance: 1, grace: 0 })],
  ['window.advance', (advance) => hopping({ size: 5, advance, grace: 0 })],
  ['window.grace', (grace) => hopping({ size: 5, advance: 1, grace }), [0]],
  ['window.size', (size) => sliding({ size, grace: 0 })],
  ['window.grace', (grace) => sliding({ size: 5, grace }), [0]],
  ['window.gap', (gap) => session({ gap, grace: 0 })],
  ['window.grace', (grace) => session({ gap: 5, grace }), [0]],
  ['window.grace', (grace) => calendar({ unit: 'day', timeZone: 'UTC', grace }), [0]],
  ['window.unit', (unit) => calendar({ unit, timeZone: 'UTC', grace: 0 })],
  ['window.timeZone', (timeZone) => calendar({ unit: 'day', timeZone, grace: 0 })],
  [
    'window.weekStart',
    (weekStart) => calendar({ unit: 'week', timeZone: 'UTC', weekStart, grace: 0 }),
  ],
  ['window.size', (size) => tumblingCount({ size })],
  ['window.size', (size) => hoppingCount({ size, advance: 1 })],
  ['window.advance', (advance) => hoppingCount({ size: 5, advance })],
  ['joinWindow.before', (before) => joinWindow({ before, after: 0, grace: 0 }), [0]],
  ['joinWindow.after', (after) => joinWindow({ before: 0, after, grace: 0 }), [0]],
  ['joinWindow.grace', (grace) => joinWindow({ before: 0, after: 0, grace }), [0]],
  ['decayedSum.halfLife', (halfLife) => decayedSum(Number, { halfLife }), [1.5, 2 ** 60]],
  ['quantiles.accuracy', (accuracy) => quantiles(Number, { accuracy })],
  ['quantileOf.share', (share) => quantileOf(quantiles(Number).init(), share), [0]],
  ['distinctCount.precision', (precision) => distinctCount(String, { precision })],
  ['distinctCountOf.precision', (precision) => distinctCountOf([], precision)],
  ['top.k', (k) => top(k, Number)],
  ['versioned.version', (version) => versioned(version, {}, utf8)],
  ['calendar rule: on', (on) => calendarTimes({ every: 'week', at: '09:30', zone: 'UTC', on })],
  ['topic(t).partitions', (partitions) => topic('t', { partitions })],
  ['topic(t).retentionMs', (retentionMs) => topic('t', { retentionMs })],
  ['topic(t).cleanup', (cleanup) => topic('t', { cleanup })],
  ['topic(t).key', (key) => topic('t', { key })],
  ['topic(t).value', (value) => topic('t', { value })],
  ['topic(t).partitioner', (partitioner) => topic('t', { partitioner })],
  ['topic.name', (name) => topic(name), ['5']],
  [
    'stream(a).maxFutureSkewMs',
    building((t, maxFutureSkewMs) => t.stream(a, { maxFutureSkewMs })),
    [0],
  ],
  ['stream(a).time', building((t, time) => t.stream(a, { time }))],
  ['r.historyMs', building((t, historyMs) => t.table('r', a, { historyMs })), [0]],
  ['r.ttlMs', building((t, ttlMs) => t.table('r', a, { ttlMs }))],
  ['r.changelog', building((t, changelog) => t.table('r', a, { changelog }))],
  ['d.withinMs', building((t, within) => t.stream(a).dedupe('d', (v) => v, within)), [0]],
  ['d.idOf', building((t, idOf) => t.stream(a).dedupe('d', idOf, 5))],
  [
    'joinTable.wait.graceMs',
    building((t, graceMs) =>
      t.stream(a).joinTable(t.table('r', b, { historyMs: 5 }), (v) => v, {
        wait: { name: 'w', graceMs },
      }),
    ),
    [0],
  ],
  ['asyncMap.concurrency', building((t, n) => t.stream(a).asyncMap((v) => v, { concurrency: n }))],
  ['asyncMap.timeoutMs', building((t, n) => t.stream(a).asyncMap((v) => v, { timeoutMs: n }))],
  ['asyncMap.retries', building((t, n) => t.stream(a).asyncMap((v) => v, { retries: n })), [0]],
  ['asyncMap.backoffMs', building((t, n) => t.stream(a).asyncMap((v) => v, { backoffMs: n })), [0]],
  [
    'asyncMap.backoffMaxMs',
    building((t, n) => t.stream(a).asyncMap((v) => v, { backoffMaxMs: n })),
    [0],
  ],
  [
    'lookup.cacheSize',
    building((t, cacheSize) => t.stream(a).lookup(String, String, (v) => v, { cacheSize })),
    [0],
  ],
  [
    'lookup.cacheTtlMs',
    building((t, cacheTtlMs) => t.stream(a).leftLookup(String, String, (v) => v, { cacheTtlMs })),
    [0],
  ],
  [
    'lookup.timeoutMs',
    building((t, timeoutMs) => t.stream(a).lookup(String, String, (v) => v, { timeoutMs })),
  ],
  ['s.timeLimitMs', building((t, n) => t.table('r', a).suppress('s', { timeLimitMs: n })), [0]],
  ['s.wallIntervalMs', building((t, n) => t.table('r', a).suppress('s', { wallIntervalMs: n }))],
  [
    's.maxRecords',
    building((t, n) => t.table('r', a).suppress('s', { timeLimitMs: 1, maxRecords: n })),
  ],
  [
    's.maxBytes',
    building((t, n) => t.table('r', a).suppress('s', { timeLimitMs: 1, maxBytes: n })),
  ],
  [
    's.whenFull',
    building((t, n) => t.table('r', a).suppress('s', { timeLimitMs: 1, whenFull: n })),
  ],
  ['s.untilCommit', building((t, n) => t.table('r', a).suppress('s', { untilCommit: n }))],
  ...(['everyRecords', 'everyMs', 'when'] as const).map(
    (field) =>
      [
        `s.early.${field}`,
        building((t, value) =>
          t
            .stream(a)
            .window(tumbling({ size: 5, grace: 0 }))
            .count('n')
            .suppress('s', { untilClosed: true, early: { [field]: value } }),
        ),
      ] as const,
  ),
  ...(['retentionMs', 'emit', 'clock', 'late', 'value'] as const).map(
    (field) =>
      [
        `n.${field}`,
        building((t, value) =>
          t
            .stream(a)
            .window(tumbling({ size: 5, grace: 0 }))
            .count('n', { [field]: value }),
        ),
        field === 'retentionMs' ? [0] : [],
      ] as const,
  ),
  ...(['resolutionMs', 'clock', 'state', 'topics', 'tables', 'timer', 'record'] as const).map(
    (field) =>
      [
        `p.${field}`,
        building((t, value) => t.stream(a).process('p', { record() {}, [field]: value })),
      ] as const,
  ),
  [
    'j.asKafkaStreams',
    building((t, asKafkaStreams) => {
      const window = joinWindow({ before: 1, after: 1, grace: 0 });
      return t.stream(a).join('j', t.stream(b), window, (v) => v, { asKafkaStreams });
    }),
  ],
  ['by.key', building((t, key) => t.stream(a).keyBy('by', (v) => v, { key }))],
  ['by.value', building((t, value) => t.stream(a).keyBy('by', (v) => v, { value }))],
  ['by.partitioner', building((t, fn) => t.stream(a).keyBy('by', (v) => v, { partitioner: fn }))],
  ['by.keyOf', building((t, keyOf) => t.stream(a).keyBy('by', keyOf))],
  ['n.value', building((t, value) => t.stream(a).aggregate('n', collect(), { value }))],
  ['n.aggregate', building((t, aggregate) => t.stream(a).aggregate('n', aggregate))],
  ['n.aggregate.add', building((t, add) => t.stream(a).aggregate('n', { init: () => 0, add }))],
  ['filter.predicate', building((t, fn) => t.stream(a).filter(fn))],
  ['map.fn', building((t, fn) => t.table('r', a).map(fn))],
  ['split.x', building((t, x) => t.stream(a).split({ x }))],
  ...(
    [
      ['partitions', []],
      ['recordsPerCycle', []],
      ['dirtyBytesMax', []],
      ['cacheBytes', [0]],
      ['commitIntervalMs', [0]],
      ['idleAfterMs', [0]],
      ['maintainEveryMs', [0, Number.POSITIVE_INFINITY]],
      ['onOffsetLost', []],
      ['onError', []],
      ['orphans', []],
    ] as const
  ).map(([field, fine]) => [field, (value: Anything) => started(value, field), fine] as const),
  ['application', (name) => started(name, 'application'), ['5']],
  ['testDriver.partitions', driven('partitions')],
  ['testDriver.cacheBytes', driven('cacheBytes'), [0]],
  ['testDriver.recordsPerCycle', driven('recordsPerCycle')],
  ['testDriver.onError', driven('onError')],
  ...(['threads', 'http'] as const).map(
    (field) =>
      [
        field,
        (value: Anything) =>
          execute({ env: undefined, reference: undefined, threads: 1, [field]: value } as never),
        [0],
      ] as const,
  ),
  [
    'settings.partitions',
    (partitions) => execute({ env: {}, threads: 1, settings: { partitions } } as never),
  ],
];

describe('nonsense settings are refused', () => {
  test.each<[string, Use, (readonly unknown[])?]>(settings as never)(
    '%s',
    async (field, use, fine = []) => {
      for (const value of [0, ...nonsense]) {
        if (fine.some((one) => Object.is(one, value))) continue;
        let failure: unknown;
        try {
          await use(value as never);
        } catch (error) {
          failure = error;
        }
        expect(failure, `${field} = ${String(value)} is taken`).toBeInstanceOf(MillraceError);
        const { code, context, message } = failure as MillraceError;
        expect({ value, code, field: context['field'] }).toEqual({
          value,
          code: 'CONFIG_INVALID',
          field,
        });
        expect(message).toMatch(/test\/settings\/settings\.test\.ts:\d+/);
      }
    },
  );

  test('a list of every rule is no rule: good settings pass', () => {
    expect(() => tumbling({ size: 5, grace: 0 })).not.toThrow();
    expect(() => topic('t', { partitions: 3, retentionMs: 1, cleanup: 'compact' })).not.toThrow();
  });

  test('a misspelt setting is named, with those that there are', () => {
    const build = () => topology('x', (t) => void t.table('r', a, { histroyMs: 5 } as never));
    expect(build).toThrow(/r\.histroyMs: there is no such setting; there are historyMs, ttlMs/);
    const joined = () =>
      topology('x', (t) => {
        t.stream(a).joinTable(t.table('r', b), (v) => v, { graceMs: 5 } as never);
      });
    expect(joined).toThrow(/joinTable\.graceMs: there is no such setting; there are wait/);
  });

  test.each([
    [{}, /says not how long/],
    [{ timeLimitMs: 1, wallIntervalMs: 1 }, /says twice \(timeLimitMs, wallIntervalMs\)/],
    [null, /must be an object/],
  ])('suppress with %o', (options, problem) => {
    const build = () => topology('x', (t) => void t.table('r', a).suppress('s', options as never));
    expect(build).toThrow(problem);
  });

  test.each([
    [{ otherwise: () => true }, /split\.otherwise: is the branch of what no other one takes/],
    [{ 2: () => true, 1: () => true }, /split\.1: .*give the branch a name/],
  ])('split with branches that would not be what they seem: %o', (branches, problem) => {
    const build = () => topology('x', (t) => void t.stream(a).split(branches));
    expect(build).toThrow(problem);
  });

  test('an aggregate of a group must subtract', () => {
    const build = () =>
      topology('x', (t) => {
        const grouped = t.table('r', a).groupBy('g', (v) => [v, 1]);
        grouped.aggregate('n', { ...count(), subtract: undefined } as never);
      });
    expect(build).toThrow(/n\.aggregate\.subtract: must be a function, is undefined/);
  });
});

describe('nonsense on the command line is refused', () => {
  const cli = (...args: string[]) => {
    try {
      execFileSync(process.execPath, [builtCommandLine, ...args], {
        encoding: 'utf8',
        stdio: 'pipe',
      });
      return { status: 0, stderr: '' };
    } catch (error) {
      return error as { status: number; stderr: string };
    }
  };
  test.each([
    ['--threads', ['start'], 'NaN'],
    ['--partitions', ['run', 'x.ts'], '0'],
    ['--idle-after', ['run', 'x.ts'], '1152921504606846976'],
  ])('%s', (flag, command, value) => {
    const { status, stderr } = cli(...command, flag, value);
    expect(status).toBe(2);
    expect(stderr).toMatch(new RegExp(`CONFIG_INVALID.*${flag}: must be a whole number`));
  });
});

test('a driver takes no time that is no number', async () => {
  const driver = await testDriver(topology('times', (t) => void t.stream(a).count('n')));
  for (const time of ['5', null, undefined, 5n, new Date(5), true, []]) {
    await expect(driver.pipe(a, 'k', 'v', time as never)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      context: { field: 'pipe.timestamp' },
    });
  }
  await driver.pipe(a, 'k', 'v', 5);
  expect(driver.summary.counters).toMatchObject({ in: 1, processed: 1 });
  await driver.close();
});
