/** Scores in plain SQL over the accepted events: the second opinion on the engine's. */
import sqlite from 'node-sqlite3-wasm';
import type { EngagementConfig } from '../../topologies/engagement/config.ts';
import type { LogEvent } from './events.ts';

export interface SqlScore {
  readonly score: number;
  readonly subs: Readonly<Record<string, number>>;
}

const schema = `
  create table event (subject text, class text, hour integer, item text);
  create table class (name text primary key, channel text, weight integer, per_hour integer);
  create table channel (name text primary key, saturation integer, share integer);
  create table decay (channel text, age integer, factor integer, primary key (channel, age));
  create table shut (subject text primary key);
`;

const scoreQuery = `
  with counted as (
    select subject, class, hour, count(distinct item) as n from event
    where hour <= :hour group by subject, class, hour
  ), points as (
    select counted.subject, class.channel,
      sum(min(n, per_hour) * weight * coalesce(factor, 0)) / 1048576 as p
    from counted join class on class.name = counted.class
    left join decay on decay.channel = class.channel and decay.age = :hour - counted.hour
    group by counted.subject, class.channel
  ), subs as (
    select who.subject, channel.name as channel, share,
      coalesce(100 * p / (p + saturation), 0) as sub
    from (select distinct subject from event) who cross join channel
    left join points on points.subject = who.subject and points.channel = channel.name
  )
  select subject,
    sum(case when channel = 'email' and subject in (select subject from shut) then 0
      else share * sub end) / sum(share) as score,
    json_group_object(channel, sub) as subs
  from subs group by subject
`;

const gateClasses = {
  email_bounce: 'bounced',
  address_change: 'changed',
  email_unsubscribe: 'left',
  email_subscribe: 'joined',
  email_complaint: 'complained',
} as const;

/** Score and sub-scores of every subject at an instant (ms UTC). */
export function scoresBySql(
  accepted: ReadonlyMap<string, readonly LogEvent[]>,
  config: EngagementConfig,
  at: number,
): Map<string, SqlScore> {
  const db = new sqlite.Database();
  try {
    db.exec(schema);
    db.exec('begin');
    fill(db, accepted, config, at);
    const rows = db.all(scoreQuery, { ':hour': Math.floor(at / 3_600_000) });
    return new Map(
      rows.map((row) => [
        String(row['subject']),
        { score: Number(row['score']), subs: JSON.parse(String(row['subs'])) },
      ]),
    );
  } finally {
    db.close();
  }
}

function fill(
  db: InstanceType<typeof sqlite.Database>,
  accepted: ReadonlyMap<string, readonly LogEvent[]>,
  config: EngagementConfig,
  at: number,
): void {
  const insert = (table: string, rows: Iterable<readonly (string | number)[]>) => {
    let statement: ReturnType<typeof db.prepare> | undefined;
    for (const row of rows) {
      statement ??= db.prepare(`insert into ${table} values (${row.map(() => '?').join(',')})`);
      statement.run([...row]);
    }
    statement?.finalize();
  };
  insert(
    'class',
    Object.entries(config.classes).map(([n, c]) => [n, c.channel, c.weight, c.perHour]),
  );
  const channels = Object.entries(config.channels);
  insert(
    'channel',
    channels.map(([n, c]) => [n, c.saturation, c.share]),
  );
  for (const [name, { halfLifeHours: h }] of channels) {
    const ages = Array.from({ length: 8 * h }, (_, k) => k);
    insert(
      'decay',
      ages.map((k) => [name, k, Math.floor(2 ** 20 * 2 ** (-k / h) + 0.5)]),
    );
  }
  for (const [subject, events] of accepted) {
    insert(
      'event',
      events.map((e) => [subject, e.class, Math.floor(e.at / 3_600_000), counted(config, e)]),
    );
    if (isShut(events, at)) insert('shut', [[subject]]);
  }
}

/** What of an event is counted once an hour. */
function counted(config: EngagementConfig, event: LogEvent): string {
  const key = config.classes[event.class]?.key ?? 'item';
  if (key === 'id') return event.id;
  return key === 'item-link' ? `${event.item} ${event.link ?? ''}` : event.item;
}

/** Whether the e-mail gate is shut: bounced, unsubscribed, or complained within 365 days. */
function isShut(events: readonly LogEvent[], at: number): boolean {
  const last = { bounced: 0, changed: 0, left: 0, joined: 0, complained: 0 };
  for (const event of events) {
    const gate = gateClasses[event.class as keyof typeof gateClasses];
    if (gate !== undefined) last[gate] = Math.max(last[gate], event.at);
  }
  const complaintLasts = last.complained > 0 && at < last.complained + 365 * 86_400_000;
  return last.bounced > last.changed || last.left > last.joined || complaintLasts;
}
