/**
 * The jobs of `bench path`: what a record costs without state, with one window, with sixty, in
 * sessions.
 */
import { count, hopping, minutes, session, topic, topology, tumbling, utf8 } from 'millrace';

export interface PageView {
  readonly user: string;
  readonly page: string;
  readonly ms: number;
}

export const views = topic<string, string>('views', { value: utf8 });
const results = topic<string, string>('results', { value: utf8 });

const grace = minutes(1);

const map = topology('bench-map', (t) => {
  t.stream(views)
    .map((page) => page.toUpperCase())
    .to(results);
  return {};
});

const tumbling1 = topology('bench-tumbling', (t) => {
  const perMinute = t
    .stream(views)
    .window(tumbling({ size: minutes(1), grace }))
    .aggregate('per-minute', count(), { emit: 'close' });
  return { perMinute };
});

const hopping60 = topology('bench-hopping-60', (t) => {
  const perHour = t
    .stream(views)
    .window(hopping({ size: minutes(60), advance: minutes(1), grace }))
    .aggregate('per-hour', count(), { emit: 'close' });
  return { perHour };
});

const session4 = topology('bench-session', (t) => {
  const perVisit = t
    .stream(views)
    .window(session({ gap: minutes(4), grace }))
    .aggregate('per-visit', count(), { emit: 'close' });
  return { perVisit };
});

export const jobs = {
  map,
  'tumbling-1m': tumbling1,
  'hopping-60': hopping60,
  'session-4m': session4,
} as const;
export type JobName = keyof typeof jobs;
