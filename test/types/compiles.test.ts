/**
 * What the compiler infers, and what it refuses and where: `npm run check` fails when a line below
 * `@ts-expect-error` compiles. Nothing here is run but the builders.
 */
import {
  type Average,
  average,
  combined,
  count,
  int64,
  joinWindow,
  last,
  minutes,
  type Stream,
  type Synchronous,
  sum,
  type Table,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  type Windowed,
} from 'millrace';
import type { TestDriver } from 'millrace/testing';
import { describe, expectTypeOf, test } from 'vitest';

interface Order {
  readonly customer: string;
  readonly amount: number;
}
type Event = { kind: 'click'; at: number } | { kind: 'view'; page: string };

const orders = topic<string, Order>('orders');
const totals = topic<string, number>('totals');
const numbered = topic<number, string>('numbered', { key: int64 });
const events = topic<string, Event>('events');

/** Builds as an author would; what is refused at run time too is no matter here. */
function typed(define: (t: TopologyBuilder) => void): void {
  try {
    topology('types', define);
  } catch {
    // A topology of one line may be unfinished.
  }
}

describe('what is inferred', () => {
  test('streams', () => {
    typed((t) => {
      const stream = t.stream(orders);
      expectTypeOf(stream).toEqualTypeOf<Stream<string, Order>>();
      expectTypeOf(stream.map(({ amount }) => amount)).toEqualTypeOf<Stream<string, number>>();
      const { big, otherwise } = stream.split({ big: ({ amount }) => amount > 9 });
      expectTypeOf(big).toEqualTypeOf(otherwise);
      expectTypeOf(stream.asyncMap(async ({ amount }) => amount > 1)).toEqualTypeOf<
        Stream<string, boolean>
      >();
      const clicks = t.stream(events).filter((event) => event.kind === 'click');
      expectTypeOf(clicks).toEqualTypeOf<Stream<string, { kind: 'click'; at: number }>>();
    });
  });

  test('tables, windows and joins', () => {
    typed((t) => {
      const stream = t.stream(orders);
      const perMinute = stream
        .window(tumbling({ size: minutes(1), grace: 0 }))
        .aggregate('per-minute', count());
      expectTypeOf(perMinute).toEqualTypeOf<Table<Windowed<string>, number>>();
      const mean = stream.aggregate(
        'mean',
        average(({ amount }: Order) => amount),
      );
      expectTypeOf(mean).toEqualTypeOf<Table<string, Average>>();
      const several = stream.aggregate(
        'several',
        combined({ n: count(), total: sum(({ amount }) => amount), newest: last() }),
      );
      expectTypeOf(several).toEqualTypeOf<
        Table<string, { n: number; total: number; newest: Order | null }>
      >();
      const left = stream.leftJoin(
        'joined',
        t.stream(totals),
        joinWindow({ before: 1, after: 1, grace: 1 }),
        (order, total) => ({ order, total }),
      );
      expectTypeOf(left).toEqualTypeOf<
        Stream<string, { order: Order; total: number | undefined }>
      >();
    });
  });
});

describe('what is refused, where it is wrong', () => {
  test('rows that an own operator reads', () => {
    typed((t) => {
      const [sums, other] = [t.table('totals', totals), t.table('numbered', numbered)];
      t.stream(orders).process<number, string>('step', {
        tables: [sums],
        record: (context) => {
          expectTypeOf(context.row(sums)).toEqualTypeOf<number | undefined>();
          // @ts-expect-error keys that are numbers are no texts
          context.row(other);
        },
      });
      // @ts-expect-error 'cache' is no changelog
      t.table('more', totals, { changelog: 'cache' });
    });
  });

  test('values and keys', () => {
    typed((t) => {
      const stream = t.stream(orders);
      // @ts-expect-error Property 'price' does not exist
      stream.filter(({ price }) => price > 1);
      // @ts-expect-error a stream of orders is no stream of numbers
      stream.to(totals);
      // @ts-expect-error the keys are texts, the topic's are numbers
      stream.map(() => 'text').to(numbered);
      stream.aggregate(
        'mean',
        // @ts-expect-error an aggregate of numbers does not take orders
        average((amount: number) => amount),
      );
      // @ts-expect-error a reduction answers what it reduces
      stream.reduce('reduced', (_, order) => order.amount);
    });
  });

  test('joins of different keys', () => {
    typed((t) => {
      const stream = t.stream(orders);
      const other = t.stream(numbered);
      const within = joinWindow({ before: 1, after: 1, grace: 1 });
      // @ts-expect-error keys that are numbers are no texts
      stream.join('joined', other, within, () => 1);
      const table = t.table('numbered', numbered);
      // @ts-expect-error keys that are numbers are no texts
      stream.joinTable(table, () => 1);
      t.table('orders', orders).joinForeign(
        'foreign',
        table,
        // @ts-expect-error so are those of a foreign-key join, which the extractor tells
        (order) => order.customer,
        () => 1,
      );
    });
  });

  test('what must be said', () => {
    typed((t) => {
      const stream = t.stream(orders);
      // @ts-expect-error grace is missing
      stream.window(tumbling({ size: minutes(1) }));
      // @ts-expect-error grace is missing
      joinWindow({ before: 1, after: 1 });
      // @ts-expect-error a step with state has a name
      stream.count();
      const { small } = stream.split({ small: ({ amount }) => amount < 1 });
      small.to(orders);
      // @ts-expect-error there is no branch of that name
      stream.split({ small: () => true }).large;
      // @ts-expect-error there is no route of that name
      stream.route({ eu: orders, us: topic<string, Order>('us') }, () => 'asia');
      t.table('orders', orders)
        .groupBy('g', (o) => [o.customer, 1])
        // @ts-expect-error groups take rows back: collect cannot
        .aggregate('a', { init: () => 0, add: (n: number) => n });
    });
  });
});

interface Customer {
  readonly name: string;
  readonly tier: 'gold' | 'silver';
  readonly since?: number;
}
const customers = topic<string, Customer>('customers');

describe('types tell the truth', () => {
  test('changes of a table may be null; what drops nulls does not see them', () => {
    typed((t) => {
      const table = t.table('totals', totals);
      const changes = table.changes();
      expectTypeOf(changes).toEqualTypeOf<Stream<string, number | null>>();
      // @ts-expect-error a deletion has the value null
      changes.map((total) => total.toFixed());
      changes.aggregate(
        'sum',
        sum((total) => total),
      );
      changes.to(totals);
      changes.joinTable(table, (total, row) => total + row);
      changes.window(tumbling({ size: 1, grace: 0 })).reduce('newest', (_, total) => total);
    });
  });

  test('a table mapped to null has no such rows', () => {
    typed((t) => {
      const mapped = t.table('totals', totals).map((n) => (n > 1 ? String(n) : null));
      expectTypeOf(mapped).toEqualTypeOf<Table<string, string>>();
    });
  });

  test('split narrows by its predicates', () => {
    typed((t) => {
      const isView = (event: Event): event is Extract<Event, { kind: 'view' }> =>
        event.kind === 'view';
      const { views, otherwise } = t.stream(events).split({ views: isView });
      expectTypeOf(views).toEqualTypeOf<Stream<string, { kind: 'view'; page: string }>>();
      expectTypeOf(otherwise).toEqualTypeOf<Stream<string, { kind: 'click'; at: number }>>();
      const { clicks } = t.stream(events).split({ clicks: (event) => event.kind === 'click' });
      expectTypeOf(clicks).toEqualTypeOf<Stream<string, { kind: 'click'; at: number }>>();
    });
  });

  test('a promise, where functions must be synchronous', () => {
    typed((t) => {
      const stream = t.stream(orders);
      const table = t.table('totals', totals);
      const other = t.table('other', totals);
      const near = joinWindow({ before: 1, after: 1, grace: 1 });
      const promised = async () => 1;
      // @ts-expect-error use asyncMap
      stream.map(async ({ amount }) => amount);
      // @ts-expect-error also where it is one of several answers
      stream.map(({ amount }) => (amount > 1 ? promised() : 2));
      // @ts-expect-error
      stream.filter(async () => true);
      // @ts-expect-error
      stream.flatMap(async () => [1]);
      // @ts-expect-error
      stream.flatMap(() => [promised()]);
      // @ts-expect-error
      stream.peek(async () => {});
      // @ts-expect-error
      stream.split({ one: async () => true });
      // @ts-expect-error
      stream.keyBy('k', async ({ customer }) => customer);
      // @ts-expect-error
      stream.dedupe('d', async ({ customer }) => customer, 1);
      // @ts-expect-error
      stream.route({ totals: topic<string, Order>('o') }, async () => 'totals');
      // @ts-expect-error
      stream.reduce('r', async (total) => total);
      // @ts-expect-error
      stream.aggregate('a', { init: () => 0, add: async (n: number) => n + 1 });
      // @ts-expect-error
      stream.cogroup({ init: () => 0 }, async (n) => n + 1);
      // @ts-expect-error
      stream.join('j', t.stream(totals), near, promised);
      // @ts-expect-error
      stream.leftJoin('l', t.stream(totals), near, promised);
      // @ts-expect-error
      stream.outerJoin('o', t.stream(totals), near, promised);
      // @ts-expect-error
      stream.joinTable(table, promised);
      // @ts-expect-error
      stream.leftJoinTable(table, promised);
      const rates = t.globalTable(totals);
      // @ts-expect-error
      stream.joinGlobal(rates, ({ customer }) => customer, promised);
      const askedFor = async () => 'USD';
      // @ts-expect-error
      stream.joinGlobal(rates, askedFor, (_, n) => n);
      // @ts-expect-error
      stream.leftJoinGlobal(rates, ({ customer }) => customer, promised);
      // @ts-expect-error the joiner; the function that asks may wait
      stream.lookup(({ customer }) => customer, promised, promised);
      // @ts-expect-error
      stream.leftLookup(({ customer }) => customer, promised, promised);
      // @ts-expect-error
      stream.process('p', { record: async () => {} });
      // @ts-expect-error
      stream.process('p', { record: () => {}, timer: async () => {} });
      // @ts-expect-error
      table.map(promised);
      // @ts-expect-error
      table.filter(async () => true);
      // @ts-expect-error
      table.join(other, promised);
      // @ts-expect-error
      table.leftJoin(other, promised);
      // @ts-expect-error
      table.outerJoin(other, promised);
      // @ts-expect-error
      table.joinForeign('f', other, String, promised);
      // @ts-expect-error
      table.leftJoinForeign('f', other, String, promised);
      // @ts-expect-error
      table.groupBy('g', async (n) => ['a', n]);
    });
  });

  test('what looks like none passes: anything, unknown, nothing, functions, what throws', () => {
    typed((t) => {
      const stream = t.stream(orders);
      stream.map(() => JSON.parse('1'));
      expectTypeOf(stream.map(() => JSON.parse('1') as unknown)).toEqualTypeOf<
        Stream<string, unknown>
      >();
      expectTypeOf(
        stream.map(({ amount }) => {
          if (amount > 1) throw new Error('too much');
          return amount;
        }),
      ).toEqualTypeOf<Stream<string, number>>();
      expectTypeOf(stream.map(({ amount }) => (amount > 1 ? 'much' : null))).toEqualTypeOf<
        Stream<string, 'much' | null>
      >();
      const seen: Order[] = [];
      stream.peek((order) => seen.push(order));
      stream.peek((order) => order);
      stream.peek(() => JSON.parse('1'));
      stream.process<Order, never>('p', {
        record: (context, order) => {
          context.state = order;
          return context.state;
        },
      });
    });
    // A helper that passes a function on declares what it takes.
    const helper = <W>(stream: Stream<string, Order>, fn: (order: Order) => Synchronous<W>) =>
      stream.map(fn);
    typed((t) => {
      const numbers = helper(t.stream(orders), ({ amount }) => amount);
      expectTypeOf(numbers).toEqualTypeOf<Stream<string, number>>();
      // @ts-expect-error
      helper(t.stream(orders), async () => 1);
    });
  });

  test('keys that are no texts need a serde', () => {
    typed((t) => {
      const stream = t.stream(orders);
      // @ts-expect-error the default writes texts
      stream.keyBy('by-amount', ({ amount }) => amount);
      // @ts-expect-error the default writes texts
      topic<number, Order>('numbers');
      // @ts-expect-error the default writes texts
      t.table('orders', orders).groupBy('g', ({ amount }) => [amount, 1]);
      const byAmount = stream.keyBy('by-amount', ({ amount }) => amount, { key: int64 });
      expectTypeOf(byAmount).toEqualTypeOf<Stream<number, Order>>();
      const some = stream.keyBy('some', ({ customer }) => customer || undefined);
      expectTypeOf(some).toEqualTypeOf<Stream<string, Order>>();
    });
  });

  test("the driver takes what the topic has, and its rows are the table's", () => {
    async function _(driver: TestDriver, t: TopologyBuilder) {
      await driver.pipe(customers, 'c1', { name: 'Ann', tier: 'gold' }, 0);
      // @ts-expect-error there is no such tier
      await driver.pipe(customers, 'c1', { name: 'Ann', tier: 'bronze' }, 0);
      await driver.pipeAll(customers, [
        { key: 'c', value: { name: 'A', tier: 'silver' }, timestamp: 1 },
      ]);
      await driver.pipe(events, 'e', { kind: 'click', at: 1 }, 0);
      const [row] = await driver.rows(t.table('customers', customers));
      expectTypeOf(row?.value).toEqualTypeOf<Customer | undefined>();
      const windows = t
        .stream(orders)
        .window(tumbling({ size: 1, grace: 0 }))
        .count('n');
      const [window] = await driver.rows(windows);
      expectTypeOf(window?.key).toEqualTypeOf<string | undefined>();
    }
    expectTypeOf(_).toBeFunction();
  });
});
