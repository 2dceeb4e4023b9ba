/**
 * A job whose results show every lost or doubled record: two topics joined by event, the pairs
 * counted per user and per window behind one repartition topic, and per group behind a second one.
 * Whatever the order in which partitions are read, each count must appear once, from 1 up.
 */
import {
  count,
  hours,
  joinWindow,
  json,
  timeWindowed,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';

export const application = 'torture';
export const partitions = 6;
export const windowMs = 10_000;
const users = 40;
const groups = 7;

const text = { value: utf8, partitions } as const;
const numbers = { value: json<number>(), partitions } as const;

export const sent = topic<string, string>('torture-sent', text);
export const seen = topic<string, string>('torture-seen', text);
export const pairs = topic<string, string>('torture-pairs', text);
export const perUser = topic<string, number>('torture-per-user', numbers);
export const perGroup = topic<string, number>('torture-per-group', numbers);
export const perWindow = topic('torture-per-window', {
  ...numbers,
  key: timeWindowed(utf8, windowMs),
});

export function userOf(event: number): string {
  return `user-${(event * 7 + Math.floor(event / 11)) % users}`;
}

export function groupOf(user: string): string {
  return `group-${Number(user.slice('user-'.length)) % groups}`;
}

/** Event time, ms UTC. */
export function timeOf(event: number): number {
  return Date.UTC(2024, 0, 1) + event * 10;
}

// Nothing is late: every event must count, in whatever order its partition is read.
const always = hours(10_000);

export default topology(application, (t) => {
  const joined = t
    .stream(sent)
    .join(
      'pairs',
      t.stream(seen),
      joinWindow({ before: hours(1), after: hours(1), grace: always }),
      (user) => user,
    );
  joined.to(pairs);
  const byUser = joined.keyBy('by-user', (user) => user);
  byUser.count('users').to(perUser);
  byUser
    .window(tumbling({ size: windowMs, grace: always }))
    .aggregate('windows', count())
    .to(perWindow);
  byUser
    .keyBy('by-group', (user) => groupOf(user))
    .count('groups')
    .to(perGroup);
  return {};
});
