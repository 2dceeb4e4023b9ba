/**
 * Everything that waits for time, behind a keyBy: windows, sessions, timers, joins; all of it is
 * told in one topic.
 */
import {
  count,
  hours,
  joinWindow,
  minutes,
  type Stream,
  session,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly paid: boolean;
}

const orders = topic<string, Order>('orders', { partitions: 2 });
const out = topic<string, string>('out', { value: utf8, partitions: 1 });
const clock = (at: number) => new Date(at).toISOString().slice(5, 16);

export default topology('day', (t) => {
  const mine = t.stream(orders).keyBy('by-customer', ({ customer }) => customer);
  const tell = (name: string, results: Stream<unknown, string>) =>
    results.keyBy(`tell-${name}`, () => 'all', { key: utf8, value: utf8 }).to(out);
  tell(
    'windows',
    mine
      .window(tumbling({ size: hours(1), grace: 0 }))
      .aggregate('windows', count(), { emit: 'close' })
      .changes()
      .map((n, { key, start }) => `window ${key} ${clock(start)}: ${n}`),
  );
  tell(
    'sessions',
    mine
      .window(session({ gap: minutes(30), grace: 0 }))
      .aggregate('sessions', count(), { emit: 'close' })
      .changes()
      .map((n, { key, start, end }) => `session ${key} ${clock(start)}..${clock(end)}: ${n}`),
  );
  tell(
    'timers',
    mine.process<number, string>('gone', {
      // Records of several source partitions come in any order.
      record: (context) => context.setTimer('gone', context.now + hours(2)),
      timer: (context, _, at) => context.emit(`gone ${context.key} ${clock(at)}`),
    }),
  );
  tell(
    'joins',
    mine
      .filter(({ paid }) => !paid)
      .leftJoin(
        'payments',
        mine.filter(({ paid }) => paid),
        joinWindow({ before: 0, after: minutes(30), grace: 0 }),
        (order, payment) => `order ${order.id}: ${payment?.id ?? 'not paid'}`,
      ),
  );
});
