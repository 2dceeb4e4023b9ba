/** Operators that judge single rows: dedupe, validate, route. */
import { jsonSchema, type StandardSchema, topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';

const texts = topic<string, string>('texts', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

test('dedupe lets an id through once within its time, per key, also after a restart', async () => {
  const built = topology('dedupe', (t) => {
    t.stream(texts)
      .dedupe('seen', (text) => text, 10)
      .to(out);
    return {};
  });
  const driver = await testDriver(built, { cacheBytes: 0 });
  const pipe = (key: string | null, text: string, at: number) => driver.pipe(texts, key, text, at);
  await pipe('a', 'x', 100);
  await pipe('a', 'x', 110);
  await pipe('b', 'x', 110);
  await driver.restart({ dropState: true });
  await pipe('a', 'x', 101);
  await pipe('a', 'x', 111);
  await pipe('a', 'old', 100);
  await pipe(null, 'y', 111);
  const passed = (await driver.read(out)).map(({ key, timestamp }) => `${key}@${timestamp}`);
  expect(passed).toEqual(['a@100', 'b@110', 'a@111']);
  expect(driver.summary.counters.drops).toEqual({
    'seen|duplicate': 1,
    'seen|late': 1,
    'seen|null_key': 1,
  });
  await driver.advanceTo(10_000);
  expect(await driver.rows({ store: 'seen' })).toEqual([]);
  await driver.close();
});

/** A schema as the libraries make them; written out, so that the interface itself is tested. */
const age: StandardSchema<{ readonly age: number }> = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: (value) => {
      const told = (value as { age?: unknown }).age;
      if (typeof told === 'number') return { value: { age: Math.floor(told) } };
      return { issues: [{ message: 'must be a number', path: ['age'] }, { message: 'is odd' }] };
    },
  },
};

test('validate types the rows; what does not fit is a dead letter with its issues', async () => {
  const rows = topic<string, unknown>('rows');
  const built = topology('validate', (t) => {
    t.stream(rows)
      .validate(age)
      .map((row) => row.age.toFixed(1))
      .to(out);
    return {};
  });
  const driver = await testDriver(built);
  await driver.pipe(rows, 'k', { age: 41.7 }, 1);
  await driver.pipe(rows, 'k', { age: 'old' }, 2);
  expect((await driver.read(out)).map(({ value }) => value)).toEqual(['41.0']);
  const [letter] = await driver.deadLetters();
  expect(letter?.headers).toMatchObject({
    step: 'validate',
    reason: 'age: must be a number; is odd',
    offset: '1',
  });
  await driver.close();
});

test('validate takes a JSON Schema: each problem with its path, nothing coerced', async () => {
  interface Order {
    readonly id: string;
    readonly lines: readonly { readonly price: number }[];
  }
  const schema = jsonSchema<Order>({
    type: 'object',
    required: ['id', 'lines'],
    additionalProperties: false,
    properties: {
      id: { type: 'string' },
      lines: {
        type: 'array',
        items: { type: 'object', properties: { price: { type: 'number', minimum: 0 } } },
      },
    },
  });
  const rows = topic<string, unknown>('orders');
  const built = topology('schema', (t) => {
    t.stream(rows)
      .validate(schema)
      .map(({ id, lines }) => `${id} ${lines.length}`)
      .to(out);
  });
  const driver = await testDriver(built);
  await driver.pipe(rows, 'k', { id: 'o1', lines: [{ price: 2 }] }, 1);
  await driver.pipe(rows, 'k', { id: 7, lines: [{ price: '2' }, { price: -1 }], colour: 'red' }, 2);
  expect((await driver.read(out)).map(({ value }) => value)).toEqual(['o1 1']);
  const [letter] = await driver.deadLetters();
  expect(letter?.headers['reason']?.split('; ').sort()).toEqual([
    'id: must be string',
    'lines.0.price: must be number',
    'lines.1.price: must be >= 0',
    'must NOT have additional properties: colour',
  ]);
  await driver.close();
});

test('what is no JSON Schema is refused when the topology is built', () => {
  expect(() => jsonSchema({ type: 'objekt' })).toThrow(/CONFIG_INVALID|JSON Schema.*type/);
});

test('route sends each record to the topic it names; an unknown one is a dead letter', async () => {
  const [even, odd] = ['even', 'odd'].map((name) =>
    topic<string, string>(name, { value: utf8 }),
  ) as [typeof out, typeof out];
  const built = topology('route', (t) => {
    t.stream(texts).route({ even, odd }, (text) =>
      text === 'none'
        ? null
        : text.startsWith('?')
          ? (text.slice(1) as 'odd')
          : text.length % 2
            ? 'odd'
            : 'even',
    );
    return {};
  });
  const driver = await testDriver(built);
  for (const [i, text] of ['a', 'bb', 'none', '?nowhere', '?__proto__', '?toString'].entries())
    await driver.pipe(texts, 'k', text, i);
  expect((await driver.read(even)).map(({ value }) => value)).toEqual(['bb']);
  expect((await driver.read(odd)).map(({ value }) => value)).toEqual(['a']);
  const letters = await driver.deadLetters();
  expect(letters.map(({ headers }) => headers['reason'])).toEqual(
    ['nowhere', '__proto__', 'toString'].map(
      (name) => `there is no route "${name}", but even, odd`,
    ),
  );
  await driver.close();
});
