/** Whatever user code throws is the error of its record: told by identity, never by name. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { json, MillraceError, topic, topology } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const rows = topic<string, { bad?: boolean }>('rows', { value: json() });

class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

const throwing = {
  get message(): string {
    throw new Error('no message either');
  },
  get name(): string {
    throw new Error('no name');
  },
  toString(): string {
    throw new Error('no text');
  },
};

const thrown: Record<string, () => unknown> = {
  'an assertion of node:assert': () => assert(false, 'amount must be positive'),
  'an error named like ours': () => {
    throw new AssertionError('mine');
  },
  'an error of the catalogue': () => {
    throw new MillraceError('CONFIG_INVALID', { field: 'x', problem: 'mine' });
  },
  'a text': () => {
    throw 'just a text';
  },
  null: () => {
    throw null;
  },
  undefined: () => {
    throw undefined;
  },
  'a symbol': () => {
    throw Symbol('sign');
  },
  'a bigint': () => {
    throw 5n;
  },
  'a frozen error': () => {
    throw Object.freeze(new Error('frozen'));
  },
  'a frozen object': () => {
    throw Object.freeze({ code: 7 });
  },
  'an object without a prototype': () => {
    throw Object.create(null);
  },
  'an object whose getters throw': () => {
    throw throwing;
  },
  'an error whose stack throws': () => {
    throw Object.defineProperty(new Error('no stack'), 'stack', {
      get: () => {
        throw new Error('stack');
      },
    });
  },
  'an error of another realm': () => runInNewContext("throw new TypeError('elsewhere')"),
  'a proxy that refuses everything': () => {
    throw new Proxy(new Error('x'), {
      get: () => {
        throw new Error('trap');
      },
      getPrototypeOf: () => {
        throw new Error('trap');
      },
    });
  },
  'a promise': () => {
    throw Promise.reject(new Error('rejected'));
  },
  'a stack that overflows': () => {
    const deeper = (): number => deeper() + 1;
    return deeper();
  },
};

describe.each(Object.keys(thrown))('%s', (what) => {
  const refuse = thrown[what] as () => unknown;
  const steps = {
    map: () =>
      topology('t', (t) => {
        t.stream(rows)
          .map((v) => (v.bad ? refuse() : v))
          .count('n');
      }),
    aggregate: () =>
      topology('t', (t) => {
        t.stream(rows).aggregate('n', {
          init: () => 0,
          add: (n, v) => {
            if (v.bad) refuse();
            return n + 1;
          },
        });
      }),
    asyncMap: () =>
      topology('t', (t) => {
        t.stream(rows)
          .asyncMap(async (v) => (v.bad ? refuse() : v), { retries: 0 })
          .count('n');
      }),
  };
  test.each(Object.keys(steps))(
    'thrown in %s is a dead letter with step and line',
    async (step) => {
      const driver = await testDriver(steps[step as keyof typeof steps]());
      await driver.pipeAll(rows, [
        { key: 'a', value: {}, timestamp: 1 },
        { key: 'a', value: { bad: true }, timestamp: 2 },
        { key: 'a', value: {}, timestamp: 3 },
      ]);
      expect(driver.summary.counters).toMatchObject({ in: 3, processed: 2, deadLettered: 1 });
      const [letter] = await driver.deadLetters();
      expect(letter?.headers).toMatchObject({
        stage: 'process',
        step: step === 'aggregate' ? 'n' : step === 'asyncMap' ? 'async-map' : 'map',
        callSite: expect.stringMatching(/anything-thrown\.test\.ts:\d+$/),
        offset: '1',
      });
      expect(await driver.rows({ store: 'n' })).toMatchObject([{ key: 'a', value: 2 }]);
      await driver.close();
    },
  );
});
