/** Scores in plain SQL over the accepted events, as a second opinion on those of the engine. */
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import { type Database, listOf, quoted } from './database.ts';

export interface SqlScore {
  readonly score: number;
  readonly subs: Readonly<Record<string, number>>;
}

/** Tables of the configuration, and the distinct items of each hour. */
export function prepareScores(db: Database, config: EngagementConfig): void {
  db.run(`
    create table class (name text primary key, channel text, weight integer, per_hour integer, key text, machine integer);
    create table channel (name text primary key, saturation integer, share integer);
    create table decay (channel text, age integer, factor integer, primary key (channel, age)) without rowid;
  `);
  db.insert(
    'class',
    Object.entries(config.classes).map(([name, c]) => [
      ...[name, c.channel, c.weight, c.perHour, c.key ?? 'item'],
      c.machine === true ? 1 : 0,
    ]),
  );
  const channels = Object.entries(config.channels);
  db.insert(
    'channel',
    channels.map(([name, c]) => [name, c.saturation, c.share]),
  );
  for (const [name, { halfLifeHours: h }] of channels) {
    const ages = Array.from({ length: 8 * h }, (_, k) => k);
    db.insert(
      'decay',
      ages.map((k) => [name, k, Math.floor(2 ** 20 * 2 ** (-k / h) + 0.5)]),
    );
  }
  db.run(`
    create table counted as select a.subject, a.class, a.hour, count(distinct
        case class.key when 'id' then a.id when 'item' then a.item
          else a.item || char(10) || coalesce(a.link, '') end) as n
      from accepted a join class on class.name = a.class group by a.subject, a.class, a.hour;
    create index counted_of on counted (subject, class, hour);
    create table gate as select subject, at, case
        when class = 'email_bounce' then 'bounced' when class = 'address_change' then 'changed'
        when class = 'email_unsubscribe' then 'left' when class = 'email_subscribe' then 'joined'
        when class = 'email_complaint' then 'complained'
        when class = 'consent_granted' then 'granted' else 'withdrawn' end as kind, until
      from accepted where class in ('email_bounce', 'address_change', 'email_unsubscribe',
        'email_subscribe', 'email_complaint')
        or class in ('consent_granted', 'consent_withdrawn') and purpose = ${quoted(config.gatePurpose)};
    create index gate_of on gate (subject, kind, at);
  `);
}

/** Whether the gate of \`who\` is shut at an instant, as an expression. */
export function gateIsShutSql(subject: string, at: string): string {
  const last = (kind: string) =>
    `coalesce((select max(g.at) from gate g where g.subject = ${subject} and g.kind = '${kind}' and g.at <= ${at}), -1)`;
  return `(${last('bounced')} > ${last('changed')} or ${last('left')} > ${last('joined')}
    or exists (select 1 from gate g where g.subject = ${subject} and g.kind = 'complained'
      and g.at <= ${at} and ${at} < g.at + 31536000000)
    or coalesce((select g.kind = 'withdrawn' or coalesce(g.until <= ${at}, 0) from gate g
      where g.subject = ${subject} and g.kind in ('granted', 'withdrawn') and g.at <= ${at}
      order by g.at desc, g.kind desc, coalesce(g.until, 9e15) desc limit 1), 0))`;
}

/** Score and sub-scores of every subject at an instant (ms UTC). */
export function scoresBySql(
  db: Database,
  { openSignal, gatedChannel }: EngagementConfig,
  at: number,
): Map<string, SqlScore> {
  const rows = db.all(
    `
    with unreliable as (
      select subject from counted where hour > :hour - :hours and hour <= :hour
        and class in ${listOf([openSignal.human, openSignal.machine])}
      group by subject
      having sum(n * (class = ${quoted(openSignal.machine)})) > 0
        and 100 * sum(n * (class = ${quoted(openSignal.machine)})) >= :percent * sum(n)
    ), points as (
      select c.subject, class.channel,
        sum(min(n, per_hour) * weight * coalesce(factor, 0)) / 1048576 as p
      from counted c join class on class.name = c.class
      left join decay on decay.channel = class.channel and decay.age = :hour - c.hour
      where c.hour <= :hour
        and not (c.class = ${quoted(openSignal.human)} and c.subject in (select subject from unreliable))
      group by c.subject, class.channel
    ), subs as (
      select who.subject, channel.name as channel, share,
        coalesce(100 * p / (p + saturation), 0) as sub
      from (select distinct subject from accepted) who cross join channel
      left join points on points.subject = who.subject and points.channel = channel.name
    )
    select s.subject,
      sum(case when channel = ${quoted(gatedChannel)} and ${gateIsShutSql('s.subject', ':at')} then 0
        else share * sub end) / sum(share) as score,
      json_group_object(channel, sub) as subs
    from subs s group by s.subject
    `,
    { hour: Math.floor(at / 3_600_000), at, hours: openSignal.hours, percent: openSignal.percent },
  );
  return new Map(
    rows.map((row) => [
      String(row['subject']),
      { score: Number(row['score']), subs: JSON.parse(String(row['subs'])) },
    ]),
  );
}
