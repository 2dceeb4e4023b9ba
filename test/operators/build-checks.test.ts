/** What is wrong with a topology is said when it is built: all at once, each with its line and remedy. */
import { count, int64, json, minutes, session, topic, topology } from 'millrace';
import { expect, test } from 'vitest';

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
