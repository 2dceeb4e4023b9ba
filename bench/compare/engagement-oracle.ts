/**
 * What the job `engagement` must tell, found the long way: every user is decided at each event and
 * at every full minute after it, and nothing is foretold. Its arithmetic is its own.
 */
import { type Change, dormantMs, halfLifeMs, minuteMs, segments, weights } from './engagement.ts';
import { baseTime, type Events } from './events.ts';
import type { Event } from './jobs.ts';

interface Past {
  readonly partition: number;
  /**
   * Sum of the weights, each doubled for every half-life from the first event of all to its own.
   */
  grown: number;
  readonly minutes: { readonly minute: number; events: number; tenths: number }[];
  readonly inside: Set<string>;
  last: number;
  /** The next minute to decide at. */
  next: number;
  armed: boolean;
}

/** Half-lives since the first event. */
const halfLives = (at: number): number => (at - baseTime) / halfLifeMs;

/** Changes by user, in their order. */
export function expectedChanges({ batches }: Events): Map<string, Change[]> {
  const changes = new Map<string, Change[]>();
  const users = new Map<string, Past>();
  const streamTimes: number[] = [];
  for (const { partition, batch } of batches) {
    for (let i = 0; i < batch.count; i++) {
      const at = batch.timestamps[i] as number;
      const userId = String(batch.key(i));
      const { type, value } = JSON.parse(String(batch.value(i))) as Event;
      const streamTime = Math.max(streamTimes[partition] ?? 0, at);
      streamTimes[partition] = streamTime;
      const user = users.get(userId) ?? newcomer(partition, at);
      users.set(userId, user);
      passMinutes(changes, userId, user, streamTime);
      user.grown += (weights[type] ?? 0) * 2 ** halfLives(at);
      const minute = Math.floor(at / minuteMs);
      let known = user.minutes.find((one) => one.minute === minute);
      if (known === undefined) {
        known = { minute, events: 0, tenths: 0 };
        user.minutes.push(known);
      }
      known.events++;
      if (type === 'purchase') known.tenths += Math.round(value * 10);
      user.last = Math.max(user.last, at);
      decide(changes, userId, user, user.last);
      user.next = Math.floor(user.last / minuteMs) + 1;
      // What is two hours old counts no more; and no event is an hour late.
      while (user.next - (user.minutes[0]?.minute ?? 0) > 180) user.minutes.shift();
    }
  }
  for (const [userId, user] of users) {
    passMinutes(changes, userId, user, streamTimes[user.partition] as number);
  }
  return changes;
}

function newcomer(partition: number, at: number): Past {
  const next = Number.POSITIVE_INFINITY;
  return { partition, grown: 0, minutes: [], inside: new Set(), last: at, next, armed: false };
}

/** Decides at the full minutes that lie before a record at this stream time. */
function passMinutes(
  changes: Map<string, Change[]>,
  userId: string,
  user: Past,
  streamTime: number,
): void {
  for (; user.next * minuteMs < streamTime; user.next++) {
    decide(changes, userId, user, user.next * minuteMs);
  }
}

function decide(changes: Map<string, Change[]>, userId: string, user: Past, at: number): void {
  const minute = Math.floor(at / minuteMs);
  const score = user.grown / 2 ** halfLives(at);
  let [events, before, tenths] = [0, 0, 0];
  for (const one of user.minutes) {
    const age = minute - one.minute;
    if (age < 60) {
      events += one.events;
      tenths += one.tenths;
    } else if (age < 120) before += one.events;
  }
  user.armed ||= score >= 30;
  const { inside } = user;
  const now: Record<string, boolean> = {
    power: score >= (inside.has('power') ? 45 : 60),
    buyer: tenths >= (inside.has('buyer') ? 600 : 1_000),
    rising: inside.has('rising')
      ? events >= Math.max(1, 2 * before)
      : events >= Math.max(20, 3 * before),
    'at-risk': score < 5 && (user.armed || inside.has('at-risk')),
    dormant: at - user.last >= dormantMs,
  };
  if (now['at-risk']) user.armed = false;
  for (const segment of segments) {
    const enter = now[segment] === true;
    if (enter === inside.has(segment)) continue;
    if (enter) inside.add(segment);
    else inside.delete(segment);
    const told = changes.get(userId) ?? [];
    changes.set(userId, told);
    told.push({ userId, segment, enter, ts: at, score });
  }
}
