/**
 * What is wrong with a topology is said when it is built: all at once, each with its line and
 * remedy.
 */
import {
  count,
  int64,
  joinWindow,
  json,
  minutes,
  type Stream,
  session,
  topic,
  topology,
  tumbling,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const a = topic<string, string>('a', { partitions: 3 });
const b = topic<string, string>('b', { partitions: 4 });

function problemsOf(build: () => unknown): string[] {
  try {
    build();
  } catch (error) {
    return (error as Error).message.split('\n').slice(1);
  }
  return [];
}

test('all problems at once, each with the line that made it', () => {
  const problems = problemsOf(() =>
    topology('many', (t) => {
      const left = t.stream(a);
      const right = t.stream(b);
      left.keyBy('by-nobody', (value) => value);
      left.count('twice');
      right.count('twice');
      left.merge(right).count('not legal!');
      const bare = { init: () => 0, add: (n: number) => n + 1 };
      left.window(session({ gap: minutes(1), grace: 0 })).aggregate('sessions', bare);
      left.to(topic<string, string>('out'));
      right.to(topic<string, string>('out', { value: json() }));
    }),
  );
  expect(problems).toHaveLength(6);
  for (const problem of problems) {
    expect(problem).toMatch(/^ {2}test\/operators\/build-checks\.test\.ts:\d+: /);
  }
  const text = problems.join('\n');
  expect(text).toMatch(/step name "not legal!" has other characters/);
  expect(text).toMatch(/the name 'twice' is taken at .*: rename one/);
  expect(text).toMatch(/topic 'b' has 4 partitions, 'a', .* has 3: give both the same number/);
  expect(text).toMatch(/topic 'out' is written with a value of json, and written with msgpack/);
  expect(text).toMatch(/'sessions': a session window needs an aggregate with merge.*: give it one/);
  expect(text).toMatch(/nothing reads what keyBy 'by-nobody' sends/);
});

test('a topic is written as it is read, keys too', () => {
  const numbers = topic<number, string>('a', { key: int64 as never });
  const problems = problemsOf(() =>
    topology('loop', (t) => {
      t.stream(a).to(numbers as never);
    }),
  );
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(
    /written with a key of int64, and read with utf8 at .*: use one topic/,
  );
});

test('topics apart may have different numbers of partitions', () => {
  const build = () =>
    topology('apart', (t) => {
      const right = t.stream(b).keyBy('by-value', (value) => value);
      t.stream(a).merge(right).count('both');
    });
  expect(problemsOf(build)).toEqual([]);
});

test('a session window asks for an aggregate with merge', () => {
  const build = () =>
    topology('session', (t) => {
      const windowed = t.stream(a).window(session({ gap: minutes(1), grace: 0 }));
      windowed.aggregate('merges', count());
      windowed.aggregate('does-not', { init: () => 0, add: (n: number) => n + 1 });
    });
  expect(build).toThrow(/does-not.*aggregate with merge/s);
});

describe('keys of different formats never meet', () => {
  const texts = topic<string, string>('texts');
  const quoted = topic<string, string>('quoted', { key: json() });
  const window = joinWindow({ before: 5, after: 5, grace: 0 });
  const pair = (x: unknown, y: unknown) => `${x}${y}`;
  test.each<[string, Parameters<typeof topology>[1]]>([
    ['join of streams', (t) => t.stream(texts).join('j', t.stream(quoted), window, pair)],
    ['join with a table', (t) => t.stream(texts).joinTable(t.table('r', quoted), pair)],
    ['join of tables', (t) => t.table('l', texts).join(t.table('r', quoted), pair)],
    ['merge before a store', (t) => t.stream(texts).merge(t.stream(quoted)).count('n')],
    [
      'cogroup',
      (t) => {
        const whole = { init: () => 0, merge: (x: number, y: number) => x + y };
        const one = t.stream(texts).cogroup(whole, (n) => n + 1);
        return one.with(t.stream(quoted), (n) => n + 1).aggregate('n');
      },
    ],
    [
      'process with a table',
      (t) => t.stream(texts).process('p', { tables: [t.table('r', quoted)], record() {} }),
    ],
  ])('%s', (_, define) => {
    const problems = problemsOf(() => topology('formats', (t) => void define(t)));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/keys are written as utf8 \('texts', .*\) and as json \('quoted'/);
    expect(problems[0]).toMatch(/one serde, or bring one to the other's keys with keyBy/);
  });

  test('a merge without a store, and sides behind a keyBy, may differ', () => {
    const build = () =>
      topology('apart', (t) => {
        const both = t.stream(texts).merge(t.stream(quoted));
        both.map(String).to(topic<string, string>('out'));
        both.keyBy('by-value', (value) => value).count('n');
      });
    expect(problemsOf(build)).toEqual([]);
  });

  test('changes of windows into a store without a keyBy', () => {
    const build = () =>
      topology('windows', (t) => {
        const windows = t.stream(texts).window(tumbling({ size: 10, grace: 0 }));
        windows.count('per-window').changes().count('n');
      });
    expect(problemsOf(build)[0]).toMatch(/'n': its keys are .*utf8.*: bring them to their own key/);
  });

  test('a number as a text key is a dead letter that names the remedy', async () => {
    const built = topology('numbers', (t) => {
      const keyOf = (value: string) => value.length as never as string;
      return { n: t.stream(texts).keyBy('by-length', keyOf).count('n') };
    });
    const driver = await testDriver(built);
    await driver.pipe(texts, 'k', 'abc', 0);
    const [letter] = await driver.deadLetters();
    expect(JSON.stringify(letter?.headers)).toMatch(/expected a string, got number.*key: int64/);
    await driver.close();
  });
});

describe('names that Kafka refuses', () => {
  const texts = topic<string, string>('texts');
  const long = 'x'.repeat(240);
  test.each<[string, string, Parameters<typeof topology>[1], RegExp]>([
    [
      '..',
      'app',
      (t) => t.stream(topic('..')).count('n'),
      /topic name "\.\." is no name of a topic/,
    ],
    ['a letter', 'app', (t) => t.stream(topic('ä')).count('n'), /"ä" has other characters/],
    ['a store', 'app', (t) => t.stream(texts).count('..'), /step name "\.\." is no name/],
    ['long', 'app', (t) => t.stream(topic(`${long}${long}`)).count('n'), /has 480 letters/],
    [
      'long with its prefix',
      'app',
      (t) => t.stream(texts).count(long),
      /changelog topic.*254 letters/,
    ],
    [
      'a long repartition',
      'app',
      (t) =>
        t
          .stream(texts)
          .keyBy(long, (v) => v)
          .to(topic('out')),
      /repartition topic.*256 letters/,
    ],
    [
      'a side output',
      'app',
      (t) => t.stream(texts).route({ no: topic<string, string>('no way') }, () => 'no'),
      /topic name "no way" has other characters/,
    ],
    [
      'a global table',
      'app',
      (t) => [t.globalTable(topic('no way')), t.stream(texts).count('n')],
      /topic name "no way" has other characters/,
    ],
    [
      'stores that are one to Kafka',
      'app',
      (t) => {
        const stream: Stream<string, string> = t.stream(texts);
        stream.count('per.user');
        stream.count('per_user');
      },
      /'app-per_user-changelog' and 'app-per\.user-changelog' .* differ in '\.' and '_' only/,
    ],
    [
      "a topic of the author's and one of ours",
      'app',
      (t) => t.stream(topic<string, string>('app-n-changelog')).count('n'),
      /changelog topic of 'n' has the name 'app-n-changelog', which a topic has already/,
    ],
    ['an application', 'a b', (t) => t.stream(texts).count('n'), /topology name "a b" has other/],
  ])('%s', (_, name, define, problem) => {
    const problems = problemsOf(() => topology(name, (t) => void define(t)));
    expect(problems.join('\n')).toMatch(problem);
  });

  test('the longest name passes', () => {
    const name = 'x'.repeat(249 - 'app--changelog'.length);
    expect(problemsOf(() => topology('app', (t) => void t.stream(texts).count(name)))).toEqual([]);
  });
});

describe('what would never run is refused', () => {
  const texts = topic<string, string>('texts');
  test('sides of different topologies', () => {
    let other: Stream<string, string> | undefined;
    topology('one', (t) => {
      other = t.stream(texts);
      other.count('n');
    });
    const build = () =>
      topology(
        'two',
        (t) =>
          void t
            .stream(a)
            .merge(other as Stream<string, string>)
            .count('n'),
      );
    expect(build).toThrow(/merge: its sides belong to different topologies/);
  });

  test('a step that comes after the topology is built', () => {
    let stream: Stream<string, string> | undefined;
    topology('one', (t) => {
      stream = t.stream(texts);
      stream.count('n');
    });
    expect(() => stream?.count('late')).toThrow(/topology one: it is built already/);
  });

  test('an asynchronous definition', () => {
    const build = () => topology('later', async (t) => void t.stream(texts).count('n'));
    expect(build).toThrow(/topology\.define: must not be asynchronous/);
  });
});
