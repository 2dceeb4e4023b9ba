/** Score and band at every instant, in SQL, for conditions that read them. */
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import { type Database, quoted } from './database.ts';
import { gateIsShutSql } from './score-sql.ts';

/** The tables `score_at` and `band_at` for the instants in `instant`. */
export function scoreTables(db: Database, config: EngagementConfig): void {
  const { openSignal, gatedChannel } = config;
  const channels = Object.entries(config.channels);
  const open = quoted(openSignal.human);
  const machine = quoted(openSignal.machine);
  // The number of distinct items of an hour that had come by an instant.
  db.run(`
    create table if not exists firsts as select a.subject, a.class, a.hour, min(a.at) as at,
        case class.key when 'id' then a.id when 'item' then a.item
          else a.item || char(10) || coalesce(a.link, '') end as k
      from accepted a join class on class.name = a.class group by a.subject, a.class, a.hour, k;
    create index if not exists firsts_of on firsts (subject, hour);
    drop table if exists at_hour; drop table if exists score_at; drop table if exists band_at;
    create table at_hour as
      select i.subject, i.t, i.i, i.t / 3600000 as now, c.class, c.hour, c.n from instant i
        join counted c on c.subject = i.subject and c.hour < i.t / 3600000
      union all
      select i.subject, i.t, i.i, i.t / 3600000, f.class, f.hour, count(*) from instant i
        join firsts f on f.subject = i.subject and f.hour = i.t / 3600000 and f.at <= i.t
        group by i.subject, i.i, f.class, f.hour;
  `);
  const subs = channels.map(
    ([name, { saturation }]) =>
      `(select coalesce(100 * p / (p + ${saturation}), 0) from (select sum(points) / 1048576 as p
        from at_point x where x.subject = i.subject and x.i = i.i and x.channel = ${quoted(name)})) as "sub_${name}"`,
  );
  const shares = channels.reduce((sum, [, { share }]) => sum + share, 0);
  const total = channels.map(([name, { share }]) =>
    name === gatedChannel ? `${share} * "sub_${name}" * (1 - shut)` : `${share} * "sub_${name}"`,
  );
  db.run(`
    drop table if exists at_point; drop table if exists unreliable_at;
    create table unreliable_at as select subject, i from at_hour
      where class in (${open}, ${machine}) and hour > now - ${openSignal.hours}
      group by subject, i
      having sum(n * (class = ${machine})) > 0
        and 100 * sum(n * (class = ${machine})) >= ${openSignal.percent} * sum(n);
    create index unreliable_of on unreliable_at (subject, i);
    create table at_point as select h.subject, h.i, class.channel,
        min(h.n, class.per_hour) * class.weight * decay.factor as points
      from at_hour h join class on class.name = h.class
      join decay on decay.channel = class.channel and decay.age = h.now - h.hour
      where not (h.class = ${open} and exists (select 1 from unreliable_at u
        where u.subject = h.subject and u.i = h.i));
    create index at_point_of on at_point (subject, i, channel);
    create table score_at as select *, (${total.join(' + ')}) / ${shares} as total from (
      select i.subject, i.t, i.i, ${gateIsShutSql('i.subject', 'i.t')} as shut, ${subs.join(', ')} from instant i);
    create index score_at_of on score_at (subject, i);
    create table band_at as ${bandSql(config)};
    create index band_at_of on band_at (subject, i);
  `);
}

/**
 * The band at each instant, from the band at the instant before: up at a bound, down at
 * `hysteresis` below it.
 */
export function bandSql({ bands, hysteresis }: EngagementConfig): string {
  const up = (before: string) =>
    `max(${before}, ${bands.map(({ from }, k) => `(s.total >= ${from}) * ${k}`).join(', ')})`;
  // The greatest band up to `top` that the score still holds.
  const down = (top: string) =>
    `max(${bands
      .map(
        ({ from }, k) =>
          `(${k} <= ${top} and s.total >= ${k === 0 ? 0 : from - hysteresis}) * ${k}`,
      )
      .join(', ')})`;
  const next = (before: string) => down(up(before));
  const name = `case when shut then 'suppressed' ${bands
    .map((band, k) => `when band = ${k} then ${quoted(band.name)}`)
    .join(' ')} end`;
  return `with recursive fold (subject, i, shut, band) as (
      select s.subject, s.i, s.shut, ${next('0')} from score_at s where s.i = 1
      union all
      select s.subject, s.i, s.shut, ${next('b.band')} from fold b
        join score_at s on s.subject = b.subject and s.i = b.i + 1
    ) select subject, i, ${name} as name from fold`;
}
