/**
 * The product's job in small: an engagement score that decays, and segments with hysteresis, told
 * as they change. A score is the sum of weights, each halved every hour. Segments are decided at
 * each event, at the user's latest event time, and at every full minute after it that stream time
 * has passed, before the next record is taken:
 *
 *   power    score at least 60; until it is below 45
 *   buyer    bought for 100 in the last hour; until it is less than 60
 *   rising   20 events in the last hour and three times those of the hour before; until less than twice, or none
 *   at-risk  score below 5 after it was 30; until it is 5
 *   dormant  two hours without an event; until the next one
 *
 * An hour is sixty minutes of the clock, the one that runs included. Money is counted in tenths.
 */
import type { ProcessContext, ProcessSpec, Serde } from 'millrace';
import type { Event } from './jobs.ts';

export const minuteMs = 60_000;
export const halfLifeMs = 3_600_000;
export const dormantMs = 2 * 3_600_000;
export const weights: Readonly<Record<string, number>> = {
  view: 1,
  click: 2,
  like: 3,
  purchase: 10,
};
export const segments = ['power', 'buyer', 'rising', 'at-risk', 'dormant'] as const;
const [power, buyer, rising, atRisk, dormant] = [1, 2, 4, 8, 16] as const;

export interface Change {
  readonly userId: string;
  readonly segment: string;
  readonly enter: boolean;
  readonly ts: number;
  readonly score: number;
}

interface User {
  score: number;
  /** The instant of `score`, ms UTC. */
  scoreAt: number;
  /** Greatest event time, ms UTC. */
  last: number;
  /** A bit a segment. */
  in: number;
  /** The score was 30 since the user was at risk. */
  armed: boolean;
  /**
   * Minute, events and tenths bought in it; three numbers a minute, ascending, of the last two
   * hours.
   */
  minutes: number[];
}

/** f64 score, scoreAt, last · u8 bits, armed · of each minute u32 minute, events, tenths. */
const userSerde: Serde<User> = {
  format: 'engagement-user',
  encode: ({ score, scoreAt, last, in: bits, armed, minutes }) => {
    const bytes = Buffer.allocUnsafe(26 + 4 * minutes.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    view.setFloat64(0, score);
    view.setFloat64(8, scoreAt);
    view.setFloat64(16, last);
    view.setUint8(24, bits);
    view.setUint8(25, armed ? 1 : 0);
    for (let i = 0; i < minutes.length; i++) view.setUint32(26 + 4 * i, minutes[i] as number);
    return bytes;
  },
  decode: (bytes, start, end) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, end - start);
    const minutes = Array.from({ length: (end - start - 26) / 4 }, (_, i) =>
      view.getUint32(26 + 4 * i),
    );
    return {
      score: view.getFloat64(0),
      scoreAt: view.getFloat64(8),
      last: view.getFloat64(16),
      in: view.getUint8(24),
      armed: view.getUint8(25) === 1,
      minutes,
    };
  },
};

type Context = ProcessContext<string, User, Change>;

export const engagement: ProcessSpec<string, Event, User, Change> = {
  state: userSerde,
  record(context, { type, value }, timestamp) {
    const user = context.state ?? {
      score: 0,
      scoreAt: timestamp,
      last: timestamp,
      in: 0,
      armed: false,
      minutes: [],
    };
    const weight = weights[type] ?? 0;
    if (timestamp >= user.scoreAt) {
      user.score = scoreOf(user, timestamp) + weight;
      user.scoreAt = timestamp;
    } else user.score += weight * 2 ** -((user.scoreAt - timestamp) / halfLifeMs);
    user.last = Math.max(user.last, timestamp);
    count(user, Math.floor(timestamp / minuteMs), type === 'purchase' ? Math.round(value * 10) : 0);
    context.state = user;
    decide(context, user, user.last);
  },
  timer(context, _name, at) {
    const user = context.state;
    if (user !== undefined) decide(context, user, at);
  },
};

function scoreOf({ score, scoreAt }: User, at: number): number {
  return score * 2 ** -((at - scoreAt) / halfLifeMs);
}

function count({ minutes, last }: User, minute: number, tenths: number): void {
  let i = minutes.length;
  while (i > 0 && (minutes[i - 3] as number) > minute) i -= 3;
  if (i > 0 && minutes[i - 3] === minute) {
    (minutes[i - 2] as number)++;
    minutes[i - 1] = (minutes[i - 1] as number) + tenths;
  } else minutes.splice(i, 0, minute, 1, tenths);
  const oldest = Math.floor(last / minuteMs) - 120;
  let gone = 0;
  while (gone < minutes.length && (minutes[gone] as number) <= oldest) gone += 3;
  if (gone > 0) minutes.splice(0, gone);
}

function decide(context: Context, user: User, at: number): void {
  const score = scoreOf(user, at);
  const now = Math.floor(at / minuteMs);
  let [events, before, tenths] = [0, 0, 0];
  for (let i = 0; i < user.minutes.length; i += 3) {
    const minute = user.minutes[i] as number;
    if (minute > now - 60) {
      events += user.minutes[i + 1] as number;
      tenths += user.minutes[i + 2] as number;
    } else if (minute > now - 120) before += user.minutes[i + 1] as number;
  }
  if (score >= 30) user.armed = true;
  const { in: was } = user;
  let is = 0;
  if (was & power ? score >= 45 : score >= 60) is |= power;
  if (tenths >= (was & buyer ? 600 : 1_000)) is |= buyer;
  if (was & rising ? events > 0 && events >= 2 * before : events >= 20 && events >= 3 * before)
    is |= rising;
  if (was & atRisk ? score < 5 : user.armed && score < 5) is |= atRisk;
  if (at >= user.last + dormantMs) is |= dormant;
  if (is & atRisk) user.armed = false;
  user.in = is;
  if (is !== was) tell(context, was, is, at, score);
  const next = nextMinute(user, at, events);
  if (next === undefined) context.cancelTimer('next');
  else context.setTimer('next', next);
}

function tell(context: Context, was: number, is: number, ts: number, score: number): void {
  const userId = context.key;
  segments.forEach((segment, i) => {
    const bit = 1 << i;
    if ((was ^ is) & bit) context.emit({ userId, segment, enter: (is & bit) !== 0, ts, score });
  });
}

/**
 * The first full minute after `at` at which anything may change without an event, ms UTC; undefined
 * for none.
 */
function nextMinute(user: User, at: number, events: number): number | undefined {
  const { in: bits, armed, minutes, last } = user;
  const now = Math.floor(at / minuteMs);
  let next = Number.POSITIVE_INFINITY;
  if (!(bits & dormant)) next = Math.ceil((last + dormantMs) / minuteMs);
  if (bits & power) next = Math.min(next, minuteBelow(user, 45, now));
  if (armed && !(bits & atRisk)) next = Math.min(next, minuteBelow(user, 5, now));
  const counts = (bits & rising) !== 0 || events >= 20;
  if (counts || bits & buyer) {
    // Minutes leave the last hour, and the hour before it.
    for (let i = 0; i < minutes.length; i += 3) {
      const minute = minutes[i] as number;
      if (minute + 60 > now) next = Math.min(next, minute + 60);
      if (counts && minute + 120 > now) next = Math.min(next, minute + 120);
    }
  }
  return next === Number.POSITIVE_INFINITY ? undefined : Math.max(next, now + 1) * minuteMs;
}

/** The first minute after `now` at which the score is below a threshold. */
function minuteBelow(user: User, threshold: number, now: number): number {
  const crossing = user.scoreAt + halfLifeMs * Math.log2(user.score / threshold);
  let minute = Math.max(now + 1, Math.floor(crossing / minuteMs));
  while (scoreOf(user, minute * minuteMs) >= threshold) minute++;
  while (minute > now + 1 && scoreOf(user, (minute - 1) * minuteMs) < threshold) minute--;
  return minute;
}
