/**
 * The accepted set in SQL: without what is late, a duplicate, not permitted or refunded, and with
 * the class of a machine where a machine made the event.
 */
import type { checkPersonalisation } from '../personalisation.ts';
import { type Database, listOf, quoted } from './database.ts';

export type CheckedConfig = ReturnType<typeof checkPersonalisation>;

/**
 * Makes the table `accepted` from `raw`: one row for each event that counts, with the class it
 * counts as. Lateness and the refusal for want of consent depend on the order of arrival; nothing
 * else does.
 */
export function acceptInSql(db: Database, config: CheckedConfig): void {
  dropLate(db, config);
  dropRefused(db, config);
  dropRefunded(db, config);
  judgeMachines(db, config);
  db.run(`
    create table accepted as select r.subject, r.at, r.at / 3600000 as hour,
      case when j.e1 or j.e4 or j.e5 or j.e2 + j.e3 + j.e6 >= 2 then m.becomes else r.class end as class,
      r.class as original, r.id, coalesce(r.item, r.id) as item, r.link, r.purpose, r.until, r.n,
      r.currency, r.fields
    from ready r left join judged j on j.n = r.n left join machine_class m on m.class = r.class;
    create index accepted_of on accepted (subject, class, at);
  `);
}

/** The table `seen`: the events that came within the grace. */
function dropLate(db: Database, { engagement }: CheckedConfig): void {
  db.run(
    `
    create table seen as select *, max(at) over (partition by stream order by n) as newest from raw;
    delete from seen where at < newest - :grace;
    create index seen_of on seen (subject, id);
    `,
    { grace: engagement.graceMs },
  );
}

/**
 * The table `ready`: the events that were seen, without duplicates and without those not permitted.
 */
function dropRefused(db: Database, { engagement, consent }: CheckedConfig): void {
  const grace = { grace: engagement.graceMs };
  db.run(
    `
    create table needs (class text primary key, purpose text);
    create table consent as
      select n, subject, purpose, at, class = 'consent_granted' as granted,
        case class when 'consent_granted' then until end as until
      from seen s where class in ('consent_granted', 'consent_withdrawn') and not exists (
        select 1 from seen p where p.subject = s.subject and p.id = s.id and p.n < s.n
          and p.at >= s.newest - :grace);
    create index consent_of on consent (subject, purpose);
    `,
    grace,
  );
  db.insert('needs', Object.entries(consent.needs));
  const unknown = consent.unknown === 'granted' ? 1 : 0;
  // Whether a consent held at the event's instant, by the consents that had come by arrival `upTo`.
  const held = (upTo: string) => `coalesce((
    select c.granted and (c.until is null or s.at < c.until) from consent c
    where c.subject = s.subject and c.purpose = s.needed and c.n <= ${upTo} and c.at <= s.at
    order by c.at desc, c.granted, coalesce(c.until, 9e15) desc limit 1), ${unknown})`;
  const permitted = consent.keepRefused
    ? held('9e15')
    : `${held('s.n')} and not exists (select 1 from consent later
        where later.subject = s.subject and later.n > s.n and not ${held('later.n')})`;
  const atArrival = consent.keepRefused ? '1' : held('s.n');
  db.run(
    `
    create table ready as
      select s.*, coalesce(own.purpose, every_other.purpose) as needed from seen s
      left join needs own on own.class = s.class
      left join needs every_other on every_other.class = '*'
        and s.class not in ('consent_granted', 'consent_withdrawn');
    delete from ready as s where needed is not null and not ${atArrival};
    create index ready_of on ready (subject, id);
    delete from ready as s where exists (
      select 1 from ready p where p.subject = s.subject and p.id = s.id and p.n < s.n
        and p.at >= s.newest - :grace);
    delete from ready as s where needed is not null and not (${permitted});
    create index ready_item on ready (subject, coalesce(item, id), class);
    `,
    grace,
  );
}

/** Deletes from `ready` the purchases that a refund followed in time. */
function dropRefunded(db: Database, { engagement }: CheckedConfig): void {
  db.run(
    `
    delete from ready as s where class in ${listOf(engagement.money.classes)} and exists (
      select 1 from ready r where r.subject = s.subject and r.class = 'refund'
        and coalesce(r.item, r.id) = coalesce(s.item, s.id) and r.at between s.at and s.at + :refund);
    `,
    { refund: engagement.refundMs },
  );
}

/** The table `judged`: the signs of a machine, e1 to e6, of each open and click. */
function judgeMachines(db: Database, { machine: { config } }: CheckedConfig): void {
  const clicks = listOf(config.clicks);
  const isClick = `s.class in ${clicks}`;
  const sibling = `o.subject = s.subject and coalesce(o.item, o.id) = coalesce(s.item, s.id)
    and o.class in ${clicks}`;
  db.run(
    `
    create table judged as select s.n, s.flagged as e1, s.listed as e2, s.ahead as e3,
      ${isClick} and exists (select 1 from ready o where ${sibling} and o.honeypot
        and o.source = s.source and abs(o.at - s.at) <= :honeypotMs) as e4,
      ${isClick} and (select count(distinct o.link) >= :burstLinks
          and 2 * count(distinct o.link) >= max(o.links)
        from ready o where ${sibling} and o.at / :burstMs = s.at / :burstMs) as e5,
      ${isClick} and exists (select 1 from ready d where d.subject = s.subject and coalesce(d.item, d.id) = coalesce(s.item, s.id)
        and d.class = ${quoted(config.delivered)} and s.at between d.at - :before and d.at + :after) as e6
    from ready s where s.class in ${listOf(Object.keys(config.of))};
    create table machine_class (class text primary key, becomes text);
    `,
    {
      honeypotMs: config.honeypotMs,
      burstMs: config.burstMs,
      burstLinks: config.burstLinks,
      before: config.beforeDeliveryMs,
      after: config.afterDeliveryMs,
    },
  );
  db.insert('machine_class', Object.entries(config.of));
}

export interface Activity {
  readonly subject: string;
  readonly id: string;
  readonly isMachine: boolean;
}

/** The accepted activities, and whether a machine made each. */
export function activitiesInSql(db: Database): Activity[] {
  const rows = db.all(`
    select subject, id, class <> original as machine from accepted
    where original in (select class from machine_class)`);
  return rows.map((row) => ({
    subject: String(row['subject']),
    id: String(row['id']),
    isMachine: row['machine'] === 1,
  }));
}
